"""The pictures to see beside a doubted label: the nearest ones that carry it, and the nearest that carry the
suggestion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BLOCK = 256


@dataclass(frozen=True, eq=False)
class LabelledVectors:
    """N pictures as unit features float32 (N, D), bool (N, K) the labels that each carries, and int64 (N,)
    `groups`: pictures with one number show the same.
    """

    unit: NDArray[np.float32]
    carries: NDArray[np.bool_]
    groups: NDArray[np.int64]


def nearest_of_label(
    base: LabelledVectors, rows: NDArray[np.int64], labels: NDArray[np.int64], k: int = 3
) -> list[tuple[int, ...]]:
    """For each of `rows` the up to k nearest other pictures that carry its entry of `labels` (M,), nearest
    first; copies of the picture itself are none, nor is a second copy of one that is listed.
    """
    found: list[tuple[int, ...]] = []
    for start in range(0, len(rows), _BLOCK):
        block, wanted = rows[start : start + _BLOCK], labels[start : start + _BLOCK]
        similarity = base.unit[block] @ base.unit.T
        for one, row, label in zip(similarity, block.tolist(), wanted.tolist(), strict=True):
            there = np.flatnonzero(base.carries[:, label] & (base.groups != base.groups[row]))
            found.append(_first_different(there[_largest_first(one[there], 8 * k)], base.groups, k))
    return found


def _largest_first(values: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Places of the `count` largest values, the largest first."""
    few = np.argpartition(-values, count)[:count] if len(values) > count else np.arange(len(values))
    return few[np.argsort(-values[few], kind="stable")]


def _first_different(
    rows: Sequence[int] | NDArray[np.int64], groups: NDArray[np.int64], k: int
) -> tuple[int, ...]:
    chosen: dict[int, int] = {}
    for row in rows:
        chosen.setdefault(int(groups[row]), int(row))
        if len(chosen) == k:
            break
    return tuple(chosen.values())


def same_picture_groups(content_hashes: Sequence[str], near: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """int64 (N,): one number for all copies of a picture, near duplicates (groups of rows) among them."""
    _, numbers = np.unique(np.array(content_hashes), return_inverse=True)
    groups = numbers.astype(np.int64)
    for rows in near:
        groups[list(rows)] = groups[min(rows)]
    return groups
