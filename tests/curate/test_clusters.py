"""Clusters: groups are found, firm ones first; sets that cannot be divided as asked are said."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.base.errors import DataError, SettingsError
from lightfast.curate.clusters import Clusters, find_clusters


def blobs(n: int = 120, groups: int = 4, noise: float = 0.3, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (4 * np.eye(16)[np.arange(n) % groups] + rng.normal(size=(n, 16)) * noise).astype(np.float32)


def purity(found: Clusters, labels: np.ndarray) -> float:
    counts = [np.bincount(labels[found.members(one.number, edges=True)]).max() for one in found.clusters]
    return sum(counts) / len(labels)


def test_clusters_of_plain_groups_are_pure():
    found = find_clusters(blobs(), classes=4)
    assert len(found.clusters) == 24
    assert purity(found, np.arange(120) % 4) == 1.0


def test_every_picture_is_in_one_cluster_and_sizes_agree():
    found = find_clusters(blobs(), 10)
    assert np.bincount(found.assignment, minlength=10).tolist() == [one.size for one in found.clusters]
    assert [len(found.members(one.number)) for one in found.clusters] == [one.core for one in found.clusters]


def test_the_firmest_cores_stand_first_and_clusters_without_a_core_last():
    found = find_clusters(blobs(noise=1.5), 12)
    firm = [found.firmness[found.members(one.number)].mean() for one in found.clusters if one.core]
    assert np.allclose(firm, sorted(firm, reverse=True))
    assert all(one.core == 0 for one in found.clusters[len(firm) :])


def test_a_firm_group_comes_before_scattered_pictures():
    rng = np.random.default_rng(0)
    firm = np.eye(16)[0] * 5 + rng.normal(size=(40, 16)) * 0.1
    found = find_clusters(np.vstack([firm, rng.normal(size=(40, 16))]).astype(np.float32), 6)
    assert found.firmness[:40].mean() > found.firmness[40:].mean()


def test_middles_belong_to_the_core_and_edges_do_not():
    found = find_clusters(blobs(noise=1.0), 5)
    for one in found.clusters:
        assert not found.core[list(one.edges)].any()
        assert one.core == 0 or found.core[one.medoids[0]]


def test_the_same_seed_gives_the_same_clusters():
    first, second = (find_clusters(blobs(noise=1.0), 8, seed=5) for _ in range(2))
    assert np.array_equal(first.assignment, second.assignment)


def test_fewer_pictures_than_clusters_is_said():
    found = find_clusters(blobs(5), 50)
    assert len(found.clusters) == 5
    assert "50 clusters were asked for" in found.notes[0]


@pytest.mark.parametrize("rows", [np.ones((30, 8)), np.zeros((30, 8)), np.ones((1, 8))])
def test_pictures_that_are_the_same_are_one_cluster(rows):
    found = find_clusters(rows.astype(np.float32))
    assert len(found.clusters) == 1
    assert found.clusters[0].size == len(rows)


def test_one_class_is_divided_like_any():
    assert len(find_clusters(blobs(groups=1), classes=1).clusters) == 6


@pytest.mark.parametrize("asked", [{"count": 0}, {"classes": 0}])
def test_less_than_one_cluster_is_refused(asked):
    with pytest.raises(SettingsError, match="at least 1"):
        find_clusters(blobs(), **asked)


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(DataError, match="finite"):
        find_clusters(np.full((5, 3), np.inf))
