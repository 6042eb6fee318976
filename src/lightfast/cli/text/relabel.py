"""What `relabel` made, for a terminal."""

from __future__ import annotations

from lightfast.cli.text.columns import NAMED
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
    return [*lines, f"written    {result.path}", f"next       lightfast train {result.path}"]
