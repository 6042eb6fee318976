"""A library's models and its ledger, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from lightfast.library.ledger import RetrainEntry
from lightfast.library.promote import LibraryModel
from lightfast.runs.library.retrain import RetrainResult


def retrain_lines(result: RetrainResult) -> list[str]:
    """What was trained, the comparison in one sentence, what holds now."""
    lines = [
        f"trained    {result.model} on {result.trained:,} pictures; {result.decisions:,} decisions "
        f"({result.minutes:.1f} minutes) since the last time",
        f"untouched  {result.held_out:,} pictures ({result.held_out_new:,} joined now), scored "
        f"{result.held_out_uses:,} times before",
    ]
    if result.accuracy is not None and result.interval is not None:
        low, high = result.interval
        lines.append(f"accuracy   {result.accuracy:.1%} there (95 % interval {low:.1%} to {high:.1%})")
    if result.test is not None:
        lines.append(f"compared   {result.test.sentence()}")
    lines.append(f"verdict    {result.verdict}")
    lines.append(f"{'in use' if result.promoted else 'kept aside':<10} {result.model}: {result.reason}")
    return lines


def model_lines(models: Sequence[LibraryModel], entries: Sequence[RetrainEntry]) -> list[str]:
    """The models, the one in use marked, and the ledger below."""
    if not models:
        return ["the library has no model yet: lightfast library retrain, or library tag with a run"]
    lines = []
    for one in models:
        mark = "*" if one.in_use else " "
        state = "in use" if one.in_use else "rolled back" if one.rolled_back_at else "kept"
        lines.append(f"{mark} {one.id:>3}  {one.name:<24} {state:<12} {len(one.class_names):,} labels")
    lines += [
        f"{one.at:%Y-%m-%d %H:%M}  {one.decisions:,} decisions, {one.minutes:.1f} minutes: {one.verdict}"
        + _gain(one)
        for one in entries
    ]
    return lines


def _gain(entry: RetrainEntry) -> str:
    paired = entry.figures.get("paired")
    if not paired:
        return ""
    low, high = paired["difference_interval"]
    ends = f"{100 * low:+.1f} to {100 * high:+.1f}"
    return f" ({100 * paired['difference']:+.1f} points, {ends}, n = {paired['n']:,})"
