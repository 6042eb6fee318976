"""What `explain` wrote, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightfast.explain.pictures import MAPS, OVERLAYS
from lightfast.pages.features import FEATURES
from lightfast.report.tables import duration
from lightfast.runs.folder import REPORT_FILE


def explain_lines(result: Mapping[str, Any]) -> list[str]:
    """What `explain` found, for a terminal."""
    layer = f", layer {result['target_layer']}" if result.get("target_layer") else ""
    pace = (
        f", {duration(result['seconds_per_picture'])} a picture"
        if result["seconds_per_picture"] >= 0.1
        else ""
    )
    pictures = "picture" if result["n"] == 1 else "pictures"
    lines = [f"{result['method']}: {result['n']:,} {pictures} read by {result['model']}{layer}{pace}"]
    if result["wrong"] is not None:
        count = result["wrong"]
        lines.append(
            f"wrong      {count:,} {'picture was' if count == 1 else 'pictures were'} read as another class "
            "than theirs (read, not scored)"
        )
    check = result.get("check")
    if check:
        curves, weights = check["faithfulness"], check["randomisation"]
        for name in ("deletion", "insertion"):
            one = curves[name]
            low, high = one["gain_interval"]
            lines.append(
                f"{name:<10} area {one['area']:.3f}, in a random order {one['random_area']:.3f}; gain "
                f"{one['gain']:+.3f} [{low:+.3f} to {high:+.3f}], n = {curves['n']}: {one['verdict']}"
            )
        why = f": {weights['reason']}" if weights["reason"] else ""
        lines.append(f"weights    {weights['verdict']}{why}" + "".join(_alike(weights["rows"])))
    if result.get("enhancer"):
        change = result["enhancer"]
        lines.append(
            f"enhancer   changed the first reading of {change['changed']:,} of {result['n']:,} pictures"
        )
    if result["method"] == FEATURES:
        return [
            *lines,
            f"features   {Path(result['out'], 'features')}",
            f"report     {Path(result['out'], REPORT_FILE)}",
        ]
    return [
        *lines,
        f"overlays   {Path(result['out'], OVERLAYS)}, maps in {Path(result['out'], MAPS)}",
        f"report     {Path(result['out'], REPORT_FILE)}",
    ]


def _alike(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return []
    low, high = rows[-1]["interval"]
    return [
        f" (rank correlation {rows[-1]['correlation']:.2f} [{low:.2f} to {high:.2f}] after all weights were "
        "drawn anew)"
    ]
