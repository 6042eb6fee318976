"""The automatic cut and the counted wrong labels."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.curate.cut import automatic_cut, count_interval, count_wrong


def test_the_cut_has_the_best_expected_f1():
    quality = np.random.default_rng(0).beta(0.5, 0.2, 500)
    wrong = 1 - quality
    f1 = [2 * wrong[quality <= cut].sum() / ((quality <= cut).sum() + wrong.sum()) for cut in quality]
    assert automatic_cut(quality).quality == quality[int(np.argmax(f1))]


def test_expected_precision_and_recall_are_those_of_the_chances():
    quality = np.array([0.1, 0.1, 0.9, 0.9])
    cut = automatic_cut(quality)
    assert (cut.issues, cut.precision, cut.recall) == (2, pytest.approx(0.9), pytest.approx(0.9))


def test_labels_that_are_right_have_no_issue():
    assert automatic_cut(np.full(100, 0.999)).issues == 0


def test_wrong_labels_are_counted_by_class():
    each, total = count_wrong(np.array([0.0, 0.5, 1.0]), np.array([0, 0, 2]), ("a", "b", "c"))
    assert [(one.n, one.wrong) for one in each] == [(2, 1.5), (0, 0.0), (1, 0.0)]
    assert (total.n, total.wrong) == (3, 1.5)


def test_an_interval_of_nothing_is_nothing_and_others_surround_the_count():
    assert count_interval(0.0, 0) == (0, 0)
    low, high = count_interval(10.5, 100)
    assert low < 10.5 < high < 25
