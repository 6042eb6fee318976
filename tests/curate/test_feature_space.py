"""Nearest pictures and the fit that leaves out its row, against refitting without it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.neighbors import NearestNeighbors

from lightfast.curate.feature_space import _PENALTIES, FeatureSpace, neighbour_votes

from .noisy import noisy

PLANTED = noisy(80)


def space(features: np.ndarray) -> FeatureSpace:
    found = FeatureSpace.of(features)
    assert found is not None
    return found


def test_nearest_are_those_of_scikit_learn():
    centred = PLANTED.features - PLANTED.features.mean(axis=0)
    wanted = NearestNeighbors(n_neighbors=6, metric="cosine").fit(centred).kneighbors()[1]
    assert np.array_equal(space(PLANTED.features).nearest(6)[0], wanted)


def test_the_space_keeps_all_similarities():
    for features in (PLANTED.features, PLANTED.features[:8]):
        centred = features - features.mean(axis=0)
        unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
        assert space(features).rows @ space(features).rows.T == pytest.approx(unit @ unit.T, abs=2e-3)


def test_a_row_is_read_by_a_fit_without_it(monkeypatch: pytest.MonkeyPatch):
    penalty = _PENALTIES[-1]
    monkeypatch.setattr("lightfast.curate.feature_space._PENALTIES", (penalty,))
    targets = np.eye(4)[PLANTED.given]
    rows, found = space(PLANTED.features).rows, space(PLANTED.features).left_out_fit(targets)
    for row in range(0, 80, 9):
        rest = np.arange(80) != row
        fit = Ridge(alpha=penalty * 80).fit(rows[rest], targets[rest])
        # The base is the mean of all rows, where a refit has its own.
        assert found[row] == pytest.approx(fit.predict(rows[[row]])[0], abs=0.03)


def test_its_own_label_does_not_reach_the_reading_of_a_row():
    targets = np.eye(4)[PLANTED.given]
    other = targets.copy()
    other[5] = np.roll(other[5], 1)
    before, after = (space(PLANTED.features).left_out_fit(one)[5] for one in (targets, other))
    assert np.abs(before - after).max() < 0.05


def test_votes_are_those_of_the_neighbours():
    rows, cosine = np.array([[1, 2]]), np.array([[1.0, 1.0]])
    probs = np.eye(3)[[0, 1, 1]]
    votes = neighbour_votes((rows, cosine), probs)[0]
    assert votes.argmax() == 1
    assert votes.sum() == pytest.approx(1)


def test_features_without_differences_are_no_space():
    assert FeatureSpace.of(np.ones((5, 3), np.float32)) is None
