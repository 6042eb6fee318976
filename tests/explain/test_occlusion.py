"""Occlusion against covering the picture by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from lightfast.data.preprocess import Preprocess
from lightfast.explain.attribution import explain
from lightfast.explain.methods import ExplainSettings
from lightfast.models.build import fresh_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.infer import predict_logits

SHAPE = (10, 9, 3)
IMAGES = np.random.default_rng(1).integers(0, 256, (2, *SHAPE), dtype=np.uint8)


def checkpoint(model: str) -> Checkpoint:
    network = fresh_network(model, "classifier", SHAPE, 3, {}, 0)
    if model == "random-forest":
        network.fit(
            np.random.default_rng(0).integers(0, 256, (30, *SHAPE), dtype=np.uint8), np.arange(30) % 3, 0
        )
    return Checkpoint(
        "classifier", model, SHAPE, 3, tuple("abc"), Preprocess.identity(SHAPE), network, temperature=1.5
    )


def probability(made: Checkpoint, images: np.ndarray, target: int) -> float:
    return float(softmax(predict_logits(made, images[None]).astype(np.float64), axis=1)[0, target])


@pytest.mark.parametrize("model", ["cnn", "random-forest"])
def test_a_pixel_gets_the_mean_loss_over_the_squares_that_cover_it(model):
    made, targets = checkpoint(model), np.array([1, 2])
    found = explain(
        made,
        IMAGES,
        method="occlusion",
        targets=targets,
        settings=ExplainSettings(window=4, stride=3, baseline="black"),
    )
    for row, target in enumerate(targets):
        lost, times = np.zeros((10, 9)), np.zeros((10, 9))
        # The last square of a row or column is cut off at the edge: at 6 of 10 it ends there, at 6 of 9 it
        # has 3 columns.
        for top in (0, 3, 6):
            for left in (0, 3, 6):
                covered = IMAGES[row].copy()
                covered[top : top + 4, left : left + 4] = 0
                square = np.s_[top : top + 4, left : left + 4]
                lost[square] += probability(made, IMAGES[row], target) - probability(made, covered, target)
                times[square] += 1
        assert np.allclose(found.maps[row], lost / times, atol=1e-6)
    assert found.signed


def test_the_window_is_a_sixth_of_the_shorter_side_when_nothing_is_said():
    images = np.random.default_rng(2).integers(0, 256, (1, 48, 36, 3), dtype=np.uint8)
    made = checkpoint("cnn")
    assert np.array_equal(
        explain(made, images, method="occlusion").maps,
        explain(made, images, method="occlusion", settings=ExplainSettings(window=6, stride=3)).maps,
    )
