"""Pictures unlike all others."""

from __future__ import annotations

import numpy as np

from lightfast.curate.neighbours import nearest
from lightfast.curate.outliers import FEWEST_PICTURES, OUTLIER_NEIGHBOURS, find_outliers


def similarities(strangers: int, seed: int = 0) -> np.ndarray:
    """Cosines of 200 rows around one direction and `strangers` in directions of their own."""
    rng = np.random.default_rng(seed)
    around = rng.normal(size=64) + 0.4 * rng.normal(size=(200, 64))
    return nearest(np.concatenate([around, rng.normal(size=(strangers, 64))]), OUTLIER_NEIGHBOURS).similarity


def test_strangers_are_found_and_nobody_else():
    assert sorted(find_outliers(similarities(3)).rows.tolist()) == [200, 201, 202]


def test_without_strangers_hardly_any_is_found():
    assert sum(len(find_outliers(similarities(0, seed)).rows) for seed in range(5)) <= 3


def test_the_loneliest_comes_first():
    found = find_outliers(similarities(3))
    assert np.all(np.diff(found.similarity[found.rows]) >= 0)


def test_the_reason_holds_both_figures():
    found = find_outliers(similarities(1))
    said = found.reason(200)
    assert f"{found.similarity[200]:.2f}" in said
    assert f"{found.usual:.2f}" in said


def test_of_few_pictures_none_is_unusual():
    found = find_outliers(np.random.default_rng(0).random((FEWEST_PICTURES - 1, 5)))
    assert len(found.rows) == 0
    assert "too few" in found.not_searched


def test_constant_features_are_said():
    assert "same features" in find_outliers(np.zeros((50, 5))).not_searched


def test_one_picture_has_no_neighbours():
    assert len(find_outliers(np.zeros((1, 0))).rows) == 0
