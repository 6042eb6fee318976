"""Maps: components against scikit-learn, trust against its `trustworthiness`, and what has no map."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from lightfast.base.errors import DataError, UnknownName
from lightfast.curate.embed import unit_rows
from lightfast.curate.maps import make_map, map_trust, principal_components


def groups(n: int = 90, width: int = 20, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (4 * np.eye(width)[np.arange(n) % 3] + rng.normal(size=(n, width)) * 0.4).astype(np.float32)


def test_components_are_those_of_scikit_learn():
    rows = groups()
    found, known = principal_components(rows, variance=0.8), PCA().fit(rows)
    kept = found.scores.shape[1]
    assert kept == np.searchsorted(np.cumsum(known.explained_variance_ratio_), 0.8) + 1
    assert np.allclose(np.abs(found.scores), np.abs(known.transform(rows)[:, :kept]), atol=1e-4)
    assert np.allclose(found.shares, known.explained_variance_ratio_, atol=1e-5)


def test_trust_of_all_pictures_is_scikit_learns():
    rows = unit_rows(groups())
    flat = np.random.default_rng(1).normal(size=(len(rows), 2))
    wanted = trustworthiness(rows, flat, n_neighbors=15)
    assert map_trust(rows, flat).trustworthiness == pytest.approx(wanted, abs=1e-6)


def test_a_map_at_random_is_not_to_be_judged_by():
    trust = map_trust(groups(), np.random.default_rng(1).normal(size=(90, 2)))
    assert trust.neighbours_kept < 0.3
    assert trust.verdict.startswith("do not judge")


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_groups_stay_together_on_the_map(method):
    layout = make_map(groups(), method=method)
    middles = np.array([layout.coordinates[part::3].mean(axis=0) for part in range(3)])
    distances = np.linalg.norm(layout.coordinates[:, None] - middles, axis=2)
    assert (distances.argmin(axis=1) == np.arange(90) % 3).all()
    assert layout.trust.trustworthiness > 0.8


def test_the_same_seed_gives_the_same_map():
    first, second = (make_map(groups(40), seed=3).coordinates for _ in range(2))
    assert np.array_equal(first, second)


def test_pictures_that_are_all_the_same_have_a_map_and_a_note():
    layout = make_map(np.ones((20, 6), np.float32))
    assert layout.method == "pca"
    assert "all pictures are the same" in layout.notes[0]
    assert not layout.coordinates.any()


def test_three_pictures_are_drawn_and_not_judged():
    layout = make_map(groups(3))
    assert layout.coordinates.shape == (3, 2)
    assert layout.trust.n == 0
    assert "too few" in layout.trust.verdict


@pytest.mark.parametrize("bad", [np.full((5, 3), np.nan), np.zeros((0, 3)), np.zeros(5)])
def test_what_is_no_table_of_finite_numbers_is_refused(bad):
    with pytest.raises(DataError, match="features"):
        make_map(bad)


def test_another_kind_of_map_is_refused_by_name():
    with pytest.raises(UnknownName, match="umap"):
        make_map(groups(), method="umap")  # type: ignore[arg-type]
