"""Predictions that every test of this folder can ask for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lightfast.base.randomness import generator
from lightfast.evaluate.predictions import Predictions


@pytest.fixture
def make_predictions() -> Callable[..., Predictions]:
    """Random predictions: `sharpness` moves probability towards the label."""

    def make(
        n: int = 200, classes: int = 4, *, seed: int = 0, sharpness: float = 1.0, name: str = "model"
    ) -> Predictions:
        labels = generator(0, "labels", n, classes).integers(classes, size=n)
        logits = generator(seed, "logits").normal(size=(n, classes))
        logits[np.arange(n), labels] += sharpness
        probs = np.exp(logits)
        probs /= probs.sum(axis=1, keepdims=True)
        ids = tuple(f"picture/{row}" for row in range(n))
        return Predictions(probs.astype(np.float32), tuple("abcdefghij"[:classes]), ids, labels, name, seed)

    return make
