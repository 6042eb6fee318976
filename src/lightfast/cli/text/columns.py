"""Aligned columns, and the files that could not be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lightfast.report.page import Table
from lightfast.report.tables import text_table

NAMED = 20
"""So many files that could not be read are named, the rest is counted."""


def columns(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A plain table, one line a row."""
    return text_table(Table(tuple(headings), tuple(map(tuple, rows)))).splitlines()


def unreadable_lines(unreadable: Sequence[Mapping[str, str]]) -> list[str]:
    """Files that could not be read, by name and reason, with their number."""
    if not unreadable:
        return []
    more = [f"  … and {len(unreadable) - NAMED:,} more"] if len(unreadable) > NAMED else []
    return [
        f"{len(unreadable):,} file(s) could not be read and were left out:",
        *(f"  {one['path']}: {one['reason']}" for one in unreadable[:NAMED]),
        *more,
    ]
