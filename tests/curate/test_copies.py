"""Pictures that are there more than once."""

from __future__ import annotations

import numpy as np

from lightfast.curate.copies import find_copies
from lightfast.data.images import ImageSet


def pictures(contents: list[int], labels: list[int]) -> ImageSet:
    images = np.array(contents, dtype=np.uint8)[:, None, None, None].repeat(4, 1).repeat(4, 2)
    return ImageSet(images, ("cat", "dog"), np.array(labels))


def test_identical_pictures_under_two_labels_come_first():
    found = find_copies(pictures([1, 1, 2, 2], [0, 0, 0, 1]), (), ["all"] * 4)
    assert [(one.kind, one.rows) for one in found] == [
        ("identical, two labels", (2, 3)),
        ("exact copy", (0, 1)),
    ]
    assert "cat and dog" in found[0].reason


def test_copies_in_two_parts_are_leaks():
    (found,) = find_copies(pictures([1, 2, 1], [0, 0, 0]), (), ["train", "train", "test"])
    assert (found.kind, found.leak) == ("leak", True)
    assert "test and train" in found.reason


def test_exact_copies_of_a_near_duplicate_are_one_group():
    found = find_copies(pictures([1, 1, 2, 3], [0, 0, 0, 0]), [(0, 1, 2)], ["all"] * 4)
    assert [(one.kind, one.rows) for one in found] == [("near duplicate", (0, 1, 2))]


def test_tags_are_compared_as_a_whole():
    tags = np.array([[True, True], [True, False]])
    images = ImageSet(np.zeros((2, 4, 4, 1), dtype=np.uint8), ("cat", "dog"), tags=tags)
    (found,) = find_copies(images, (), ["all"] * 2)
    assert found.conflict
    assert "cat + dog" in found.reason


def test_without_labels_nothing_is_said_of_them():
    images = ImageSet(np.zeros((2, 4, 4, 1), dtype=np.uint8))
    (found,) = find_copies(images, (), ["all"] * 2)
    assert (found.conflict, found.reason) == (False, "2 files show the same pixels")
