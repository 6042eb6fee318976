"""The nearest pictures on either side of a doubted label."""

from __future__ import annotations

import numpy as np

from lightfast.curate.either_side import LabelledVectors, nearest_of_label, same_picture_groups
from lightfast.curate.embed import unit_rows


def base(seed: int = 0, n: int = 40) -> tuple[LabelledVectors, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    carries = np.eye(3, dtype=bool)[labels]
    return LabelledVectors(unit_rows(rng.normal(size=(n, 8))), carries, np.arange(n)), labels


def test_they_are_those_of_a_sorted_list():
    vectors, labels = base()
    rows, wanted = np.array([0, 5, 9]), np.array([2, 0, 1])
    expected = []
    for row, label in zip(rows, wanted, strict=True):
        order = np.argsort(-(vectors.unit @ vectors.unit[row]))
        expected.append(tuple(int(one) for one in order if labels[one] == label and one != row)[:3])
    assert nearest_of_label(vectors, rows, wanted) == expected


def test_copies_of_the_picture_are_no_evidence():
    vectors, labels = base()
    first = nearest_of_label(vectors, np.array([0]), labels[[0]])[0][0]
    vectors.groups[first] = 0
    assert first not in nearest_of_label(vectors, np.array([0]), labels[[0]])[0]


def test_of_copies_one_is_shown():
    vectors, labels = base()
    one, other, *_ = nearest_of_label(vectors, np.array([0]), labels[[0]])[0]
    vectors.groups[other] = vectors.groups[one]
    shown = nearest_of_label(vectors, np.array([0]), labels[[0]])[0]
    assert one in shown
    assert other not in shown


def test_a_label_that_nothing_else_carries_has_none():
    vectors, _ = base()
    vectors.carries[:, 1] = False
    assert nearest_of_label(vectors, np.array([0]), np.array([1])) == [()]


def test_groups_join_exact_and_near_copies():
    groups = same_picture_groups(("a", "b", "a", "c"), [(1, 3)])
    assert groups[0] == groups[2]
    assert groups[1] == groups[3]
    assert groups[0] != groups[1]
