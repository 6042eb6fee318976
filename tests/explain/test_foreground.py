"""Cutting out what differs from the border, and filling its place."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.explain.foreground import LARGEST, background_plates, checked_foreground, cut_foreground


def squares(count: int, side: int = 32, channels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Bright squares on a dark noisy ground, and where they are."""
    rng = np.random.default_rng(0)
    images = rng.normal(60, 6, (count, side, side, channels))
    masks = np.zeros((count, side, side), dtype=bool)
    for row in range(count):
        top, left = rng.integers(side // 4, side // 2, size=2)
        masks[row, top : top + side // 3, left : left + side // 3] = True
    images[masks] += 140
    return images.clip(0, 255).astype(np.uint8), masks


@pytest.mark.parametrize(("side", "channels"), [(24, 1), (32, 3), (200, 3)])
def test_a_square_on_a_plain_ground_is_cut_out_whole(side, channels):
    images, masks = squares(4, side, channels)
    cut = cut_foreground(images)
    assert cut.found.all()
    assert cut.masks[masks].all()
    assert cut.masks.mean() < 3 * masks.mean()


def test_the_same_picture_gives_the_same_cut_whatever_was_cut_before():
    images, _ = squares(3)
    assert np.array_equal(cut_foreground(images).masks[2:], cut_foreground(images[2:]).masks)


def test_a_flat_picture_has_no_foreground():
    cut = cut_foreground(np.full((1, 16, 16, 1), 90, dtype=np.uint8))
    assert not cut.found.any()
    assert not cut.masks.any()


def test_masks_that_take_nearly_all_or_nothing_are_not_found():
    masks = np.zeros((3, 10, 10), dtype=bool)
    masks[1, :, : int(10 * LARGEST)] = True
    masks[2] = True
    assert checked_foreground(masks).found.tolist() == [False, True, False]


@pytest.mark.parametrize(("side", "border"), [(32, 2), (200, 12)])
def test_a_cut_that_reaches_the_border_is_not_found(side, border):
    images, _ = squares(2, side)
    images[1, side // 3 : 2 * side // 3, side // 2 : side - border] = 220
    cut = cut_foreground(images)
    assert cut.at_frame.tolist() == [False, True]
    assert cut.found.tolist() == [True, False]
    assert not cut.masks[1].any()


def test_known_masks_may_reach_the_frame():
    masks = np.zeros((1, 10, 10), dtype=bool)
    masks[0, 5:, 3:7] = True
    cut = checked_foreground(masks)
    assert (cut.known, cut.found.tolist(), cut.at_frame.tolist()) == (True, [True], [False])


def test_the_place_is_filled_from_its_surroundings():
    images, masks = squares(2)
    plates = background_plates(images, cut_foreground(images).masks)
    assert plates[masks].mean() < 75
    assert np.array_equal(plates[0, 0], images[0, 0])


@pytest.mark.parametrize("shape", [(2, 7, 30, 3), (2, 16, 16)])
def test_pictures_that_cannot_be_cut_are_refused(shape):
    with pytest.raises(DataError):
        cut_foreground(np.zeros(shape, dtype=np.uint8))
