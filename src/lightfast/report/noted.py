"""Notes and unreadable files, as parts of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lightfast.report.page import Folded, Part, Table, Text


def noted(notes: Sequence[str], unreadable: Sequence[Mapping[str, str]]) -> tuple[Part, ...]:
    """What was done while reading, and every file that could not be read, by name."""
    parts: list[Part] = []
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
