"""How alike the pictures of a cluster are, said before anybody has labelled one: from signs that need no
label, weighed as they proved themselves on labelled sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.files import load_json
from lightfast.curate.neighbours import Neighbours

PURITY_FILE = "cluster_purity.json"
"""Weights that `benchmarks/clusters.py` has learned, beside this file; it says on which sets."""


@dataclass(frozen=True, eq=False)
class ClusterSigns:
    """Of each of K clusters, float64 (K,), over its core (over all of it where it has none).

    Attributes:
        firmness: how often its pictures fell together with their nearest, over other clusterings, 0..1.
        agreement: share of their nearest pictures that are in this cluster too, 0..1.
        closeness: their mean cosine to the middle of the cluster.
        gap: by how much that is more than to the next cluster's middle.
        size: pictures of the core (of all of it where it has none).
        surroundings: the mean firmness of all pictures of the set, the same for each cluster.
    """

    firmness: NDArray[np.float64]
    agreement: NDArray[np.float64]
    closeness: NDArray[np.float64]
    gap: NDArray[np.float64]
    size: NDArray[np.float64]
    surroundings: NDArray[np.float64]

    def table(self) -> NDArray[np.float64]:
        """float64 (K, 6): what the weights are applied to."""
        shares = (self.firmness, self.agreement, self.surroundings)
        odds = [np.log(one / (1 - one)) for one in (np.clip(share, 0.005, 0.995) for share in shares)]
        return np.column_stack([*odds, self.closeness, self.gap, np.log(np.maximum(self.size, 1))])


def cluster_signs(
    space: NDArray[np.float32],
    assignment: NDArray[np.int64],
    core: NDArray[np.bool_],
    firmness: NDArray[np.float32],
    near: Neighbours,
) -> ClusterSigns:
    """The signs of clusters 0..K-1.

    Args:
        space: float32 (N, D), rows of length 1.
        assignment, core, firmness: (N,) each, as in `clusters.Clusters`.
        near: the nearest pictures of each.
    """
    count = int(assignment.max()) + 1
    counted = core | (np.bincount(assignment, core, count) == 0)[assignment]
    size = np.bincount(assignment, counted, count).astype(np.float64)

    def mean(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.bincount(assignment, values * counted, count) / np.maximum(size, 1)

    own, second = _cosines(space, _middles(space[counted], assignment[counted], count), assignment)
    same = assignment[near.rows] == assignment[:, None]
    agreement = same.mean(axis=1) if same.shape[1] else np.ones(len(space))
    all_firm = np.full(count, float(firmness.mean()))
    return ClusterSigns(mean(firmness), mean(agreement), mean(own), mean(own - second), size, all_firm)


def closeness(space: NDArray[np.float32], assignment: NDArray[np.int64]) -> NDArray[np.float32]:
    """float32 (N,): the cosine of each picture to the middle of its cluster."""
    middles = _middles(space, assignment, int(assignment.max()) + 1)
    return np.einsum("nd,nd->n", space, middles[assignment])


def predicted_purity(signs: ClusterSigns) -> NDArray[np.float64]:
    """float64 (K,) in 0..1: the share of a cluster that is expected to be of its commonest class.

    A logistic regression of true shares on the signs, learned on other labelled sets. One picture alone is
    like itself: 1.
    """
    learned = calibration()
    score = signs.table() @ np.array(learned["weights"]) + learned["offset"]
    purity = 1 / (1 + np.exp(-score))
    # Among few pictures the commonest class holds at least one of them.
    return np.maximum(purity, 1 / np.maximum(signs.size, 1))


def learned_weights(
    signs: NDArray[np.float64], purity: NDArray[np.float64], counts: NDArray[np.float64]
) -> tuple[list[float], float]:
    """(weights, offset) of a logistic regression of true purities (K,) on signs (K, 6), each cluster with
    its count; what `cluster_purity.json` is made of.
    """
    from sklearn.linear_model import LogisticRegression

    middle, spread = signs.mean(axis=0), np.maximum(signs.std(axis=0), 1e-9)
    rows = np.repeat((signs - middle) / spread, 2, axis=0)
    share = np.column_stack([purity, 1 - purity]).ravel() * np.repeat(counts, 2)
    model = LogisticRegression(C=1.0, max_iter=1_000).fit(rows, np.tile([1, 0], len(signs)), share)
    weights = model.coef_[0] / spread
    return weights.tolist(), float(model.intercept_[0] - weights @ middle)


@cache
def calibration() -> dict[str, Any]:
    """`weights` (one a column of `ClusterSigns.table`), `offset`, `sets` and `n` that they come from."""
    return load_json(files(__package__).joinpath(PURITY_FILE))  # pyright: ignore[reportArgumentType]


def _middles(space: NDArray[np.float32], assignment: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    """float32 (K, D), of length 1."""
    sums = np.zeros((count, space.shape[1]), np.float32)
    np.add.at(sums, assignment, space)
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), np.float32(1e-12))


def _cosines(
    space: NDArray[np.float32], middles: NDArray[np.float32], assignment: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(cosine to the own middle, to the nearest other one), a block of rows at a time."""
    own, other = np.zeros(len(space), np.float32), np.zeros(len(space), np.float32)
    for start in range(0, len(space), 4096):
        part = slice(start, start + 4096)
        cosines = space[part] @ middles.T
        rows = np.arange(len(cosines))
        own[part] = cosines[rows, assignment[part]]
        cosines[rows, assignment[part]] = -1
        other[part] = cosines.max(axis=1)
    return own, other
