"""What `relabel` made, for a terminal."""

from __future__ import annotations

from lightfast.cli.text.columns import NAMED
from lightfast.curate.ledger import CleanupEffect
from lightfast.report.tables import percent
from lightfast.runs.relabel import RelabelResult


def relabel_lines(result: RelabelResult) -> list[str]:
    """What changed, what could not be applied, where people disagreed, and what to do next."""
    parts = ", ".join(f"{name} {count:,}" for name, count in result.changed.items())
    left = sum(result.left_out.values())
    lines = [
        f"decisions  {result.decisions:,}: {sum(result.changed.values()):,} labels changed ({parts}), "
        f"{result.agreed:,} left as they were, {left:,} pictures left out",
        f"pictures   {result.n:,}, version {result.versions['train']} made from {result.parent['train']}",
    ]
    lines += [f"{name}: {why}" for name, why in result.misplaced[:NAMED]]
    if len(result.misplaced) > NAMED:
        lines.append(f"… and {len(result.misplaced) - NAMED:,} more decisions that fit no picture")
    for one in result.conflicts[:NAMED]:
        said = ", then ".join(f"{who} {label or 'not this'}" for who, label in one.said)
        lines.append(f"{one.picture}: {said}; the last one holds")
    if len(result.conflicts) > NAMED:
        lines.append(f"… and {len(result.conflicts) - NAMED:,} more that people disagree on")
    lines += _proof_lines(result)
    return [*lines, f"written    {result.path}", f"next       lightfast train {result.path}"]


def _proof_lines(result: RelabelResult) -> list[str]:
    one, total = result.proof, result.total
    if one is None or total is None:
        return []
    lines = [
        f"proof      {one.verdict}: {_effect(one.as_given)} ({one.model} on {one.as_given.n:,} test pictures)"
    ]
    if one.cleaned is not None:
        lines.append(f"           {_effect(one.cleaned)} by the cleaned test labels, n = {one.cleaned.n:,}")
    said = f"{one.decisions:,} decisions, {one.minutes:.1f} minutes"
    verdicts = f"{total.gains} gain, {total.unproven} no gain shown, {total.losses} loss"
    return [
        *lines,
        f"cost       {said}; the test part has answered {one.uses} time{'s' * (one.uses > 1)}",
        f"so far     {total.cleanups} clean-up{'s' * (total.cleanups > 1)} ({verdicts}), "
        f"{total.decisions:,} decisions, {total.minutes:.1f} minutes, {total.points:+.2f} points; "
        f"{result.ledger}",
    ]


def _effect(found: CleanupEffect) -> str:
    low, high = found.interval
    return (
        f"{percent(found.accuracy_before)} → {percent(found.accuracy_after)}, {found.points:+.2f} points "
        f"[{low:+.2f} to {high:+.2f}]"
    )
