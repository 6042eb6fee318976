"""Notes and unreadable files, as parts of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lightfast.base.plain import as_json
from lightfast.report.envelope import Envelope
from lightfast.report.page import Folded, SectionPart, Table, Text


def noted(result: Envelope) -> tuple[SectionPart, ...]:
    """What was done while reading, and every file that could not be read, by name."""
    return noted_dicts(result.notes, as_json(result.unreadable))


def noted_dicts(notes: Sequence[str], unreadable: Sequence[Mapping[str, str]]) -> tuple[SectionPart, ...]:
    """What was done while reading, and every file that could not be read, by name."""
    parts: list[SectionPart] = []
    if notes:
        parts.append(
            Text(
                "\n\n".join(note[0].upper() + note[1:] + "." * (not note.endswith(".")) for note in notes),
                note=True,
            )
        )
    if unreadable:
        rows = tuple((one["path"], one["reason"]) for one in unreadable)
        table = Table(("file", "reason"), rows, f"{len(rows):,} files could not be read and were left out")
        parts.append(table if len(rows) <= 10 else Folded(table.caption, (table,)))
    return tuple(parts)
