"""Names of clusters, and a whole cluster labelled by decisions that can be taken back together."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.curate.cluster_names import label_cluster, named_by_backbone, named_by_labels
from lightfast.curate.clusters import find_clusters
from lightfast.data.decisions import DecisionLog, latest
from lightfast.data.images import ImageSet


def blobs(n: int = 60, width: int = 16) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (4 * np.eye(width)[np.arange(n) % 3] + rng.normal(size=(n, width)) * 0.2).astype(np.float32)


def pictures(n: int = 60) -> ImageSet:
    images = np.arange(n, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 1), np.uint8)
    return ImageSet(images, ("a", "b", "c"), np.arange(n) % 3)


def test_a_cluster_is_called_after_its_labels():
    labels, rows = np.arange(60) % 3, blobs()
    found = named_by_labels(find_clusters(rows, 3), rows, labels, ("a", "b", "c"))
    for one in found.clusters:
        assert one.names == ("abc"[labels[one.medoids[0]]],)


def test_without_labels_of_its_own_it_is_called_after_the_nearest_labelled_pictures():
    rows, labels = blobs(), np.full(60, -1)
    labels[:3] = [0, 1, 2]
    found = named_by_labels(find_clusters(rows, 12), rows, labels, ("a", "b", "c"))
    assert all(one.names for one in found.clusters)


def test_labels_of_other_pictures_are_refused():
    with pytest.raises(DataError, match="labels of clusters"):
        named_by_labels(find_clusters(blobs(), 3), blobs(), np.zeros(7, np.int64), ("a",))


def test_features_of_another_network_are_not_put_in_words():
    with pytest.raises(DataError, match="1280"):
        named_by_backbone(find_clusters(blobs(), 3), blobs())


def test_a_whole_cluster_is_labelled_by_one_set_of_decisions(tmp_path):
    found, images = find_clusters(blobs(), 3), pictures()
    made = label_cluster(found, 0, "b", images, reviewer="Ann")
    log = DecisionLog(tmp_path / "decisions.jsonl")
    for one in made:
        log.append(one)
    read = latest(log.read().records)
    rows = found.members(0)
    assert {key[0] for key in read} == {images.ids[row] for row in rows}
    assert {(one.decided_label, one.when, one.reason) for one in made} == {
        ("b", made[0].when, made[0].reason)
    }
    assert [one.given_label for one in made] == [images.class_names[images.labels[row]] for row in rows]


def test_pictures_of_another_cluster_are_refused():
    found = find_clusters(blobs(), 3)
    strange = int(found.members(1)[0])
    with pytest.raises(DataError, match="not in cluster 0"):
        label_cluster(found, 0, "b", pictures(), reviewer="Ann", rows=[strange])
