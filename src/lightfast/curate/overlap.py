"""Classes that are hard to tell apart, and classes with far more pictures than others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.data.check import FEW, UNEVEN
from lightfast.statistics.intervals import Interval, wilson


@dataclass(frozen=True)
class ClassOverlap:
    """Two classes that are taken for each other.

    Attributes:
        first, second: their names.
        first_as_second, second_as_first: pictures of one that models that never saw them take for the other.
        n: pictures of both.
        share: of the pictures of both, those taken for the other class; `interval` at 95 %.
    """

    first: str
    second: str
    first_as_second: int
    second_as_first: int
    n: int
    share: float
    interval: Interval


@dataclass(frozen=True)
class ClassBalance:
    """How evenly the pictures are spread over the classes.

    Attributes:
        counts: pictures a class, in the order of the classes.
        ratio: largest to smallest class that has pictures.
        effective_classes: exp of the entropy of the shares: how many even classes would be as varied.
        few: classes with fewer than `data.check.FEW` pictures.
        uneven: whether the ratio exceeds `data.check.UNEVEN`.
    """

    counts: tuple[int, ...]
    ratio: float
    effective_classes: float
    few: tuple[str, ...]
    uneven: bool


def class_overlaps(
    predicted: NDArray[np.int64], labels: NDArray[np.int64], class_names: Sequence[str]
) -> tuple[ClassOverlap, ...]:
    """Every pair of classes of which some pictures are taken for the other, the most mixed pair first (by the
    low end of its interval, so that a handful of pictures does not lead).

    Args:
        predicted: int64 (N,), out of sample.
        labels: int64 (N,), the given labels.
    """
    classes = len(class_names)
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (labels, predicted), 1)
    sizes = np.bincount(labels, minlength=classes)
    found = []
    for first, second in np.argwhere(np.triu(counts + counts.T, 1)).tolist():
        there, back, n = (
            int(counts[first, second]),
            int(counts[second, first]),
            int(sizes[first] + sizes[second]),
        )
        share, interval = (there + back) / n, wilson(there + back, n)
        found.append(ClassOverlap(class_names[first], class_names[second], there, back, n, share, interval))
    return tuple(sorted(found, key=lambda one: (-one.interval.low, one.first, one.second)))


def class_balance(counts: NDArray[np.int64], class_names: Sequence[str]) -> ClassBalance:
    """How evenly `counts` int64 (K,) pictures are spread over the classes."""
    there = counts[counts > 0]
    ratio = float(there.max() / there.min()) if len(there) else 1.0
    shares = there / max(int(there.sum()), 1)
    effective = float(np.exp(-(shares * np.log(shares)).sum())) if len(there) else 0.0
    few = tuple(name for name, count in zip(class_names, counts, strict=True) if count < FEW)
    return ClassBalance(tuple(map(int, counts)), ratio, effective, few, ratio > UNEVEN)
