"""Checked pairs move predicted purities to their level, and only that."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.curate.cluster_checks import pairs_to_check, with_checked_pairs
from lightfast.curate.clusters import Cluster, Clusters


def clusters(purities: list[float], each: int = 40) -> Clusters:
    found = tuple(Cluster(k, each, each, value, (), ()) for k, value in enumerate(purities))
    rows = np.repeat(np.arange(len(found)), each)
    return Clusters(found, rows, np.ones(len(rows), bool), np.ones(len(rows), np.float32))


def test_pairs_are_of_one_core():
    found = clusters([0.9, 0.8])
    pairs = pairs_to_check(found, 3)
    assert pairs.shape == (6, 2)
    assert (found.assignment[pairs[:, 0]] == found.assignment[pairs[:, 1]]).all()
    assert (pairs[:, 0] != pairs[:, 1]).all()


@pytest.mark.parametrize("true", [0.6, 0.8, 0.95])
def test_the_level_of_the_pairs_is_found(true):
    found, rng = clusters([0.85] * 30), np.random.default_rng(0)
    labels = np.where(rng.random(1_200) < true, 0, rng.integers(1, 50, 1_200))
    pairs = pairs_to_check(found, 20)
    moved = with_checked_pairs(found, pairs, labels[pairs[:, 0]] == labels[pairs[:, 1]])
    assert np.mean([one.purity for one in moved.clusters]) == pytest.approx(true, abs=0.04)


def test_the_order_stays():
    found = clusters([0.9, 0.7, 0.8])
    moved = with_checked_pairs(found, pairs_to_check(found, 4), [False] * 12)
    purities = [one.purity for one in moved.clusters]
    assert np.argsort(purities).tolist() == [1, 2, 0]
    assert purities[0] < 0.9


def test_without_pairs_nothing_changes():
    found = clusters([0.9])
    assert with_checked_pairs(found, np.zeros((0, 2), np.int64), []) is found


def test_a_pair_of_two_clusters_is_refused():
    with pytest.raises(DataError, match="one cluster"):
        with_checked_pairs(clusters([0.9, 0.9]), np.array([[0, 79]]), [True])
