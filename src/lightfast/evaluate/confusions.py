"""Which classes are taken for which: the cells off the diagonal of a confusion matrix,
the most frequent first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lightfast.base.errors import DataError
from lightfast.statistics.intervals import Interval, wilson


@dataclass(frozen=True)
class ConfusedPair:
    """Pictures of one class that were read as another.

    Attributes:
        row, column: label numbers of the given and of the read class.
        given, read: their names.
        count: pictures with this label and this prediction.
        support: pictures with this label.
        share: count / support, 0..1.
        interval: 95 % Wilson interval of the share.
        both_ways: this count and that of the opposite confusion together.
    """

    row: int
    column: int
    given: str
    read: str
    count: int
    support: int
    share: float
    interval: Interval
    both_ways: int


def confused_pairs(confusion: ArrayLike, class_names: Sequence[str]) -> tuple[ConfusedPair, ...]:
    """Every confusion that occurs, by falling count; of equals the one that takes the larger share of its
    class first.

    Args:
        confusion: counts (K, K), rows = given label, columns = predicted label.
        class_names: K names.
    """
    counts = np.asarray(confusion)
    if counts.shape != (len(class_names), len(class_names)):
        raise DataError(
            "confused pairs",
            expected=f"counts ({len(class_names)}, {len(class_names)}), one row a class name",
            got=str(counts.shape),
        )
    support = counts.sum(axis=1)
    cells = [
        (int(row), int(column)) for row, column in zip(*np.nonzero(counts), strict=True) if row != column
    ]
    cells.sort(key=lambda cell: (-counts[cell], support[cell[0]], cell))
    return tuple(_pair(counts, class_names, row, column) for row, column in cells)


def _pair(counts: np.ndarray, names: Sequence[str], row: int, column: int) -> ConfusedPair:
    count, support, both = (
        int(one)
        for one in (counts[row, column], counts[row].sum(), counts[row, column] + counts[column, row])
    )
    cell = row, column, str(names[row]), str(names[column])
    return ConfusedPair(*cell, count, support, count / support, wilson(count, support), both)
