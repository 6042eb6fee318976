"""Pairs of pictures that a person has called alike or not, and what they say of all clusters at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.base.randomness import generator
from lightfast.curate.clusters import Clusters

_LARGEST = 4.0
"""How far checks may move the odds of purity, in logits."""
_STEPS = 60


def pairs_to_check(found: Clusters, per_cluster: int = 1, seed: int = 0) -> NDArray[np.int64]:
    """int64 (P, 2): rows of pairs drawn by seed from the cores, so many a cluster with at least two."""
    rng = generator(seed, "checked pairs")
    cores = (found.members(one.number) for one in found.clusters if one.core > 1)
    drawn = [rng.choice(core, 2, replace=False) for core in cores for _ in range(per_cluster)]
    return np.array(drawn, dtype=np.int64).reshape(-1, 2)


def with_checked_pairs(found: Clusters, pairs: NDArray[np.int64], alike: Sequence[bool]) -> Clusters:
    """The clusters with predicted purities moved to where the checked pairs say that they are.

    Signs without labels order the clusters of a set better than they know how easy the set is. Two pictures
    of a core are alike with about the square of its purity: all log odds are moved by the one amount (at
    most 4) with which that is true of the pairs together.

    Args:
        found: the clusters.
        pairs: int64 (P, 2), rows; both of a pair in one core.
        alike: one answer a pair.

    Raises DataError for another number of answers, and for a pair that is not in one cluster.
    """
    if len(pairs) != len(alike):
        raise DataError("checked pairs", expected=f"{len(pairs)} answers", got=str(len(alike)))
    if not len(pairs):
        return found
    numbers = found.assignment[pairs]
    if (numbers[:, 0] != numbers[:, 1]).any():
        raise DataError("checked pairs", expected="both pictures of a pair in one cluster")
    purity = np.clip([one.purity for one in found.clusters], 0.01, 0.99)
    odds = np.log(purity / (1 - purity))
    shift = _shift(odds[numbers[:, 0]], float(np.sum(alike)))
    moved = 1 / (1 + np.exp(-(odds + shift)))
    clusters = tuple(
        dataclasses.replace(one, purity=float(max(value, 1 / max(1, one.core or one.size))))
        for one, value in zip(found.clusters, moved, strict=True)
    )
    return dataclasses.replace(found, clusters=clusters)


def _shift(odds: NDArray[np.float64], wanted: float) -> float:
    """By bisection, what is to be added to the log odds for the squares of the shares to sum to `wanted`."""
    low, high = -_LARGEST, _LARGEST
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if np.square(1 / (1 + np.exp(-(odds + middle)))).sum() < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2
