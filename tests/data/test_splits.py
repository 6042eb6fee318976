"""Splits by content."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lightfast.base.errors import DataError, SettingsError
from lightfast.data.dataset import LoadedData
from lightfast.data.images import ImageSet
from lightfast.data.splits import Splits, split, split_loaded, split_off, without_overlap

Make = Callable[..., ImageSet]


def sides(parts: Splits) -> tuple[Counter[str], Counter[str], Counter[str]]:
    return (
        Counter(parts.train.content_hashes),
        Counter(parts.val.content_hashes),
        Counter(parts.test.content_hashes),
    )


# Up to 60 rows, 3 classes, some pictures repeated with the same or another label; every class has 5 distinct
# pictures of its own.
ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), max_size=45).map(
    lambda rows: [(label, 100 * (label + 1) + extra) for label in range(3) for extra in range(5)] + rows
)


def build(made: Make, rows: list[tuple[int, int]]) -> ImageSet:
    return made([label for label, _ in rows], [pixels for _, pixels in rows])


@pytest.fixture(scope="module")
def make() -> Make:
    def made(labels: list[int], pixels: list[int]) -> ImageSet:
        images = np.zeros((len(labels), 2, 2, 1), dtype=np.uint8)
        for row, number in enumerate(pixels):
            images[row].flat[:2] = divmod(number, 256)
        return ImageSet(images=images, labels=np.array(labels), class_names=("a", "b", "c"))

    return made


@given(rows=ROWS, seed=st.integers(0, 5))
def test_no_content_stands_on_two_sides_and_nothing_is_lost(
    make: Make, rows: list[tuple[int, int]], seed: int
) -> None:
    images = build(make, rows)
    train, val, test = sides(split(images, seed=seed))
    assert len(set(train) | set(val) | set(test)) == len(train) + len(val) + len(test)
    assert train + val + test == Counter(images.content_hashes)


@settings(max_examples=50)
@given(rows=ROWS, numbers=st.lists(st.integers(0, 20), min_size=60, max_size=60), seed=st.integers(0, 3))
def test_no_group_stands_on_two_sides_and_nothing_is_lost(
    make: Make, rows: list[tuple[int, int]], numbers: list[int], seed: int
) -> None:
    # Of each class five pictures stand for themselves.
    groups = np.array([*range(100, 115), *numbers[: len(rows) - 15]])
    parts = split(dataclasses.replace(build(make, rows), groups=groups), seed=seed)
    found = [
        set(images.groups.tolist())
        for images in (parts.train, parts.val, parts.test)
        if images.groups is not None
    ]
    assert sum(map(len, found)) == len(set.union(*found)) == len(set(groups.tolist()))
    assert sum(sides(parts), Counter()) == Counter(build(make, rows).content_hashes)


@settings(max_examples=50)
@given(rows=ROWS, held=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), min_size=1, max_size=9))
def test_what_an_official_part_holds_leaves_train_and_nothing_else_does(
    make: Make, rows: list[tuple[int, int]], held: list[tuple[int, int]]
) -> None:
    train, test = build(make, rows), build(make, held)
    parts = split_loaded(LoadedData(train, test))
    kept, chosen, tested = sides(parts)
    assert parts.test is test
    assert not (set(kept) | set(chosen)) & set(tested)
    assert kept + chosen == Counter(one for one in train.content_hashes if one not in tested)


@given(rows=ROWS, seed=st.integers(0, 5), order=st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(
    make: Make, rows: list[tuple[int, int]], seed: int, order: object
) -> None:
    shuffled = list(rows)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert sides(split(build(make, rows), seed=seed)) == sides(split(build(make, shuffled), seed=seed))


@given(
    sizes=st.lists(st.integers(3, 40), min_size=3, max_size=3),
    val=st.floats(0.05, 0.4),
    test=st.floats(0.05, 0.4),
)
def test_every_class_gives_its_share(make: Make, sizes: list[int], val: float, test: float) -> None:
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    parts = split(make(labels, list(range(len(labels)))), val=val, test=test)
    for label, size in enumerate(sizes):
        got = [int((part.require_labels() == label).sum()) for part in (parts.train, parts.val, parts.test)]
        assert sum(got) == size
        assert min(got) >= 1
        assert abs(got[1] - val * size) <= 1
        assert abs(got[2] - test * size) <= 1


def test_the_same_seed_gives_the_same_split_and_another_seed_another(made: Make) -> None:
    images = made([0, 1] * 50)
    assert split(images, seed=1).test.ids == split(images, seed=1).test.ids
    assert split(images, seed=1).test.ids != split(images, seed=2).test.ids


def test_rows_keep_their_order_and_parts_their_names(made: Make) -> None:
    parts = split(made([0, 1] * 20))
    rows = [int(one.split("/")[1]) for one in parts.train.ids]
    assert rows == sorted(rows)
    assert [part.name for part in (parts.train, parts.val, parts.test)] == [
        "made/train",
        "made/val",
        "made/test",
    ]


def test_the_content_alone_decides(made: Make) -> None:
    # The same pictures under other ids and another set name go to the same sides.
    images = made([0, 1] * 20)
    renamed = ImageSet(
        images=images.images, labels=images.labels, class_names=images.class_names, name="other"
    )
    assert sides(split(images)) == sides(split(renamed))


def test_identical_pictures_with_different_labels_stay_together(made: Make) -> None:
    images = made([0] * 10 + [1] * 20, [*range(10), *range(9), *range(50, 61)])
    train, val, test = sides(split(images))
    assert len(set(train) | set(val) | set(test)) == len(train) + len(val) + len(test)


def test_a_share_of_zero_gives_an_empty_side(made: Make) -> None:
    parts = split(made([0, 1] * 10), val=0)
    assert (len(parts.train), len(parts.val), len(parts.test)) == (16, 0, 4)


def test_a_class_too_small_is_named_with_the_cure(made: Make) -> None:
    with pytest.raises(
        DataError,
        match=r"class 'bird' is too small to split: expected at least 3 distinct pictures.*got 2.*Add "
        r"pictures",
    ):
        split(made([0] * 10 + [1] * 2, names=("cat", "bird")))


def test_copies_of_one_picture_do_not_make_a_class_large(made: Make) -> None:
    with pytest.raises(DataError, match="class 'class1' is too small"):
        split(made([0] * 10 + [1] * 6, [*range(10), *[20] * 6]))


def test_a_class_of_large_groups_of_copies_still_reaches_every_side(made: Make) -> None:
    images = made([0] * 15 + [1] * 15, [*[1] * 5, *[2] * 5, *[3] * 5, *range(10, 25)])
    assert all(
        0 in part.require_labels() for part in vars(split(images)).values() if isinstance(part, ImageSet)
    )


@pytest.mark.parametrize(
    "shares", [{"val": 0.5, "test": 0.5}, {"val": -0.1}, {"test": 1.0}, {"test": float("nan")}]
)
def test_shares_that_leave_nothing_to_train_on_are_refused(made: Make, shares: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match="leave something to train on"):
        split(made([0, 1] * 10), **shares)


def test_unlabelled_pictures_are_split_as_one_class(made: Make) -> None:
    images = ImageSet(images=made([0] * 20).images)
    assert len(split(images).test) == 4


def test_split_off_takes_its_share_of_each_class(made: Make) -> None:
    rest, off = split_off(made([0, 1] * 20), 0.25)
    assert (len(rest), len(off)) == (30, 10)
    assert np.bincount(off.require_labels()).tolist() == [5, 5]
    assert (rest.name, off.name) == ("made/train", "made/val")


def test_without_overlap_drops_what_the_test_part_holds(made: Make) -> None:
    train, test = made([0, 1, 0, 1], [1, 2, 3, 4]), made([0, 1], [3, 9])
    kept, dropped = without_overlap(train, test)
    assert dropped == 1
    assert kept.ids == ("made/0", "made/1", "made/3")


def test_official_parts_are_kept_and_made_disjoint(made: Make) -> None:
    train, test = made([0, 1] * 10), made([0, 1], [0, 99])
    parts = split_loaded(LoadedData(train=train, test=test), val=0.2)
    assert parts.test is test
    assert len(parts.train) + len(parts.val) == 19
    assert parts.notes == ("1 training pictures that are also in the test part were left out",)


def test_an_official_val_part_is_used(made: Make) -> None:
    data = LoadedData(train=made([0, 1] * 10), val=made([0, 1], [50, 51]), test=made([0, 1], [51, 61]))
    parts = split_loaded(data)
    assert (len(parts.train), len(parts.val), len(parts.test)) == (20, 1, 2)
    assert "1 validation pictures" in parts.notes[0]


def test_without_official_parts_everything_is_split(made: Make) -> None:
    parts = split_loaded(LoadedData(train=made([0, 1] * 10)), val=0.1, test=0.2)
    assert (len(parts.train), len(parts.val), len(parts.test)) == (14, 2, 4)


def test_rows_with_one_number_stay_together_also_through_exact_copies(made: Make) -> None:
    # 0 and 1 share a number, 1 and 2 their pixels, 2 and 3 a number: four rows that must not be parted,
    # whatever the seed.
    images = made([0, 1] * 15, [0, 1, 1, *range(3, 30)])
    images = dataclasses.replace(images, groups=np.array([100, 100, 101, 101, *range(4, 30)]))
    for seed in range(20):
        where = {
            one: side
            for side, part in enumerate(vars(split(images, seed=seed)).values())
            if isinstance(part, ImageSet)
            for one in part.ids
        }
        assert len({where[f"made/{row}"] for row in range(4)}) == 1


@given(rows=ROWS, seed=st.integers(0, 5))
def test_groups_that_join_nothing_change_nothing(make: Make, rows: list[tuple[int, int]], seed: int) -> None:
    images = build(make, rows)
    apart = dataclasses.replace(images, groups=np.arange(len(images))[::-1].copy())
    assert [part.ids for part in parts_of(images, seed)] == [part.ids for part in parts_of(apart, seed)]


def parts_of(images: ImageSet, seed: int) -> tuple[ImageSet, ImageSet, ImageSet]:
    parts = split(images, seed=seed)
    return parts.train, parts.val, parts.test


def test_the_split_of_a_known_set_stays_what_it_was(made: Make) -> None:
    # Committed figures rest on these rows.
    parts = split(made([0, 1, 2] * 10), seed=3)
    assert [int(one.split("/")[1]) for one in parts.test.ids] == [2, 9, 16, 20, 21, 25]
    assert [int(one.split("/")[1]) for one in parts.val.ids] == [10, 26, 27]


def test_near_duplicates_of_the_test_part_leave_train_only_where_both_are_numbered(made: Make) -> None:
    train, test = made([0, 1, 0, 1], [1, 2, 3, 4]), made([0, 1], [8, 9])
    numbered = dataclasses.replace(train, groups=np.array([0, 1, 2, 3]))
    assert without_overlap(numbered, dataclasses.replace(test, groups=np.array([2, 9])))[0].ids == (
        "made/0",
        "made/1",
        "made/3",
    )
    assert without_overlap(numbered, test)[1] == 0


def tagged(tags: NDArray[np.bool_]) -> ImageSet:
    images = np.zeros((len(tags), 2, 2, 1), dtype=np.uint8)
    images[:, 0, 0, 0], images[:, 0, 1, 0] = np.divmod(np.arange(len(tags)), 256)
    return ImageSet(
        images, tuple(f"tag{number}" for number in range(tags.shape[1])), tags=tags, name="tagged"
    )


@given(seed=st.integers(0, 10_000), count=st.integers(30, 120), tags=st.integers(2, 12))
def test_every_tag_of_two_pictures_a_side_is_on_every_side(seed: int, count: int, tags: int) -> None:
    rng = np.random.default_rng(seed)
    images = tagged(rng.random((count, tags)) < rng.uniform(0.03, 0.5, tags))
    parts = parts_of(images, seed)
    assert sum(map(len, parts)) == count
    carried = images.require_tags().sum(axis=0)
    for part in parts:
        assert (part.require_tags().sum(axis=0) > 0)[carried >= 6].all()
    assert (parts[0].require_tags().sum(axis=0) > 0)[carried >= 1].all()


def test_tags_keep_their_shares() -> None:
    rng = np.random.default_rng(0)
    images = tagged(rng.random((600, 5)) < [0.5, 0.3, 0.2, 0.1, 0.05])
    train, val, test = parts_of(images, 0)
    assert np.abs(np.subtract([len(train), len(val), len(test)], [420, 60, 120])).max() <= 4
    carried = images.require_tags().sum(axis=0)
    assert np.abs(test.require_tags().sum(axis=0) - 0.2 * carried).max() <= 3
    assert np.abs(val.require_tags().sum(axis=0) - 0.1 * carried).max() <= 3


def test_a_tag_of_one_picture_stays_in_train_and_the_other_parts_say_that_they_lack_it() -> None:
    tags = np.zeros((40, 2), dtype=bool)
    tags[:, 0], tags[7, 1] = True, True
    parts = split(tagged(tags))
    assert "tagged/7" in parts.train.ids
    assert parts.notes == (
        "no picture of the val part has the tag: tag1",
        "no picture of the test part has the tag: tag1",
    )


def test_too_few_tagged_pictures_are_refused() -> None:
    with pytest.raises(DataError, match="tagged is too small to split"):
        split(tagged(np.eye(2, dtype=bool)))


def test_a_rare_class_stays_in_train_and_is_named(made: Make) -> None:
    parts = split_loaded(LoadedData(train=made([0] * 10 + [1] * 10 + [2], names=("cat", "dog", "owl"))))
    assert [int((part.require_labels() == 2).sum()) for part in (parts.train, parts.val, parts.test)] == [
        1,
        0,
        0,
    ]
    (note,) = parts.notes
    assert "class 'owl' (1); it is learned from but cannot be checked: add pictures" in note


def test_a_rare_class_beside_an_official_test_part_stays_in_train(made: Make) -> None:
    train, test = (
        made([0] * 10 + [1] * 10 + [2], names=("cat", "dog", "owl")),
        made([0, 1], [90, 91], names=("cat", "dog", "owl")),
    )
    parts = split_loaded(LoadedData(train=train, test=test))
    assert 2 in parts.train.require_labels()
    assert "for train, val: class 'owl' (1)" in parts.notes[0]


def test_copies_of_one_picture_are_kept_together_as_a_rare_class(made: Make) -> None:
    parts = split_loaded(LoadedData(train=made([0] * 10 + [1] * 10 + [2] * 4, [*range(20), *[30] * 4])))
    assert np.bincount(parts.train.require_labels())[2] == 4


def test_a_rare_class_does_not_move_the_pictures_of_the_others(made: Make) -> None:
    usual, rare = (
        split_loaded(LoadedData(train=made(labels))) for labels in ([0, 1] * 10, [0, 1] * 10 + [2])
    )
    assert [part.ids for part in (rare.val, rare.test)] == [part.ids for part in (usual.val, usual.test)]


def test_rare_classes_alone_cannot_be_split(made: Make) -> None:
    with pytest.raises(DataError, match="class 'class0' is too small to split"):
        split_loaded(LoadedData(train=made([0, 1, 2])))


def test_a_rare_class_of_two_is_refused_since_one_class_says_nothing(made: Make) -> None:
    with pytest.raises(DataError, match="class 'class1' is too small to split"):
        split_loaded(LoadedData(train=made([0] * 10 + [1])))
