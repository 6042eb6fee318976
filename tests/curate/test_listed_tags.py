"""Missing and superfluous labels as a list."""

from __future__ import annotations

import numpy as np

from lightfast.curate.listed_tags import TagIssue, listed_tag_issues
from lightfast.curate.tag_issues import find_tag_issues

NAMES = ("cat", "dog")


def listed(truth: np.ndarray, given: np.ndarray, rows: np.ndarray | None = None) -> tuple[TagIssue, ...]:
    rng = np.random.default_rng(0)
    probs = np.where(truth, 0.95, 0.05) + rng.uniform(-0.04, 0.04, truth.shape)
    found = find_tag_issues(probs, given, class_names=NAMES)
    return listed_tag_issues(found, probs, np.arange(len(truth)) if rows is None else rows)


def planted() -> tuple[np.ndarray, np.ndarray]:
    """Truth, and what is given: the first lacks a cat, the second has one too many."""
    truth = np.random.default_rng(1).random((200, 2)) < 0.5
    truth[0], truth[1] = (True, False), (False, True)
    given = truth.copy()
    given[0, 0], given[1, 0] = False, True
    return truth, given


def test_missing_and_superfluous_are_told_apart():
    found = listed(*planted())
    assert {(one.row, one.label, one.missing) for one in found} == {(0, 0, True), (1, 0, False)}
    assert all(("missing" in one.reason) == one.missing for one in found)


def test_the_numbers_of_the_pictures_are_those_given():
    truth, given = planted()
    assert {one.row for one in listed(truth, given, np.arange(len(truth)) + 7)} == {7, 8}


def test_the_worst_comes_first():
    qualities = [one.label_quality for one in listed(*planted())]
    assert qualities == sorted(qualities)


def test_labels_that_agree_are_not_listed():
    truth, _ = planted()
    assert listed(truth, truth) == ()
