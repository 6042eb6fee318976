"""Missing and superfluous labels."""

from __future__ import annotations

import numpy as np

from lightfast.curate.tag_issues import find_tag_issues


def certain(tags: np.ndarray) -> np.ndarray:
    return np.where(tags, 0.95, 0.05)


def test_missing_and_superfluous_are_told_apart():
    truth = np.random.default_rng(0).random((40, 2)) < 0.5
    truth[0], truth[1] = (True, False), (False, True)
    given = truth.copy()
    given[0, 0], given[1, 0] = False, True
    found = find_tag_issues(certain(truth), given, ("cat", "dog"))
    assert {(one.row, one.label, one.missing) for one in found} == {(0, 0, True), (1, 0, False)}
    assert all(("missing" in one.reason) == one.missing for one in found)


def test_labels_that_agree_are_no_issues():
    tags = np.random.default_rng(1).random((30, 3)) < 0.4
    assert find_tag_issues(certain(tags), tags, ("a", "b", "c")) == ()


def test_a_label_that_all_carry_is_not_judged():
    tags = np.array([[True, True], [True, False], [True, True]])
    probs = np.array([[0.0, 0.9], [0.0, 0.1], [0.0, 0.9]])
    assert find_tag_issues(probs, tags, ("a", "b")) == ()


def test_the_surest_comes_first():
    tags = np.random.default_rng(2).random((60, 1)) < 0.5
    tags[:2] = False
    probs = certain(tags)
    probs[0], probs[1] = 0.97, 0.999
    assert [one.row for one in find_tag_issues(probs, tags, ("a",))] == [1, 0]
