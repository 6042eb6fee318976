"""Splits by content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightfast.base.errors import DataError, SettingsError
from lightfast.data.images import ImageSet
from lightfast.data.loaded import LoadedData
from lightfast.data.splits import Splits, split, split_loaded, split_off, without_overlap

Make = Callable[..., ImageSet]


def sides(parts: Splits) -> tuple[Counter[str], Counter[str], Counter[str]]:
    return Counter(parts.train.content_hashes), Counter(parts.val.content_hashes), Counter(parts.test.content_hashes)


# Up to 60 rows, 3 classes, some pictures repeated with the same or another label; every class has 5 distinct pictures of its own.
ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), max_size=45).map(
    lambda rows: [(label, 100 * (label + 1) + extra) for label in range(3) for extra in range(5)] + rows)


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
def test_no_content_stands_on_two_sides_and_nothing_is_lost(make: Make, rows: list[tuple[int, int]], seed: int) -> None:
    images = build(make, rows)
    train, val, test = sides(split(images, seed=seed))
    assert len(set(train) | set(val) | set(test)) == len(train) + len(val) + len(test)
    assert train + val + test == Counter(images.content_hashes)


@given(rows=ROWS, seed=st.integers(0, 5), order=st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(make: Make, rows: list[tuple[int, int]], seed: int, order: object) -> None:
    shuffled = list(rows)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert sides(split(build(make, rows), seed=seed)) == sides(split(build(make, shuffled), seed=seed))


@given(sizes=st.lists(st.integers(3, 40), min_size=3, max_size=3), val=st.floats(0.05, 0.4), test=st.floats(0.05, 0.4))
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
    assert [part.name for part in (parts.train, parts.val, parts.test)] == ["made/train", "made/val", "made/test"]


def test_the_content_alone_decides(made: Make) -> None:
    # The same pictures under other ids and another set name go to the same sides.
    images = made([0, 1] * 20)
    renamed = ImageSet(images=images.images, labels=images.labels, class_names=images.class_names, name="other")
    assert sides(split(images)) == sides(split(renamed))


def test_identical_pictures_with_different_labels_stay_together(made: Make) -> None:
    images = made([0] * 10 + [1] * 20, [*range(10), *range(9), *range(50, 61)])
    train, val, test = sides(split(images))
    assert len(set(train) | set(val) | set(test)) == len(train) + len(val) + len(test)


def test_a_share_of_zero_gives_an_empty_side(made: Make) -> None:
    parts = split(made([0, 1] * 10), val=0)
    assert (len(parts.train), len(parts.val), len(parts.test)) == (16, 0, 4)


def test_a_class_too_small_is_named_with_the_cure(made: Make) -> None:
    with pytest.raises(DataError, match=r"class 'bird' is too small to split: expected at least 3 distinct pictures.*got 2.*Add pictures"):
        split(made([0] * 10 + [1] * 2, names=("cat", "bird")))


def test_copies_of_one_picture_do_not_make_a_class_large(made: Make) -> None:
    with pytest.raises(DataError, match="class 'class1' is too small"):
        split(made([0] * 10 + [1] * 6, [*range(10), *[20] * 6]))


def test_a_class_of_large_groups_of_copies_still_reaches_every_side(made: Make) -> None:
    images = made([0] * 15 + [1] * 15, [*[1] * 5, *[2] * 5, *[3] * 5, *range(10, 25)])
    assert all(0 in part.require_labels() for part in vars(split(images)).values() if isinstance(part, ImageSet))


@pytest.mark.parametrize("shares", [{"val": 0.5, "test": 0.5}, {"val": -0.1}, {"test": 1.0}, {"test": float("nan")}])
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
