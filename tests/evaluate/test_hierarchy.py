from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightfast.base.errors import DataError
from lightfast.base.plain import as_json
from lightfast.data.taxonomy.taxonomy import Label, Taxonomy
from lightfast.evaluate.hierarchy import node_probs, node_tags, score_hierarchy, tree_distances
from lightfast.evaluate.predictions import Predictions
from lightfast.statistics.intervals import wilson

TREE = Taxonomy(
    (
        Label("animal"),
        Label("dog", "animal", ("hound",)),
        Label("bird", "animal"),
        Label("eagle", "bird"),
        Label("owl", "bird"),
        Label("car"),
    )
)
LEAVES = ("car", "hound", "eagle", "owl")


def predictions(probs, labels) -> Predictions:
    return Predictions(
        np.array(probs, np.float32), LEAVES, tuple(map(str, range(len(labels)))), np.array(labels), "m", 3
    )


def test_a_parent_is_the_sum_of_its_children():
    names, found = node_probs(TREE, LEAVES, np.array([[0.1, 0.2, 0.3, 0.4]]))
    assert names == ("animal", "dog", "bird", "eagle", "owl", "car")
    assert found[0] == pytest.approx([0.9, 0.2, 0.7, 0.3, 0.4, 0.1])


def test_labels_without_a_class_below_them_are_left_out():
    assert node_probs(TREE, ("car", "owl"), np.array([[0.5, 0.5]]))[0] == ("animal", "bird", "owl", "car")


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 30))
def test_sums_never_pass_one_nor_fall_below_a_child(seed, spread):
    logits = np.random.default_rng(seed).normal(size=(50, 4)) * spread
    probs = np.exp(logits - logits.max(axis=1, keepdims=True))
    probs = (probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)
    names, found = node_probs(TREE, LEAVES, probs)
    column = {name: found[:, place] for place, name in enumerate(names)}
    assert found.max() <= 1
    for name in names:
        below = [column[child] for child in TREE.children(name) if child in column]
        assert all((column[name] >= one).all() for one in below)
        assert not below or np.allclose(column[name], np.sum(below, axis=0), atol=1e-6)


def test_a_tag_is_as_probable_as_the_most_probable_below_it():
    classes = ("animal", "dog", "eagle", "car")
    names, found = node_probs(
        TREE, classes, np.array([[0.3, 0.2, 0.6, 0.9], [0.8, 0.1, 0.2, 0.0]]), "multi-label"
    )
    table = dict(zip(names, found.T.tolist(), strict=True))
    assert table["animal"] == pytest.approx([0.6, 0.8])
    assert table["bird"] == table["eagle"] == pytest.approx([0.6, 0.2])
    assert table["dog"] == pytest.approx([0.2, 0.1])


def test_a_picture_carries_what_stands_above_its_tags():
    names, found = node_tags(
        TREE, ("animal", "eagle", "car"), np.array([[False, True, False], [False, False, True]])
    )
    assert [dict(zip(names, row, strict=True)) for row in found.tolist()] == [
        {"animal": True, "bird": True, "eagle": True, "car": False},
        {"animal": False, "bird": False, "eagle": False, "car": True},
    ]


def test_distance_is_the_height_of_the_lowest_shared_label():
    found = tree_distances(TREE, ("car", "dog", "eagle", "owl"))
    assert found.tolist() == [[0, 3, 3, 3], [3, 0, 2, 2], [3, 2, 0, 1], [3, 2, 1, 0]]


def test_accuracy_by_level_reads_the_most_probable_label_of_the_level():
    # The dog is the most probable leaf, but a bird more probable than a dog.
    result = score_hierarchy(
        TREE, predictions([[0.0, 0.4, 0.35, 0.25], [0.6, 0.3, 0.1, 0.0], [0.0, 0.1, 0.8, 0.1]], [2, 1, 2])
    )
    assert [(row.level, row.labels) for row in result.levels] == [(1, 2), (2, 3), (3, 4)]
    assert [row.accuracy for row in result.levels] == pytest.approx([2 / 3, 2 / 3, 1 / 3])
    assert result.levels[2].interval == wilson(1, 3)
    assert (result.mistakes, result.mistake_distance, result.distance, result.farthest) == (
        2,
        2.5,
        pytest.approx(5 / 3),
        3,
    )


def test_without_mistakes_there_is_no_distance_of_mistakes():
    result = score_hierarchy(TREE, predictions(np.eye(4), [0, 1, 2, 3]))
    assert (result.mistakes, result.mistake_distance, result.mistake_distance_interval) == (0, None, None)
    # Four pictures cannot show that there will be none.
    assert result.distance_interval.high > 0.5
    json.dumps(as_json(result), allow_nan=False)


def test_the_intervals_hold_the_values_and_are_plain_json():
    rng = np.random.default_rng(0)
    result = score_hierarchy(TREE, predictions(rng.dirichlet(np.ones(4), 300), rng.integers(4, size=300)))
    content = json.loads(json.dumps(as_json(result), allow_nan=False))
    for key in ("distance", "mistake_distance"):
        low, high = content[f"{key}_interval"]
        assert low < content[key] < high < low + 0.6
    assert content["levels"][-1]["accuracy"] == pytest.approx((result.n - result.mistakes) / result.n)


def test_columns_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="one column a class"):
        node_probs(TREE, LEAVES, np.zeros((3, 2)))
    with pytest.raises(DataError, match="labels below it"):
        node_probs(TREE, ("animal", "car"), np.zeros((3, 2)))
