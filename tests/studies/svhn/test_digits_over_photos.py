from __future__ import annotations

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.data.images import ImageSet
from lightfast.studies.svhn.digits_over_photos import _side, digits_over_photos, textures

NAMES = tuple("0123456789")


def bars(count: int = 20) -> ImageSet:
    """Upright bars 20 pixels tall, one width a label: 4 pixels for label 0, 13 for label 9."""
    images = np.zeros((count, 28, 28), dtype=np.uint8)
    labels = np.arange(count) % 10
    for image, label in zip(images, labels, strict=True):
        image[4:24, 12 - label // 2 : 16 + (label + 1) // 2] = 255
    return ImageSet(images=images, labels=labels, class_names=NAMES, name="bars")


def plain(value: int, count: int = 5) -> ImageSet:
    return ImageSet(images=np.full((count, 32, 32, 3), value, dtype=np.uint8), name="plain")


def touched(images: np.ndarray, ground: int, least: int = 30) -> np.ndarray:
    """bool (N, 32, 32): where the picture differs clearly from its plain background."""
    return np.abs(images.astype(int) - ground).max(axis=-1) >= least


def test_the_pictures_are_rgb_of_32_pixels_with_the_classes_of_the_digits():
    made = digits_over_photos(bars(), plain(128), 12, seed=0)
    assert made.images.shape == (12, 32, 32, 3)
    assert made.images.dtype == np.uint8
    assert made.class_names == NAMES


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    first, again, other = (digits_over_photos(bars(), textures(9, 0), 10, seed).images for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_large_set_begins_like_itself_made_in_one_block(monkeypatch):
    whole = digits_over_photos(bars(), plain(90), 30, seed=3).images
    monkeypatch.setattr("lightfast.studies.svhn.digits_over_photos.BLOCK", 7)
    assert np.abs(digits_over_photos(bars(), plain(90), 30, seed=3).images.astype(int) - whole).max() <= 1


def test_every_digit_stands_in_the_middle_once_before_one_does_twice():
    made = digits_over_photos(bars(20), plain(128), 40, seed=0)
    assert np.bincount(made.require_labels()).tolist() == [4] * 10


def test_the_label_is_that_of_the_digit_in_the_middle():
    # Digits of label 1 are blank: there is ink in the middle exactly where the label is 0.
    images = np.zeros((2, 28, 28), dtype=np.uint8)
    images[0, 4:24, 12:16] = 255
    made = digits_over_photos(
        ImageSet(images=images, labels=np.array([0, 1]), class_names=("bar", "blank")),
        plain(128),
        100,
        seed=0,
    )
    inked = touched(made.images, 128)[:, :, 11:21].any(axis=(1, 2))
    assert np.array_equal(inked, made.require_labels() == 0)


def test_the_digits_are_20_to_26_pixels_tall():
    made = digits_over_photos(bars(), plain(128), 100, seed=0)
    tall = touched(made.images, 128, 25)[:, :, 13:19].any(axis=2).sum(axis=1)
    assert tall.min() >= 18
    assert tall.max() <= 30


def test_neighbours_are_cut_off_at_both_sides():
    made = digits_over_photos(bars(), plain(128), 200, seed=0)
    ink = touched(made.images, 128)
    assert ink[:, :, 0].any(axis=1).mean() > 0.3
    assert ink[:, :, -1].any(axis=1).mean() > 0.3


@pytest.mark.parametrize("ground", [0, 60, 128, 200, 255])
def test_the_digit_stands_out_from_any_plain_background(ground):
    made = digits_over_photos(bars(), plain(ground), 50, seed=0)
    contrast = np.sqrt(((made.images[:, 14:18, 12:20].astype(float) - ground) ** 2).mean(axis=-1)).max(
        axis=(1, 2)
    )
    assert contrast.min() >= 0.12 * 255


def test_a_background_is_left_alone_where_there_is_no_ink():
    images = np.zeros((1, 28, 28), dtype=np.uint8)
    images[0, 10:18, 12:16] = 255
    ground = textures(1, 5)
    made = digits_over_photos(
        ImageSet(images=images, labels=np.array([0]), class_names=("dash",)), ground, 20, seed=0
    )
    assert np.array_equal(made.images[:, 0], np.repeat(ground.images[:, 0], 20, axis=0))


def test_placing_is_a_gaussian_blur_of_the_enlarged_line():
    draws = type("Draws", (), {"scale": np.float32([1.2]), "blur": np.float32([0.7])})
    ours = _side(28, np.float32([14.5]), draws)[0]
    for y in (0, 7, 15, 31):
        source = (y - 14.5) / 1.2 + 13.5
        slow = [np.exp(-((source - i) ** 2) / (2 * 0.7**2)) / (0.7 * np.sqrt(2 * np.pi)) for i in range(28)]
        np.testing.assert_allclose(ours[y], slow, atol=1e-6)


def test_textures_use_most_of_the_range_and_are_smooth():
    made = textures(50, 0).images.astype(float)
    assert made.std() > 20
    assert np.abs(np.diff(made, axis=1)).mean() < 20


def test_colour_pictures_are_refused_as_digits():
    with pytest.raises(DataError, match="grey"):
        digits_over_photos(plain(0), plain(0), 3, seed=0)


def test_backgrounds_of_another_size_are_refused():
    small = ImageSet(images=np.zeros((2, 28, 28, 3), dtype=np.uint8), name="small")
    with pytest.raises(DataError, match=r"small: photographs: .*32"):
        digits_over_photos(bars(), small, 3, seed=0)
