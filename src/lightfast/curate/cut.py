"""How many labels are wrong, and where to stop looking."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.statistics.intervals import Interval, clopper_pearson


@dataclass(frozen=True)
class WrongLabels:
    """How many of the `n` pictures given a class are probably wrong: an estimate with its 95 % interval."""

    class_name: str
    n: int
    wrong: float
    interval: Interval


@dataclass(frozen=True)
class IssueCut:
    """Where to stop looking.

    Attributes:
        quality: labels of this quality or below are issues; −1 where none is.
        issues: how many those are.
        precision, recall: expected share of issues that are wrong, and of wrong labels that are issues, 0..1.
    """

    quality: float
    issues: int
    precision: float
    recall: float


def automatic_cut(label_quality: NDArray[np.floating]) -> IssueCut:
    """The cut with the highest expected F1.

    With the chance 1 − quality of each label to be wrong, the first m rows hold W(m) wrong labels of W in
    all, and F1 is about 2 W(m) / (m + W) (Lipton, Elkan and Naryanaswamy 2014: the best cut lies at half of
    the best F1). Labels that are more probably right than wrong by a hair can be among the issues.
    """
    ordered = np.sort(label_quality)
    wrong = np.cumsum(1 - ordered.astype(np.float64))
    looked, total = np.arange(1, len(ordered) + 1), float(wrong[-1])
    f1 = 2 * wrong / (looked + max(total, 1e-12))
    best = int(f1.argmax())
    # Where hardly any label is wrong, even the most doubtful one is rather right.
    if ordered[best] > 1 - f1[best] / 2 + 1e-9 or wrong[best] < (best + 1) / 4:
        return IssueCut(-1.0, 0, 0.0, 0.0)
    issues = int(np.searchsorted(ordered, ordered[best], side="right"))
    found = float(wrong[issues - 1])
    return IssueCut(float(ordered[best]), issues, found / issues, min(found / max(total, 1e-12), 1.0))


def count_wrong(
    label_quality: NDArray[np.floating], labels: NDArray[np.int64], class_names: tuple[str, ...]
) -> tuple[tuple[WrongLabels, ...], WrongLabels]:
    """The estimate of every class, and that of all together."""
    chance = 1 - label_quality.astype(np.float64)
    sizes = np.bincount(labels, minlength=len(class_names))
    wrong = np.bincount(labels, weights=chance, minlength=len(class_names))
    each = tuple(
        WrongLabels(name, int(n), float(count), count_interval(float(count), int(n)))
        for name, n, count in zip(class_names, sizes, wrong, strict=True)
    )
    total = float(wrong.sum())
    return each, WrongLabels("all classes", len(labels), total, count_interval(total, len(labels)))


def count_interval(wrong: float, n: int) -> Interval:
    """95 % interval of a number of wrong labels among `n` ≥ 0, as if each of `wrong` had been counted: that
    of a share (Clopper and Pearson 1934). benchmarks/label_issues.py says how often it holds the truth.
    """
    if not n:
        return Interval(0.0, 0.0)
    low, high = clopper_pearson(min(wrong, n), n)
    return Interval(n * low, n * high)
