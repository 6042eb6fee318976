"""Fog, snow, frost and brightness against slow references."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import color

from lightfast.corrupt.frostwork import frostwork, tinted
from lightfast.corrupt.plasma import plasma
from lightfast.corrupt.weather import Fog, Frost, Light, Snow, brightness, fog, frost, snow


def whole_map(side: int, decay: float, rng: np.random.Generator) -> np.ndarray:
    """A whole periodic diamond-square map, one point at a time."""
    heights, step, wibble = np.zeros((side, side)), side, 100.0

    def set_point(row: int, column: int, reach: int, diagonal: bool) -> None:
        moves = [(-1, -1), (-1, 1), (1, -1), (1, 1)] if diagonal else [(-1, 0), (1, 0), (0, -1), (0, 1)]
        around = [heights[(row + reach * dy) % side, (column + reach * dx) % side] for dy, dx in moves]
        heights[row, column] = sum(around) / 4 + rng.uniform(-wibble * wibble, wibble * wibble)

    while step >= 2:
        half, corners = step // 2, range(0, side, step)
        for row, column in [(row, column) for row in corners for column in corners]:
            set_point(row + half, column + half, half, True)
        for row, column in [(row, column) for row in corners for column in corners]:
            set_point(row, column + half, half, False)
            set_point(row + half, column, half, False)
        step, wibble = half, wibble / decay
    return (heights - heights.min()) / (heights.max() - heights.min())


@pytest.mark.parametrize("side, mapsize", [(12, 64), (16, 16), (30, 32)])
def test_plasma_corners_have_the_statistics_of_whole_maps(side, mapsize):
    rng = np.random.default_rng(0)
    slow = np.stack([whole_map(mapsize, 1.6, rng)[:side, :side] for _ in range(max(60 * 16 // mapsize, 16))])
    fast = plasma(2000, side, mapsize, 1.6, rng)
    assert fast.std(axis=(1, 2)).mean() == pytest.approx(slow.std(axis=(1, 2)).mean(), rel=0.15)
    assert np.abs(np.diff(fast, axis=2)).mean() == pytest.approx(
        np.abs(np.diff(slow, axis=2)).mean(), rel=0.15
    )
    assert fast.mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("side, mapsize", [(8, 256), (28, 256), (224, 256), (300, 512)])
def test_plasma_stays_in_its_range(side, mapsize):
    bank = plasma(8, side, mapsize, 1.4, np.random.default_rng(0))
    assert bank.shape == (8, side, side)
    assert bank.min() > -0.05
    assert bank.max() < 1.05


def test_a_plasma_corner_of_a_large_map_is_smoother():
    roughness = [
        np.abs(np.diff(plasma(50, 28, mapsize, 2.0, np.random.default_rng(0)), axis=2)).mean()
        for mapsize in (32, 256)
    ]
    assert roughness[1] < roughness[0] / 2


def test_fog_adds_a_bank_and_scales_back_to_the_brightest(photo_floats):
    foggy = fog(photo_floats, Fog(2.0, 2.0, 256), np.random.default_rng(3))
    bank = plasma(len(photo_floats), 32, 256, 2.0, np.random.default_rng(3))[..., None]
    brightest = photo_floats.reshape(len(photo_floats), -1).max(axis=1)[:, None, None, None]
    assert foggy == pytest.approx((photo_floats + 2 * bank) * brightest / (brightest + 2), abs=1e-5)


def test_brightness_is_that_of_hsv(photo_floats):
    hsv = color.rgb2hsv(photo_floats.astype(float))
    hsv[..., 2] = np.clip(hsv[..., 2] + 0.3, 0, 1)
    assert brightness(photo_floats, Light(0.3), np.random.default_rng(0)) == pytest.approx(
        color.hsv2rgb(hsv), abs=1e-5
    )


def test_brightness_of_black_is_grey():
    black = np.zeros((1, 8, 8, 3), np.float32)
    assert brightness(black, Light(0.3), np.random.default_rng(0)) == pytest.approx(0.3)


def test_snow_without_flakes_whitens(photo_floats):
    snowy = snow(photo_floats, Snow(0, 0.1, 2, 9.0, 5, 2, 0.7), np.random.default_rng(0))
    grey = photo_floats @ np.array([0.299, 0.587, 0.114])
    expected = 0.7 * photo_floats + 0.3 * np.maximum(photo_floats, grey[..., None] * 1.5 + 0.5)
    assert snowy == pytest.approx(expected, abs=1e-5)


def test_snow_falls_steeply_and_on_both_sides():
    black = np.zeros((12, 48, 48, 1), np.float32)
    layer = snow(black, Snow(0.1, 0.3, 3, 0.5, 10, 4, 1.0), np.random.default_rng(0))[..., 0]
    assert layer == pytest.approx(layer[:, ::-1, ::-1], abs=1e-6)
    assert np.abs(np.diff(layer, axis=1)).mean() < np.abs(np.diff(layer, axis=2)).mean()


@pytest.mark.parametrize("side", [160, 448])
def test_frostwork_is_a_grey_texture_with_contrast(side):
    textures = [frostwork(side, np.random.default_rng(seed)) for seed in range(3)]
    assert all(texture.min() >= 0 and texture.max() <= 1 for texture in textures)
    assert [texture.mean() for texture in textures] == pytest.approx([0.4] * 3, abs=0.06)
    assert min(texture.std() for texture in textures) > 0.12


def test_frost_weighs_picture_and_ice(photo_floats):
    bare = frost(photo_floats, Frost(0.7, 0.0), np.random.default_rng(0))
    iced = frost(photo_floats, Frost(0.7, 0.5), np.random.default_rng(0))
    assert bare == pytest.approx(photo_floats * 0.7, abs=1e-6)
    assert (iced - bare).min() >= 0
    assert (iced - bare).max() <= 0.5 + 1e-6


def test_frost_textures_are_grown_once_and_every_picture_sees_another_place():
    black = np.zeros((6, 32, 32, 3), np.float32)
    first, again = (frost(black, Frost(0.7, 0.5), np.random.default_rng(2)) for _ in range(2))
    assert (first == again).all()
    assert min(np.abs(first[0] - other).mean() for other in first[1:]) > 0.01


def test_frost_of_large_pictures_is_an_enlarged_texture():
    black = np.zeros((1, 300, 600, 1), np.float32)
    iced = frost(black, Frost(1.0, 1.0), np.random.default_rng(0))
    assert iced.mean() == pytest.approx(0.4, abs=0.12)
    assert iced.std() > 0.1


def test_ice_is_bluish_on_colour():
    assert tinted(np.ones((2, 2), np.float32), 3)[0, 0] == pytest.approx([0.86, 0.94, 1.0])
