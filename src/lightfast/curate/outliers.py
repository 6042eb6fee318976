"""Pictures unlike all others of their set: far from their nearest neighbours in feature space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.curate.flaws import robust_deviations

OUTLIER_DEVIATIONS = 3.5
"""Robust deviations from the median from which a picture is alone (Iglewicz, Hoaglin 1993): strict, so that
hardly any usual picture is called one; `similarity` ranks the others.
"""
OUTLIER_NEIGHBOURS = 5
"""Neighbours whose mean similarity tells how alone a picture is."""
FEWEST_PICTURES = 20
"""Of fewer pictures nothing is usual, and none can be called unusual."""


@dataclass(frozen=True, eq=False)
class Outliers:
    """How alone N pictures are.

    Attributes:
        similarity: float64 (N,), −1..1: mean cosine to the nearest `OUTLIER_NEIGHBOURS` others.
        rows: int64 (M,): the outliers, the loneliest first.
        usual: the median similarity.
        cut: similarity below which a picture is an outlier; NaN where none can be told.
        not_searched: why none was searched, or "".
    """

    similarity: NDArray[np.float64]
    rows: NDArray[np.int64]
    usual: float
    cut: float
    not_searched: str = ""

    def reason(self, row: int) -> str:
        """Why a picture is an outlier, in words."""
        return (
            f"similarity {self.similarity[row]:.2f} to its nearest pictures, usual here is {self.usual:.2f}"
        )


def find_outliers(similarity: NDArray[np.floating]) -> Outliers:
    """The pictures whose nearest neighbours are far.

    The distance to the k-th nearest neighbours is the plainest outlier score and among the best (Ramaswamy,
    Rastogi and Shim 2000; Campos et al. 2016). An outlier stands out by more than `OUTLIER_DEVIATIONS` robust
    deviations of the logarithm of 1 − similarity, which has no long tail of its own.

    Args:
        similarity: float (N, k): cosines to the k nearest others, nearest first; `OUTLIER_NEIGHBOURS` count.
    """
    near = np.asarray(similarity, dtype=np.float64)[:, :OUTLIER_NEIGHBOURS]
    mean = near.mean(axis=1) if near.shape[1] else np.ones(len(near))
    nobody = np.zeros(0, dtype=np.int64)
    usual = float(np.median(mean)) if len(mean) else float("nan")
    if len(mean) < FEWEST_PICTURES:
        return Outliers(mean, nobody, usual, float("nan"), f"{len(mean)} pictures are too few")
    if np.ptp(mean) < 1e-6:
        return Outliers(mean, nobody, usual, float("nan"), "all pictures have the same features")
    away = np.log(np.maximum(1 - mean, 1e-6))
    deviations = robust_deviations(away)
    scale = 1.4826 * float(np.median(np.abs(away - np.median(away))))
    rows = np.flatnonzero(deviations > OUTLIER_DEVIATIONS)
    cut = 1 - float(np.exp(np.median(away) + OUTLIER_DEVIATIONS * scale))
    return Outliers(mean, rows[np.argsort(mean[rows], kind="stable")], usual, cut)
