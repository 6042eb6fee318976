"""What people are asked and what became of their answers, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightfast.cli.text.columns import NAMED
from lightfast.library.intake import IntakeResult
from lightfast.library.review.decide import Acted
from lightfast.library.review.review import AskedAsset


def asked_lines(asked: Sequence[AskedAsset], out: Path | None) -> list[str]:
    """A line a picture with its number, what is asked, where it lies; then how to answer."""
    if not asked:
        return ["nothing waits for you"]
    lines = []
    for one in asked:
        share = "" if one.probability is None else f" ({one.probability:.2f})"
        lines.append(f"{one.asset_id:>8}  {(one.label or 'any label') + share:<24} {one.path}")
        lines.append(f"{'':>8}  {one.reason}")
    if out is not None:
        return [*lines, f"written to {out}: fill decided_label, then lightfast library review --decide {out}"]
    first = asked[0]
    label = first.label or "LABEL"
    return [*lines, f"answer with --confirm {first.asset_id}={label} or --reject {first.asset_id}={label}"]


def acted_lines(result: Acted) -> list[str]:
    """How many decisions were kept, and which pictures were left as others decided them."""
    lines = [f"decided    {len(result.decision_ids):,}"]
    if result.kept:
        named = ", ".join(map(str, result.kept[:NAMED]))
        lines.append(
            f"left       {len(result.kept):,} as another person decided: {named} (--over decides over)"
        )
    return lines


def intake_lines(result: IntakeResult) -> list[str]:
    """What was queued, and what the library does not know."""
    lines = [f"queued     {result.queued:,} new; {result.waiting:,} waited already"]
    if result.answered:
        lines.append(f"answered   {result.answered:,} rows hold answers: lightfast library review --decide")
    if result.unknown:
        lines.append(f"unknown    {len(result.unknown):,} pictures are not in the library:")
        lines += [f"  {name}" for name in result.unknown[:NAMED]]
        if len(result.unknown) > NAMED:
            lines.append(f"  … and {len(result.unknown) - NAMED:,} more (--json names all)")
    return lines
