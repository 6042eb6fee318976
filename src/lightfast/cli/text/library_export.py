"""What an export of a library wrote, for a terminal."""

from __future__ import annotations

from lightfast.cli.text.columns import NAMED
from lightfast.library.sidecars import LibrarySidecars


def sidecar_lines(result: LibrarySidecars) -> list[str]:
    """How many sidecars hold the tags, and which pictures keep theirs in the library only."""
    lines = [f"sidecars   {result.written:,} beside {result.pictures:,} pictures"]
    if result.refused:
        lines.append(f"kept       the tags of {len(result.refused):,} pictures in the library only:")
        lines += [f"  {one.path}: {one.reason}. {one.cure}" for one in result.refused[:NAMED]]
        if len(result.refused) > NAMED:
            lines.append(f"  … and {len(result.refused) - NAMED:,} more (--json names all)")
    return lines
