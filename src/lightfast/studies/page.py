"""The page of a study: its tables and figures in one file."""

from __future__ import annotations

from pathlib import Path

from lightfast.report.page import Section, Text, write_page
from lightfast.studies.registry import StudyResult


def write_study_page(path: Path, result: StudyResult) -> Path:
    """Write the page to `path`: the notes, the tables in the order of the terminal,
    the study's own sections.
    """
    notes = [Section("What to know", (Text("\n\n".join(result.notes), note=True),))] if result.notes else []
    tables = Section("The paper's figures beside ours", result.tables)
    subtitle = f"Study at scale {result.scale}."
    return write_page(path, result.title, subtitle, [*notes, tables, *result.sections], result.provenance)
