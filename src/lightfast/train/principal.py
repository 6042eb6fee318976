"""Features on their principal axes, each axis scaled so that a linear head is found in few steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.train.convex import FeatureScale

KEPT_VARIANCE = 0.95
"""Share of the variance of standardised features that the kept axes carry."""
_FLOOR = 0.05
"""Added to the variance of every axis (1 on average before the rotation) before its root divides it."""
_BLOCK = 16_384


@dataclass(frozen=True, eq=False)
class PrincipalFeatures:
    """N pictures' features, standardised, turned onto the principal axes and scaled.

    A head with the plain L2 penalty on standardised features is one with `ridge` times that penalty here;
    the problem has about the same curvature along every axis, so that L-BFGS needs few steps.

    Attributes:
        values: float32 (N, R), R at most D.
        ridge: float32 (R, 1).
        axes: float32 (D, R): values = scale(features) @ axes.
        scale: the standardisation.
    """

    values: NDArray[np.float32]
    ridge: NDArray[np.float32]
    axes: NDArray[np.float32]
    scale: FeatureScale

    @classmethod
    def of(cls, features: NDArray[np.float32], kept: float = KEPT_VARIANCE) -> PrincipalFeatures:
        """From features float32 (N, D), N at least 1; they may be memory-mapped.

        Raises DataError for another shape, and for NaN or infinity.
        """
        features = _checked(features)
        scale = FeatureScale.of(features)
        variances, axes = _axes(features, scale)
        total = np.cumsum(variances)
        count = int(np.searchsorted(total, kept * total[-1])) + 1 if total[-1] > 0 else 1
        stretch = 1 / np.sqrt(variances[:count] + _FLOOR)
        turned = (axes[:, :count] * stretch).astype(np.float32)
        values = np.empty((len(features), count), np.float32)
        for start in range(0, len(features), _BLOCK):
            values[start : start + _BLOCK] = scale(features[start : start + _BLOCK]) @ turned
        return cls(values, (stretch**2).astype(np.float32)[:, None], turned, scale)

    def __len__(self) -> int:
        return len(self.values)

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Other pictures' features (M, D) on these axes, float32 (M, R)."""
        return self.scale(features) @ self.axes

    def folded(self, solution: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(weight (K, D), bias (K,)) on the features as they were, of a solution (R + 1, K) on `values`."""
        return self.scale.folded(np.vstack([self.axes @ solution[:-1], solution[-1:]]))


def _axes(
    features: NDArray[np.float32], scale: FeatureScale
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(variances (R,), the largest first; axes (D, R) of length 1), of standardised features; of fewer rows
    than columns by their products, of which there are fewer.
    """
    if len(features) < features.shape[1]:
        rows = scale(features)
        variances, sides = np.linalg.eigh((rows @ rows.T).astype(np.float64) / len(rows))
        variances, sides = np.maximum(variances[::-1], 0), sides[:, ::-1]
        lengths = np.sqrt(np.maximum(variances * len(rows), 1e-12))
        return variances, (rows.T @ sides) / lengths
    moments = np.zeros((features.shape[1],) * 2)
    for start in range(0, len(features), _BLOCK):
        rows = scale(features[start : start + _BLOCK])
        moments += rows.T @ rows
    variances, axes = np.linalg.eigh(moments / len(features))
    return np.maximum(variances[::-1], 0), axes[:, ::-1]


def _checked(features: NDArray[np.float32]) -> NDArray[np.float32]:
    if features.ndim != 2 or not features.size:
        raise DataError("features", expected="shape (N, D), both at least 1", got=features.shape)
    for start in range(0, len(features), _BLOCK):
        finite = np.isfinite(features[start : start + _BLOCK]).all(axis=1)
        if not finite.all():
            row = start + int(np.flatnonzero(~finite)[0])
            raise DataError(f"features of row {row}", expected="finite numbers", got="NaN or infinity")
    return features
