"""Folds: stratified, grouped by content, whatever the order of the rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightfast.base.errors import DataError, SettingsError
from lightfast.data.folds import fold_numbers
from lightfast.data.images import ImageSet

Make = Callable[..., ImageSet]
# Six distinct pictures of each of three classes, then up to 40 rows that repeat some, under the same label or
# another.
ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 17)), max_size=40).map(
    lambda more: [(label, 6 * label + extra) for label in range(3) for extra in range(6)] * 3 + more
)


@pytest.fixture(scope="module")
def make() -> Make:
    def made(rows: list[tuple[int, int]]) -> ImageSet:
        images = np.zeros((len(rows), 2, 2, 1), dtype=np.uint8)
        images[:, 0, 0, 0] = [number for _, number in rows]
        return ImageSet(images, ("a", "b", "c"), np.array([label for label, _ in rows]), name="letters")

    return made


@given(rows=ROWS, folds=st.integers(2, 5), seed=st.integers(0, 3))
def test_every_picture_has_one_fold_which_its_duplicates_share(
    make: Make, rows: list[tuple[int, int]], folds: int, seed: int
):
    found = fold_numbers(make(rows), folds, seed)
    assert found.shape == (len(rows),)
    assert set(found.tolist()) == set(range(folds))
    by_content: dict[int, set[int]] = {}
    for (_, number), fold in zip(rows, found.tolist(), strict=True):
        by_content.setdefault(number, set()).add(fold)
    assert {len(some) for some in by_content.values()} == {1}


@given(rows=ROWS, order=st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(make: Make, rows: list[tuple[int, int]], order: object):
    shuffled = list(rows)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    first = dict(zip([number for _, number in rows], fold_numbers(make(rows), 3).tolist(), strict=True))
    again = dict(
        zip([number for _, number in shuffled], fold_numbers(make(shuffled), 3).tolist(), strict=True)
    )
    assert first == again


@given(sizes=st.lists(st.integers(5, 60), min_size=3, max_size=3), folds=st.integers(2, 5))
def test_without_duplicates_the_folds_of_a_class_differ_by_one_picture_and_those_of_all_classes_too(
    make: Make, sizes: list[int], folds: int
):
    rows = [(label, number) for number, label in enumerate(np.repeat(range(3), sizes).tolist())]
    images = make(rows)
    found, labels = fold_numbers(images, folds), images.require_labels()
    for label in range(3):
        assert np.ptp(np.bincount(found[labels == label], minlength=folds)) <= 1
    assert np.ptp(np.bincount(found, minlength=folds)) <= 1


def test_the_spread_of_a_class_stays_within_its_largest_group(make: Make):
    rows = [(0, number) for number in range(8) for _ in range(1 + 3 * (number == 0))] + [
        (1, 100 + number) for number in range(9)
    ]
    images = make(rows)
    counts = np.bincount(fold_numbers(images, 3)[images.require_labels() == 0])
    assert counts.sum() == 11
    assert np.ptp(counts) <= 4


def test_the_seed_deals_anew_and_repeats_itself(make: Make):
    images = make([(number % 3, number) for number in range(90)])
    assert fold_numbers(images, 5, 1).tolist() == fold_numbers(images, 5, 1).tolist()
    assert fold_numbers(images, 5, 1).tolist() != fold_numbers(images, 5, 2).tolist()


def test_a_class_with_fewer_distinct_pictures_than_folds_is_named_with_the_most_folds_that_work(make: Make):
    rows = [(0, number) for number in range(9)] + [(1, 50), (1, 51), (1, 51), (1, 51), (1, 51)]
    with pytest.raises(
        DataError, match=r"letters: class 'b' would be missing .* at least 3 .* got 2\. Use at most 2 folds"
    ):
        fold_numbers(make(rows), 3)
    assert set(fold_numbers(make(rows), 2).tolist()) == {0, 1}


def test_a_class_of_one_picture_gets_no_cure_that_cannot_work(make: Make):
    with pytest.raises(
        DataError, match=r"class 'b' would be missing .*got 1\. Add pictures of it, or leave the class out"
    ):
        fold_numbers(make([(0, 1), (0, 2), (0, 3), (1, 4)]), 2)


def test_a_class_whose_pictures_all_count_for_another_is_named(make: Make):
    rows = [(0, number) for number in range(6) for _ in range(2)] + [(1, number) for number in range(6)]
    with pytest.raises(DataError, match=r"class 'b' would be missing .*got 0"):
        fold_numbers(make(rows), 2)


def test_fewer_pictures_than_folds_fewer_than_two_folds_and_no_labels_are_refused(make: Make):
    with pytest.raises(
        DataError, match=r"letters: 5 folds: expected at least 5 distinct pictures, got 3\. Use fewer folds"
    ):
        fold_numbers(make([(0, 1), (0, 2), (1, 3), (1, 3), (1, 3)]), 5)
    with pytest.raises(SettingsError, match=r"1 folds: expected at least 2"):
        fold_numbers(make([(0, 1)]), 1)
    with pytest.raises(DataError, match="has no labels"):
        fold_numbers(ImageSet(np.zeros((4, 2, 2), dtype=np.uint8)), 2)


def test_rows_with_one_number_share_a_fold(make: Make):
    images = make([(number // 4 % 2, number) for number in range(40)])
    images = dataclasses.replace(images, groups=np.repeat(np.arange(10), 4))
    found = fold_numbers(images, 2).reshape(10, 4)
    assert (found == found[:, :1]).all()
    assert set(found.ravel().tolist()) == {0, 1}


@given(seed=st.integers(0, 10_000), folds=st.integers(2, 5))
def test_every_tag_of_two_pictures_a_fold_is_in_every_fold_and_the_folds_are_even(seed: int, folds: int):
    rng = np.random.default_rng(seed)
    tags = rng.random((80, 6)) < rng.uniform(0.03, 0.5, 6)
    images = ImageSet(
        np.arange(80, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 2), dtype=np.uint8),
        tuple("abcdef"),
        tags=tags,
    )
    found = fold_numbers(images, folds, seed)
    for fold in range(folds):
        assert (tags[found == fold].sum(axis=0) > 0)[tags.sum(axis=0) >= 2 * folds].all()
    assert np.ptp(np.bincount(found, minlength=folds)) <= 16


@settings(max_examples=50)
@given(rows=ROWS, numbers=st.lists(st.integers(0, 30), min_size=60, max_size=60), folds=st.integers(2, 3))
def test_pictures_of_one_group_share_a_fold(
    make: Make, rows: list[tuple[int, int]], numbers: list[int], folds: int
):
    images = make([*rows, *((label, 18 + 20 * label + extra) for label in range(3) for extra in range(20))])
    # Each class keeps 20 pictures that stand for themselves.
    groups = np.arange(100, 100 + len(images))
    groups[: len(rows)] = np.resize(numbers, len(rows))
    found = fold_numbers(dataclasses.replace(images, groups=groups), folds)
    assert all(len(set(found[groups == number].tolist())) == 1 for number in set(groups.tolist()))
