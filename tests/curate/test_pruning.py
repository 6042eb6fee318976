"""The share of doubtful pictures to leave out."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.curate.pruning import choose_share, keep_mask, label_margin
from lightfast.train.linear import LinearData


def data(wrong: float, seed: int = 0, n: int = 240) -> tuple[LinearData, np.ndarray]:
    rng = np.random.default_rng(seed)
    true = np.arange(n) % 3
    features = np.eye(3, 20)[true] * 1.6 + rng.normal(size=(n, 20))
    changed = rng.random(n) < wrong
    labels = np.where(changed, (true + rng.integers(1, 3, n)) % 3, true)
    return LinearData(features.astype(np.float32), labels.astype(np.int64)), rng.permutation(n) % 4


def test_margin_is_given_minus_best_other():
    probs = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    np.testing.assert_allclose(label_margin(probs, np.array([0, 1])), [0.5, -0.3])


def test_the_lowest_go_and_no_class_is_lost():
    margin, labels = np.array([0.1, -0.9, 0.5, -0.8]), np.array([0, 1, 0, 1])
    assert keep_mask(margin, labels, 0.25).tolist() == [True, False, True, True]
    assert keep_mask(margin, labels, 0.5).tolist() == [True, False, True, True]


def test_of_wrong_labels_a_share_is_left_out():
    found = choose_share(*data(0.35), 0.01, shares=(0.0, 0.3))
    assert found.chosen == 0.3
    assert found.gain > 0


def test_nothing_left_out_is_the_first_share_and_no_gain():
    found = choose_share(*data(0.0), 0.01, shares=(0.0,))
    assert (found.chosen, found.gain, tuple(found.interval)) == (0.0, 0.0, (0.0, 0.0))
    assert not found.shown


def test_accuracy_is_that_of_every_share_on_every_fold():
    found = choose_share(*data(0.1), 0.01, shares=(0.0, 0.1))
    assert found.accuracy.shape == (2, 4)
    assert found.means == pytest.approx(tuple(found.accuracy.mean(axis=1)))
