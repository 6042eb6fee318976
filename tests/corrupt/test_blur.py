"""Blurs against slow loops and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from lightfast.corrupt.blur import (
    Glass,
    Lens,
    Motion,
    Zoom,
    _disk,
    _shuffle,
    defocus_blur,
    glass_blur,
    motion_blur,
    trail,
    zoom_blur,
)


class Counting:
    """A stand-in for a generator: all draws of the k-th call are k modulo the range."""

    def __init__(self) -> None:
        self.calls = -1

    def integers(self, low: int, high: int, size: tuple[int, int], dtype: type) -> np.ndarray:
        self.calls += 1
        return np.full(size, self.calls % high, dtype)


def shuffled_one_by_one(levels: np.ndarray, reach: int) -> np.ndarray:
    """The published sequential loop, the draw of a pixel being its wave modulo the range."""
    levels = levels.copy()
    height, width, channels = levels.shape
    moves = [(dy, dx) for dy in range(-reach, reach) for dx in range(-reach, reach)]
    moves += [(0, 0)] * len(moves) if channels == 1 else []
    for row in range(height - reach, reach, -1):
        for column in range(width - reach, reach, -1):
            dy, dx = moves[((height - reach - row) * 2 * reach + width - reach - column) % len(moves)]
            here, there = levels[row, column].copy(), levels[row + dy, column + dx].copy()
            levels[row, column] = there
            if channels == 1:
                levels[row + dy, column + dx] = here
    return levels


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("reach", [1, 2, 4])
def test_glass_exchanges_as_the_sequential_loop_does(reach, channels):
    levels = np.random.default_rng(0).integers(0, 256, (2, 17, 14, channels), dtype=np.uint8)
    expected = np.stack([shuffled_one_by_one(picture, reach) for picture in levels])
    _shuffle(levels, reach, Counting())
    assert (levels == expected).all()


def test_grey_glass_only_moves_pixels(digit_floats):
    moved = glass_blur(digit_floats, Glass(0.1, 2, 3), np.random.default_rng(0))
    assert np.sort(moved, axis=None) == pytest.approx(
        np.sort(np.floor(digit_floats * 255) / 255, axis=None), abs=0.005
    )
    assert (moved != digit_floats).mean() > 0.1


def test_half_of_the_grey_pixels_stay_and_no_colour_pixel_must():
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    levels = np.repeat(ramp, 400, axis=0)
    _shuffle(levels, 1, np.random.default_rng(0))
    # The last pixel of a row is handled first: it stays when the coin says so, or when it draws itself (one
    # of four moves).
    assert (levels[:, 15, 15, 0] == 255).mean() == pytest.approx(0.5 + 0.5 / 4, abs=0.07)


@pytest.mark.parametrize("lens", [Lens(3, 0.1), Lens(10, 0.5), Lens(1.5, 0.1), Lens(0.3, 0.4)])
def test_defocus_correlates_with_a_disk(photo_floats, lens):
    blurred = defocus_blur(photo_floats, lens, np.random.default_rng(0))
    expected = ndimage.correlate(
        photo_floats.astype(float), _disk(*lens)[None, :, :, None].astype(float), mode="mirror"
    )
    assert blurred == pytest.approx(expected, abs=1e-4)


def test_a_disk_has_the_area_of_its_radius():
    disk = _disk(6, 0.5)
    assert disk.sum() == pytest.approx(1, abs=1e-5)
    assert (disk > disk.max() / 2).sum() == pytest.approx(np.pi * 36, rel=0.05)


def trailed(image: np.ndarray, radius: int, sigma: float, degrees: float) -> np.ndarray:
    """ImageMagick's MotionBlurImage, pixel by pixel."""
    height, width = image.shape
    weights = [np.exp(-(step**2) / (2 * sigma**2)) for step in range(2 * radius + 1)]
    result = np.zeros((height, width))
    for step, weight in enumerate(weights):
        right = int(np.ceil(step * np.cos(np.deg2rad(degrees)) - 0.5))
        down = int(np.ceil(step * np.sin(np.deg2rad(degrees)) - 0.5))
        for row in range(height):
            for column in range(width):
                result[row, column] += (
                    weight
                    * image[min(max(row + down, 0), height - 1), min(max(column + right, 0), width - 1)]
                )
    return result / sum(weights)


@pytest.mark.parametrize("degrees", [-120.0, -45.0, -12.5, 0.0, 33.0])
def test_trail_is_imagemagicks_motion_blur(digit_floats, degrees):
    blurred = trail(digit_floats[:1], 5, 3, np.array([degrees]))[0, ..., 0]
    assert blurred == pytest.approx(trailed(digit_floats[0, ..., 0], 5, 3, degrees), abs=1e-5)


def test_pictures_that_share_a_path_are_blurred_as_if_alone(photo_floats):
    angles = np.array([10.0, -30.0] * 6)
    together = trail(photo_floats, 8, 2, angles)
    alone = [
        trail(picture[None], 8, 2, angles[index : index + 1])[0] for index, picture in enumerate(photo_floats)
    ]
    assert together == pytest.approx(np.stack(alone), abs=1e-6)


def test_motion_angles_spread_from_minus_45_to_45():
    dots = np.zeros((200, 41, 41, 1), np.float32)
    dots[:, 20, 20] = 1
    blurred = motion_blur(dots, Motion(10, 8), np.random.default_rng(0))[..., 0]
    rows, columns = np.arange(41)[None, :, None], np.arange(41)[None, None, :]
    slopes = (
        np.rad2deg(
            np.arctan2((blurred * (rows - 20)).sum((1, 2)), (blurred * (columns - 20)).sum((1, 2)) * -1)
        )
        * -1
    )
    assert np.abs(slopes).max() < 48
    assert slopes.std() == pytest.approx(90 / np.sqrt(12), rel=0.15)


def test_zoom_blur_is_the_mean_of_scipys_zooms(digit_floats):
    def zoomed(picture: np.ndarray, factor: float) -> np.ndarray:
        crop = int(np.ceil(28 / factor))
        start = (28 - crop) // 2
        large = ndimage.zoom(picture[start : start + crop, start : start + crop], factor, order=1)
        trim = (len(large) - 28) // 2
        return large[trim : trim + 28, trim : trim + 28]

    factors = np.arange(1, 1.21, 0.02)
    picture = digit_floats[3, ..., 0].astype(float)
    expected = (picture + sum(zoomed(picture, factor) for factor in factors)) / (len(factors) + 1)
    assert zoom_blur(digit_floats[3:4], Zoom(1.21, 0.02), np.random.default_rng(0))[
        0, ..., 0
    ] == pytest.approx(expected, abs=1e-5)
