"""What the results say of Lightfast beside others, each figure as it was measured: losses first.

`speeds` and `differences` read benchmarks/results/; docs/benchmarks.md is made from them.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Read = Callable[[str], Any]
"""(name) -> the content of results/NAME.json."""


@dataclass(frozen=True)
class Speed:
    """How many times as fast as another program: median, lowest and highest of the rounds."""

    what: str
    other: str
    times: float
    lowest: float
    highest: float
    result: str


@dataclass(frozen=True)
class Difference:
    """Ours less another's, with a 95 % interval."""

    what: str
    other: str
    value: float
    interval: tuple[float, float]
    n: int
    result: str


def speeds(read: Read) -> list[Speed]:
    """All ratios of speed, by processor time, the smallest first."""
    found = [*_corruptions(read("corrupt_speed")), *_tagging(read("tagging-speed"))]
    found += _training(read("train_speed"))
    features = read("feature-speed")["ratio_of_processor_time"]
    found.append(_speed("features of photographs, frozen backbone", "torch", features, "feature-speed"))
    told = read("label-issues")
    issues = told["speed"]
    ratios = [theirs / ours for theirs, ours in zip(issues["all_peer"], issues["all_ours"], strict=True)]
    found.append(_speed("label issues of 1,000,000 rows", told["peer"], _spread(ratios), "label-issues"))
    return sorted(found, key=lambda one: one.times)


def differences(read: Read) -> list[Difference]:
    """All differences of accuracy or average precision, the smallest first."""
    found = []
    for row in read("peer-recipe")["rows"]:
        paired = row["paired"]
        what, other = f"{row['data']}, accuracy", "the plainest torch recipe"
        low, high = paired["difference_interval"]
        found.append(Difference(what, other, paired["difference"], (low, high), paired["n"], "peer-recipe"))
    told = read("label-issues")
    for one in told["sets"]:
        over = one["over_best_peer"]
        what, other = f"label issues of {one['set']}, average precision", f"best score of {told['peer']}"
        low, high = over["interval"]
        found.append(Difference(what, other, over["gain"], (low, high), one["n"], "label-issues"))
    return sorted(found, key=lambda one: one.value)


def _corruptions(told: Mapping[str, Any]) -> list[Speed]:
    beside = told["beside_imagecorruptions_224"]
    return [
        _speed(f"`{name}`, 224 pixels", beside["peer"], row["times"], "corrupt_speed")
        for name, row in beside["rows"].items()
    ]


def _tagging(told: Mapping[str, Any]) -> list[Speed]:
    return [
        _speed(
            "tags of photographs, from files",
            other,
            told[f"ours_to_{key}_by_processor_time"],
            "tagging-speed",
        )
        for key, other in (("bare", "the bare runtime, no files"), ("peer", "torchvision, eager torch"))
    ]


def _training(told: Mapping[str, Any]) -> list[Speed]:
    return [
        _speed(f"{ours} of the {network}", peer, times, "train_speed")
        for network, row in told["networks"].items()
        for ours, beside in (("training", row["times"]), ("training in fp32", row["times_fp32"]))
        # What is trained in fp32 anyway stands there once.
        if beside is row["times"] or row["precision"] != "fp32"
        for peer, times in beside.items()
    ]


def _speed(what: str, other: str, times: Mapping[str, float], result: str) -> Speed:
    return Speed(what, other, times["median"], times["lowest"], times["highest"], result)


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
