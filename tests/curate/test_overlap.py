"""Overlapping and uneven classes."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.curate.overlap import class_balance, class_overlaps
from lightfast.statistics.intervals import wilson


def test_a_pair_counts_both_ways():
    labels = np.array([0] * 10 + [1] * 10)
    predicted = labels.copy()
    predicted[[0, 1, 10]] = 1 - predicted[[0, 1, 10]]
    (pair,) = class_overlaps(predicted, labels, ("cat", "dog"))
    assert (pair.first_as_second, pair.second_as_first, pair.n) == (2, 1, 20)
    assert pair.share == pytest.approx(3 / 20)
    assert pair.interval == wilson(3, 20)


def test_many_pictures_lead_before_a_handful():
    labels = np.repeat([0, 1, 2, 3], [100, 100, 1, 1])
    predicted = labels.copy()
    predicted[:30] = 1
    predicted[200] = 3
    assert [one.first for one in class_overlaps(predicted, labels, ("a", "b", "c", "d"))] == ["a", "c"]


def test_classes_that_are_told_apart_do_not_overlap():
    assert class_overlaps(np.arange(3), np.arange(3), ("a", "b", "c")) == ()


def test_even_classes_are_as_varied_as_they_are_many():
    found = class_balance(np.array([20, 20, 20]), ("a", "b", "c"))
    assert found.effective_classes == pytest.approx(3)
    assert (found.ratio, found.uneven, found.few) == (1, False, ())


def test_uneven_and_few_are_named():
    found = class_balance(np.array([300, 4, 0]), ("a", "b", "c"))
    assert (found.ratio, found.uneven, found.few) == (75, True, ("b", "c"))
    assert found.effective_classes < 1.1
