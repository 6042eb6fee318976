"""What `library curate` says on a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightfast.runs.library.curate import LibraryCurated


def curated_lines(result: LibraryCurated, library: Path) -> list[str]:
    """What was found by kind, what waits for people now, where the report lies."""
    found = ", ".join(f"{count:,} {kind}" for kind, count in result.found.items()) or "nothing"
    waits = f"queued     {result.queued:,} pictures for review"
    more = [
        text
        for count, text in (
            (result.waiting, f"{result.waiting:,} waited already"),
            (result.answered, f"{result.answered:,} were answered before"),
        )
        if count
    ]
    return [
        f"looked at  {result.n:,} labelled pictures",
        f"found      {found}",
        waits + (f" ({', '.join(more)})" if more else ""),
        *(f"not run    {what}: {why}" for what, why in result.not_run.items()),
        *(f"note       {note}" for note in result.notes),
        f"report     {library / result.run / 'curated' / 'report.html'}",
    ]
