"""What a sweep is asked, and the points that answer it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lightfast.base.errors import DataError, SettingsError
from lightfast.data.images import ImageSet
from lightfast.experiments.crossval import check_repeats
from lightfast.experiments.sweep import SweepPoint

SweepAxis = Literal["train_size", "classes", "imbalance"]

RATIOS = (500, 100, 20, 5, 1)
REMEDIES = ("none", "weights", "sampling", "augment")
MOST_LEVELS = 8


@dataclass(frozen=True)
class SweepOptions:
    """What a sweep is asked.

    Attributes:
        over: train_size, classes or imbalance.
        values: pictures in all, numbers of classes, or ratios N of 1:N; empty = a sensible series for the
            data.
        rows: over classes: training pictures a class; empty = a quarter, half and all of what the smallest
            class has.
        repeats: draws of pictures and weights at every level.
        minority: over imbalance: the class to make rare; None = the last.
        target: over train_size: accuracy to be reached, 0..1.
        seconds_per_label: a person's time for one picture.
        jobs: points at once; None = one a core.
    """

    over: SweepAxis
    values: Sequence[float] = ()
    rows: Sequence[int] = ()
    repeats: int = 3
    minority: str | None = None
    target: float = 0.95
    seconds_per_label: float = 3.0
    jobs: int | None = None

    def __post_init__(self) -> None:
        check_repeats(self.repeats)
        if not 0 < self.target < 1:
            raise SettingsError(
                f"target {self.target:g}",
                expected="an accuracy between 0 and 1",
                cure="95 % is written 0.95.",
            )
        if not self.seconds_per_label >= 0:
            raise SettingsError(
                f"{self.seconds_per_label:g} seconds per label", expected="0 or more", cure="For instance 3."
            )
        for name, over in (("rows", "classes"), ("minority", "imbalance")):
            if getattr(self, name) and self.over != over:
                raise SettingsError(f"`{name}`", expected=f"only with `over` {over}", cure="Leave it out.")


def plan_points(train: ImageSet, sweep_options: SweepOptions) -> list[SweepPoint]:
    """Every point of a sweep, repeats innermost last: an interrupted sweep has whole repeats first."""
    counts = np.bincount(train.require_labels(), minlength=train.num_classes)
    cuts_of = {"train_size": _size_cuts, "classes": _class_cuts, "imbalance": _imbalance_cuts}
    cuts = cuts_of[sweep_options.over](train, counts, sweep_options)
    return [SweepPoint(**cut, repeat=repeat) for repeat in range(sweep_options.repeats) for cut in cuts]


def _size_cuts(train: ImageSet, counts: np.ndarray, sweep_options: SweepOptions) -> list[dict[str, Any]]:
    sizes = [round(value) for value in sweep_options.values]
    if not sizes:
        # Halves of what there is, down to ten pictures a class.
        halves = (len(train) >> halving for halving in range(MOST_LEVELS))
        sizes = [size for size in halves if size >= 10 * train.num_classes]
    if not sizes:
        raise DataError(
            f"{train.name}: {len(train):,} training pictures",
            expected=f"at least {10 * train.num_classes} for a sweep",
            cure="Give sizes as `values`, or more pictures.",
        )
    return [{"train_size": size} for size in sorted(set(sizes))]


def _class_cuts(train: ImageSet, counts: np.ndarray, sweep_options: SweepOptions) -> list[dict[str, Any]]:
    smallest = int(counts.min())
    numbers = [round(value) for value in sweep_options.values]
    if not numbers:
        first = min(3, train.num_classes - 1)
        if first < 2:
            raise DataError(
                f"{train.name}: {train.num_classes} classes",
                expected="at least 3 for a sweep over classes",
                cure="Sweep over train_size or imbalance.",
            )
        numbers = np.unique(np.linspace(first, train.num_classes, MOST_LEVELS).round().astype(int)).tolist()
    rows = list(sweep_options.rows) or sorted({max(1, smallest // 4), max(1, smallest // 2), smallest})
    return [{"classes": number, "rows": row} for number in sorted(set(numbers)) for row in sorted(set(rows))]


def _place(train: ImageSet, name: str) -> int:
    if name not in train.class_names:
        raise DataError(
            f"{train.name} has no class {name!r}", cure=f"Classes: {', '.join(train.class_names[:12])}."
        )
    return train.class_names.index(name)


def _imbalance_cuts(train: ImageSet, counts: np.ndarray, sweep_options: SweepOptions) -> list[dict[str, Any]]:
    name, ratios = sweep_options.minority or train.class_names[-1], sweep_options.values
    place = _place(train, name)
    if min(ratios, default=1) <= 0:
        raise SettingsError(
            "`values`", expected="ratios above 0: 100 means one picture against 100 of each other class"
        )
    own, others = int(counts[place]), float(np.delete(counts, place).mean())
    asked = {round(others / ratio): ratio for ratio in ratios or RATIOS}
    outside = [count for count in asked if not 1 <= count <= own]
    if ratios and outside:
        count = outside[0]
        raise DataError(
            f"ratio 1:{asked[count]:g}",
            expected=f"1 to {own:,} pictures of {name!r} (the other classes have {others:,.0f})",
            got=f"{count:,}",
            cure="Give other ratios as `values`, or another `minority`.",
        )
    return [
        {"minority": (name, count), "balance": remedy}
        for count in sorted(asked.keys() - set(outside))
        for remedy in REMEDIES[: None if count < others else 1]
    ]
