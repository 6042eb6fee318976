"""Frozen features as a space in which labels are checked against each other: nearest pictures, and a linear
fit that leaves out the row it reads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.curate.neighbours import nearest

# Penalties that are tried, as shares of the mean variance of a row.
_PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2)


@dataclass(frozen=True, eq=False)
class FeatureSpace:
    """Rows centred, brought to length 1, and turned onto their principal directions.

    Attributes:
        rows: float32 (N, M), the widest direction first; M at most min(N, D).
        strengths: float64 (M,), sum of squares along each direction, falling.
    """

    rows: NDArray[np.float32]
    strengths: NDArray[np.float64]

    @classmethod
    def of(cls, features: NDArray[np.float32]) -> FeatureSpace | None:
        """The space of features (N, D), or None where they do not differ between pictures."""
        centred = features - features.mean(axis=0, dtype=np.float64).astype(np.float32)
        lengths = np.linalg.norm(centred, axis=1, keepdims=True)
        if lengths.max(initial=0) <= 1e-6 * max(float(np.abs(features).max(initial=0)), 1e-12):
            return None
        unit = centred / np.maximum(lengths, 1e-12)
        if len(unit) >= unit.shape[1]:
            strengths, directions = np.linalg.eigh((unit.T @ unit).astype(np.float64))
            rows = unit @ directions[:, ::-1].astype(np.float32)
        else:
            strengths, sides = np.linalg.eigh((unit @ unit.T).astype(np.float64))
            rows = (sides * np.sqrt(np.maximum(strengths, 0)))[:, ::-1].astype(np.float32)
        strengths = strengths[::-1]
        kept = strengths > 1e-6 * strengths[0]
        return cls(np.ascontiguousarray(rows[:, kept]), strengths[kept])

    def nearest(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(rows int64 (N, k), cosines float32 (N, k)) of the `count` most similar other rows, see
        `curate.neighbours.nearest`.
        """
        found = nearest(self.rows, count)
        return found.rows, found.similarity

    def left_out_fit(self, targets: NDArray[np.floating]) -> NDArray[np.float32]:
        """float32 (N, K): what a ridge regression onto `targets` (N, K), fitted on all other rows, says of
        each row. The penalty with the lowest squared error left out is kept.

        The row is taken out in closed form (Allen 1974, PRESS): with leverage h, the residual divided by
        1 − h.
        """
        base = targets.mean(axis=0)
        wanted = (targets - base).astype(np.float32)
        onto, best = self.rows.T @ wanted, None
        for penalty in _PENALTIES:
            shrunk = (1 / (self.strengths + penalty * len(wanted))).astype(np.float32)
            leverage = np.minimum(np.square(self.rows) @ shrunk + 1 / len(wanted), 1 - 1e-3)[:, None]
            error = (wanted - self.rows @ (shrunk[:, None] * onto)) / (1 - leverage)
            size = float(np.square(error).sum(dtype=np.float64))
            if best is None or size < best[0]:
                best = (size, error)
        assert best is not None, "there is at least one penalty"
        return (wanted - best[1] + base).astype(np.float32)


def neighbour_votes(
    neighbours: tuple[NDArray[np.int64], NDArray[np.float32]], label_probs: NDArray[np.floating]
) -> NDArray[np.float32]:
    """float32 (N, K), rows sum to 1: what the nearest pictures are labelled, the nearer the more, with one
    vote of the whole set.

    Args:
        neighbours: rows (N, k) and cosines (N, k), see `FeatureSpace.nearest`.
        label_probs: (N, K) how probable each class is for each row; one-hot for the labels as they are.
    """
    rows, cosine = neighbours
    votes = np.tile(label_probs.mean(axis=0), (len(rows), 1))
    if rows.shape[1]:
        weights = np.exp(10 * (cosine - cosine[:, :1]))
        for place in range(rows.shape[1]):
            votes += weights[:, place, None] * label_probs[rows[:, place]]
    return (votes / votes.sum(axis=1, keepdims=True)).astype(np.float32)
