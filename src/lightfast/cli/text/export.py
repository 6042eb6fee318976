"""What `export` wrote and checked, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def export_lines(result: Mapping[str, Any]) -> list[str]:
    """What an export did, for people."""
    if result["to"] == "xmp":
        refused = [f"  {one['path']}: {one['reason']}" for one in result["refused"]]
        return [
            f"{result['n']:,} pictures read, {result['suggested']:,} of them got a suggestion in a sidecar "
            "beside them",
            *([f"{len(refused):,} sidecar(s) were not written:", *refused] if refused else []),
        ]
    if result["to"] == "photoprism":
        return [
            f"written    {result['vision']}",
            "next       docs/export.md says where PhotoPrism looks for it",
        ]
    cost = quantization_lines(result["int8"]) if result["int8"] else []
    return [
        *check_lines(result["check"]),
        *cost,
        f"written    {result['out']} ({result['bytes'] / 1e6:.1f} MB)",
    ]


def check_lines(check: Mapping[str, Any]) -> list[str]:
    """What a check says, for people."""
    ties = f", {check['ties']:,} of them by a tie" if check["ties"] else ""
    verdict = (
        "all decisions the same"
        if check["same"] == check["n"]
        else f"{check['n'] - check['same']:,} decision(s) differ{ties}"
    )
    against = f"against torch on {check['n']:,} {check['pictures']}"
    return [f"checked    {against}: {verdict}, probabilities within {check['max_difference']:.1e}"]


def quantization_lines(cost: Mapping[str, Any]) -> list[str]:
    """The cost of 8 bits for people: accuracy with interval and n where labels are known, agreement,
    speed.
    """
    speeds, (low, high) = cost["pictures_per_second"], cost["same_interval"]
    lines = []
    if cost["paired"]:
        test = cost["paired"]
        below, above = (100 * one for one in test["difference_interval"])
        lines.append(
            f"int8 cost  {100 * test['before_accuracy']:.2f} % → {100 * test['after_accuracy']:.2f} %, "
            f"{100 * test['difference']:+.2f} points [{below:+.2f} to {above:+.2f}], n = {test['n']:,}, "
            f"{test['gained']:,} gained, {test['lost']:,} lost, p = {test['p_value']:.2g} ({test['method']})"
        )
    lines.append(
        f"int8       the same decision on {cost['same']:,} of {cost['n']:,} pictures "
        f"({100 * cost['same'] / cost['n']:.2f} % [{100 * low:.2f} to {100 * high:.2f}])"
    )
    slow = speeds["int8"] < speeds["fp32"] and not cost["dot_products"]
    why = ": slower here, the processor has no 8-bit dot products (VNNI)" if slow else ""
    lines.append(
        f"speed      int8 {speeds['int8']:,.0f} pictures a second in memory, fp32 {speeds['fp32']:,.0f}{why}"
    )
    return lines
