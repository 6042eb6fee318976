from __future__ import annotations

import json

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.data.taxonomy.taxonomy import Label, Taxonomy
from lightfast.models.binary_tree import binary_tree, decisions, members, sides

TREE = Taxonomy(
    (
        Label("animal"),
        Label("dog", "animal"),
        Label("cat", "animal"),
        Label("owl", "animal"),
        Label("vehicle"),
        Label("car", "vehicle"),
        Label("tool"),
        Label("axe", "tool"),
    )
)


def clusters(places, each: int = 20, seed: int = 0):
    """Features round one place a class."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(places)), each)
    return (np.array(places, float)[labels] + rng.normal(0, 0.1, (len(labels), 2))).astype(np.float32), labels


def test_decisions_are_numbered_from_the_top_the_first_side_first():
    assert decisions([[0, 1], [2, [3, 4]]]) == [([0, 1], [2, 3, 4]), ([0], [1]), ([2], [3, 4]), ([3], [4])]
    first, second = sides([[0, 2], 1], 3)
    assert first.tolist() == [[True, False, True], [True, False, False]]
    assert second.tolist() == [[False, True, False], [False, False, True]]


@pytest.mark.parametrize(
    "structure", [0, [0, 0], [0, [1, 3]], [0, 1, 2], [[0, 1], "2"], [[0, True], 2], None]
)
def test_what_is_no_tree_of_three_classes_is_refused(structure):
    with pytest.raises(DataError, match=r"each class 0\.\.2 once"):
        sides(structure, 3)


def test_without_a_taxonomy_the_nearest_classes_are_joined_first():
    features, labels = clusters([(0, 0), (10, 0), (0, 1), (10, 2), (5, 9)])
    found = {
        frozenset(map(frozenset, decision))
        for decision in decisions(binary_tree(None, "abcde", features, labels))
    }
    assert frozenset({frozenset({0}), frozenset({2})}) in found
    assert frozenset({frozenset({1}), frozenset({3})}) in found


def test_a_taxonomy_keeps_its_branches_and_joins_children_by_their_features():
    names = ("car", "cat", "dog", "owl", "axe")
    # Dog and owl look alike; cat looks like a car, which the taxonomy overrules.
    features, labels = clusters([(0, 0), (0, 1), (9, 9), (9, 10), (5, -9)])
    found = decisions(binary_tree(TREE, names, features, labels))
    assert any(
        {frozenset(first), frozenset(second)} == {frozenset({2}), frozenset({3})} for first, second in found
    )
    assert any(set(first) | set(second) == {1, 2, 3} for first, second in found)
    assert all({0, 1} != set(first) | set(second) for first, second in found)


def test_a_label_with_one_class_below_it_takes_no_decision():
    assert sorted(map(str, binary_tree(TREE, ("axe", "car")))) == ["0", "1"]


def test_without_features_neighbours_are_joined_in_halves():
    assert binary_tree(None, "abcde") == [[[0, 1], 2], [3, 4]]


def test_classes_without_pictures_are_joined_last():
    features, labels = clusters([(0, 0), (5, 5), (0, 1)])
    structure = binary_tree(None, "abcd", features, labels)
    assert structure[1] == 3
    assert sorted(members(structure)) == [0, 1, 2, 3]


def test_the_structure_is_json():
    features, labels = clusters([(0, 0), (5, 5), (0, 1)])
    structure = binary_tree(None, "abc", features, labels)
    assert json.loads(json.dumps(structure)) == structure


def test_what_cannot_make_a_tree_is_refused():
    with pytest.raises(DataError, match="at least 2 classes"):
        binary_tree(None, ("a",))
    with pytest.raises(DataError, match="features and labels, or neither"):
        binary_tree(None, "ab", np.zeros((2, 2)))
    with pytest.raises(DataError, match="N at least 1"):
        binary_tree(None, "ab", np.zeros((2, 2)), np.zeros(3, int))
