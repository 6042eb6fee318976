"""The convex problem behind linear heads: softmax or sigmoids on standardised features, L2, L-BFGS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

# Float32 sums settle no finer; a tenth of it changed no reading in trials.
_SOLVER = {"maxiter": 300, "maxcor": 10, "ftol": 1e-7, "gtol": 1e-5}

Link = Literal["softmax", "sigmoid"]


@dataclass(frozen=True, eq=False)
class FeatureScale:
    """Standardisation; columns that never change are left as they are."""

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]

    @classmethod
    def of(cls, features: NDArray[np.float32]) -> FeatureScale:
        """That of features (N, D)."""
        mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
        spread = features.std(axis=0, dtype=np.float64).astype(np.float32)
        return cls(
            mean, np.where(spread > 1e-6 * np.maximum(np.abs(mean), 1e-6), spread, 1).astype(np.float32)
        )

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """The features standardised."""
        return (features - self.mean) / self.spread

    def folded(self, solution: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(weight (K, D), bias (K,)) on the features as they were, from a solution
        (D + 1, K) on the standardised ones.
        """
        weight = solution[:-1].T / self.spread
        return weight.astype(np.float32), (solution[-1] - weight @ self.mean).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Problem:
    """Weighted loss over standardised features: weights are shares of the rows, (N, 1) or (N, J),
    that sum to 1 a column.

    Attributes:
        features: float32 (N, D).
        targets: float32 (N, K), 0..1; for softmax rows that sum to 1.
        shares: float32 (N, 1) or (N, K).
        link: of the scores to probabilities.
        ridge: float32 (D, 1), how much of the L2 each feature gets; None: 1 for all.
    """

    features: NDArray[np.float32]
    targets: NDArray[np.float32]
    shares: NDArray[np.float32]
    link: Link
    ridge: NDArray[np.float32] | None = None

    def path(self, strengths: tuple[float, ...]) -> Iterator[tuple[float, NDArray[np.float64]]]:
        """(strength, solution (D + 1, K)) from strong to weak, each started from the one before."""
        solution = None
        for strength in sorted(strengths, reverse=True):
            solution = self.solve(strength, solution)
            yield strength, solution

    def solve(
        self, strength: float, start: NDArray[np.float64] | None = None, **solver: float
    ) -> NDArray[np.float64]:
        """The solution (D + 1, K), its last row the bias, sought from `start` on (None: zeros); `solver`
        replaces settings of L-BFGS.
        """
        from scipy.optimize import minimize

        width = self.targets.shape[1]
        first = np.zeros((self.features.shape[1] + 1) * width) if start is None else start.ravel()
        found = minimize(
            self._loss, first, args=(strength,), jac=True, method="L-BFGS-B", options=_SOLVER | solver
        )
        return found.x.reshape(-1, width)

    def _loss(self, flat: NDArray[np.float64], strength: float) -> tuple[float, NDArray[np.float64]]:
        exact = flat.reshape(-1, self.targets.shape[1])
        # In float64 the features would be copied at every step.
        solution = exact.astype(np.float32)
        logits = self.features @ solution[:-1] + solution[-1]
        if self.link == "softmax":
            logits -= logits.max(axis=1, keepdims=True)
            probs = np.exp(logits)
            sums = probs.sum(axis=1, keepdims=True)
            probs /= sums
            losses = np.log(sums) - (logits * self.targets).sum(axis=1, keepdims=True)
        else:
            probs = expit(logits)
            losses = np.logaddexp(0, logits) - logits * self.targets
        gradient = np.empty_like(exact)
        residual = (probs - self.targets) * self.shares
        gradient[:-1] = self.features.T @ residual
        weighed = exact[:-1] if self.ridge is None else self.ridge * exact[:-1]
        gradient[:-1] += strength * weighed
        gradient[-1] = residual.sum(axis=0)
        loss = float((losses * self.shares).sum(dtype=np.float64)) + strength / 2 * float(
            (weighed * exact[:-1]).sum()
        )
        return loss, gradient.ravel()
