"""What is said of features and of what was found, for a terminal."""

from __future__ import annotations

from lightfast.library.embed import EmbedResult


def embed_lines(result: EmbedResult) -> list[str]:
    """How many pictures have got features."""
    if not (result.embedded or result.lost or result.unreadable):
        return [f"every picture has features by {result.source}"]
    lines = [f"features   of {result.embedded:,} pictures by {result.source}, {result.computed:,} computed"]
    if result.lost:
        lines.append(f"not seen   {result.lost:,} whose files are not where they were, as they were")
    return lines
