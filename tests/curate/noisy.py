"""Labels with known errors, for the tests of this room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax


@dataclass(frozen=True)
class Noisy:
    """Features around class centres, given labels of which `wrong` are planted, probabilities that did not
    see them.
    """

    probs: np.ndarray
    given: np.ndarray
    true: np.ndarray
    features: np.ndarray

    @property
    def wrong(self) -> np.ndarray:
        return self.given != self.true


def noisy(
    n: int = 600, classes: int = 4, share: float = 0.1, *, pair: bool = False, sharp: float = 1.5
) -> Noisy:
    rng = np.random.default_rng(0)
    true = rng.integers(0, classes, n)
    given = true.copy()
    rows = rng.choice(n, int(share * n), replace=False)
    given[rows] = (true[rows] + (1 if pair else rng.integers(1, classes, len(rows)))) % classes
    centres = rng.normal(size=(classes, 12))
    features = (centres[true] + rng.normal(size=(n, 12)) * 0.8).astype(np.float32)
    distance = ((features[:, None] - centres) ** 2).sum(axis=2)
    return Noisy(softmax(-distance / sharp / 2, axis=1).astype(np.float32), given, true, features)
