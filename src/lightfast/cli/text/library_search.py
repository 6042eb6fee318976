"""What is said of features and of what was found, for a terminal."""

from __future__ import annotations

from lightfast.library.embed import EmbedResult
from lightfast.library.search.hits import SearchHit, SearchPage


def embed_lines(result: EmbedResult) -> list[str]:
    """How many pictures have got features."""
    if not (result.embedded or result.lost or result.unreadable):
        return [f"every picture has features by {result.source}"]
    lines = [f"features   of {result.embedded:,} pictures by {result.source}, {result.computed:,} computed"]
    if result.lost:
        lines.append(f"not seen   {result.lost:,} whose files are not where they were, as they were")
    return lines


def hit_lines(page: SearchPage) -> list[str]:
    """A line a picture: its number, how well it fits, where it lies, its tags."""
    if not page.hits:
        return ["nothing found"]
    width = max(len(str(one.asset_id)) for one in page.hits)
    lines = [_hit_line(one, width) for one in page.hits]
    return [*lines, f"more       --cursor {page.cursor}"] if page.cursor else lines


def _hit_line(hit: SearchHit, width: int) -> str:
    fit = "" if hit.similarity is None else f"  {hit.similarity:.3f}"
    tags = (_tag_text(one.label, one.state, one.score) for one in hit.tags if one.state != "rejected")
    said = ", ".join(tags)
    return f"{hit.asset_id:>{width}}{fit}  {hit.uri or '(no file)'}" + (f"  [{said}]" if said else "")


def _tag_text(label: str, state: str, score: float) -> str:
    return label if state == "confirmed" else f"{label} {score:.2f}?"
