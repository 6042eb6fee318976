"""The page of what is wrong with a pile of pictures."""

from __future__ import annotations

from pathlib import Path

from lightfast.pages.curate_result import CurateResult
from lightfast.report.noted import noted
from lightfast.report.page import Section, write_page


def write_curate_page(path: Path, result: CurateResult) -> Path:
    """The report."""
    return write_page(path, f"What is wrong with {result.data}", "", [Section("Result", noted(result))], result.provenance)
