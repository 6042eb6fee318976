"""Geometry against `skimage.transform.warp`."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import transform

from lightfast.corrupt.geometry import Angle, Shift, Shrink, rotate, scale, shear, translate


def warped(picture: np.ndarray, matrix: np.ndarray, about_centre: bool = True) -> np.ndarray:
    """scikit-image's warp with the centre held in place."""
    height, width = picture.shape[:2]
    full = np.eye(3)
    full[:2, : matrix.shape[1]] = matrix
    if about_centre:
        centre = np.array([(width - 1) / 2, (height - 1) / 2])
        full[:2, 2] = centre - full[:2, :2] @ centre
    return transform.warp(picture.astype(float), transform.AffineTransform(matrix=full))


def assert_each_is_one_of(
    pictures: np.ndarray, damaged: np.ndarray, matrices: list[np.ndarray], about_centre: bool = True
) -> None:
    """Every damaged picture is the warp by one of the matrices, and all of them occur."""
    used = set()
    for picture, result in zip(pictures, damaged, strict=True):
        distances = [np.abs(warped(picture, matrix, about_centre) - result).max() for matrix in matrices]
        assert min(distances) < 1e-4
        used.add(int(np.argmin(distances)))
    assert used == set(range(len(matrices)))


def test_rotate_turns_both_ways(photo_floats):
    turned = rotate(photo_floats, Angle(0.4), np.random.default_rng(0))
    matrices = [np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for a in (-0.4, 0.4)]
    assert_each_is_one_of(photo_floats, turned, matrices)


def test_shear_slants_both_ways_and_stretches(digit_floats):
    slanted = shear(digit_floats, Angle(0.4), np.random.default_rng(0))
    matrices = [np.array([[1, -np.sin(a)], [0, np.cos(a)]]) for a in (-0.4, 0.4)]
    assert_each_is_one_of(digit_floats, slanted, matrices)


@pytest.mark.parametrize("factor", [0.9, 0.7, 0.5])
def test_scale_shrinks_about_the_centre(photo_floats, factor):
    assert_each_is_one_of(
        photo_floats, scale(photo_floats, Shrink(factor), np.random.default_rng(0)), [np.eye(2) / factor]
    )


def test_scale_holds_the_centre_of_pictures_that_are_not_square(photo_floats):
    tall = photo_floats[:, :, :21]
    assert_each_is_one_of(tall, scale(tall, Shrink(0.7), np.random.default_rng(0)), [np.eye(2) / 0.7])


def test_translate_moves_along_four_diagonals(digit_floats):
    moved = translate(digit_floats, Shift(3), np.random.default_rng(0))
    matrices = [np.array([[1, 0, dx], [0, 1, dy]]) for dx in (-3, 3) for dy in (-3, 3)]
    assert_each_is_one_of(digit_floats, moved, matrices, about_centre=False)


def test_translate_grows_with_the_picture(photo_floats):
    moved = translate(photo_floats, Shift(1), np.random.default_rng(0))
    step = 32 / 28
    matrices = [np.array([[1, 0, dx], [0, 1, dy]]) for dx in (-step, step) for dy in (-step, step)]
    assert_each_is_one_of(photo_floats, moved, matrices, about_centre=False)
