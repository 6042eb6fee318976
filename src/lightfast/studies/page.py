"""The page of a study: its tables and figures in one file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightfast.report.page import Section, Text, write_page
from lightfast.report.provenance import provenance
from lightfast.studies.registry import StudyResult


def write_study_page(path: Path, result: StudyResult, facts: Mapping[str, Any]) -> Path:
    """Write the page to `path`: the tables in the order of the terminal, the study's own sections,
    the notes.
    """
    notes = Section("What to know", (Text("\n\n".join(result.notes), note=True),)) if result.notes else None
    tables = Section("The paper's figures beside ours", result.tables)
    sections = [*([notes] if notes else []), tables, *result.sections]
    return write_page(
        path, result.title, f"Study at scale {result.figures.get('scale', '')}.", sections, facts
    )


def study_facts(result: StudyResult, name: str, scale: str, seed: int) -> dict[str, Any]:
    """The provenance of a study's figures."""
    command = ["lightfast", "study", name, "--scale", scale, "--seed", str(seed)]
    return provenance(str(result.figures.get("data_version", "")), seed, dict(result.seconds), command)
