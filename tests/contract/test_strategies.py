"""Every registered strategy: so many different candidates, each with a reason, the same again with the same
seed, no labelled picture and no near duplicate, also where little can be told.
"""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.curate.select import AUTO, Known, select_next, strategies

NAMES = (AUTO, *strategies().names())


def pool(n: int = 90, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Features of blobs and their classes."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % classes
    return (np.eye(12)[labels] * 4 + rng.normal(size=(n, 12))).astype(np.float32), labels


def known(labels: np.ndarray, some: int, groups: np.ndarray | None = None) -> Known:
    """The first `some` pictures labelled, and a model that is unsure of them all."""
    given = np.where(np.arange(len(labels)) < some, labels, -1)
    rng = np.random.default_rng(1)
    probs = rng.dirichlet(np.ones(3), len(labels)).astype(np.float32)
    return Known(given, groups, probs, ("a", "b", "c"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("some", [0, 7])
@pytest.mark.parametrize("count", [1, 83])
def test_gives_so_many_different_unlabelled_pictures_with_reasons(name, some, count):
    features, labels = pool()
    found = select_next(features, count, known(labels, some), strategy=name)
    assert len(set(found.rows.tolist())) == count == len(found.reasons)
    assert found.rows.min() >= some
    assert all(found.reasons)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_pictures(name):
    features, labels = pool()
    one, two = (select_next(features, 9, known(labels, 5), strategy=name, seed=3) for _ in range(2))
    assert one.rows.tolist() == two.rows.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_of_near_duplicates_one_is_chosen_and_none_of_a_labelled_one(name):
    features, labels = pool()
    groups = np.arange(len(labels)) // 3
    found = select_next(features, 28, known(labels, 4, groups), strategy=name)
    chosen = groups[found.rows].tolist()
    assert len(set(chosen)) == 28
    assert not {0, 1} & set(chosen)


@pytest.mark.parametrize("name", NAMES)
def test_identical_pictures_and_constant_features_are_chosen_from_by_lot(name):
    features, labels = np.full((30, 5), 3.25, np.float32), np.arange(30) % 3
    found = select_next(features, 10, known(labels, 3), strategy=name)
    assert len(set(found.rows.tolist())) == 10
    assert any("say nothing" in note for note in found.notes)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_of_zeros_and_a_feature_that_never_changes_do_no_harm(name):
    features, labels = pool()
    features[10], features[:, 4] = 0, 7
    found = select_next(features, 80, known(labels, 2), strategy=name)
    assert len(set(found.rows.tolist())) == 80
