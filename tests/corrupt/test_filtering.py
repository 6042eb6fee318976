"""Matrix filters against scipy and Pillow."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from lightfast.corrupt.filtering import band_matrix, box_matrix, gaussian, separable, zoom_matrix

SCIPY_BORDERS = {"nearest": "nearest", "reflect": "reflect", "zero": "constant"}


@pytest.mark.parametrize("border", SCIPY_BORDERS)
@pytest.mark.parametrize("sigma", [0.4, 1.0, 6.0])
def test_gaussian_is_scipys(photo_floats, sigma, border):
    expected = ndimage.gaussian_filter(
        photo_floats.astype(float), (0, sigma, sigma, 0), mode=SCIPY_BORDERS[border]
    )
    assert gaussian(photo_floats, sigma, border=border) == pytest.approx(expected, abs=1e-5)


def test_gaussian_down_only_leaves_rows_alone(digit_floats):
    expected = ndimage.gaussian_filter1d(digit_floats.astype(float), 0.7, axis=1, mode="nearest")
    assert gaussian(digit_floats, 0.7, down_only=True) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("border", SCIPY_BORDERS)
def test_a_band_matrix_correlates(border):
    line, kernel = np.arange(9.0) ** 2, np.array([0.5, -1.0, 2.0, 0.25, 3.0])
    assert band_matrix(9, kernel, border) @ line == pytest.approx(
        ndimage.correlate1d(line, kernel, mode=SCIPY_BORDERS[border])
    )


@pytest.mark.parametrize("size_in, size_out", [(28, 14), (28, 16), (32, 9), (8, 28), (7, 28), (224, 67)])
def test_a_box_matrix_is_pillows_box(size_in, size_out):
    line = np.random.default_rng(0).random((1, size_in)).astype(np.float32)
    expected = np.asarray(Image.fromarray(line).resize((size_out, 1), Image.Resampling.BOX))[0]
    assert box_matrix(size_in, size_out) @ line[0] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("size, factor", [(28, 1.05), (32, 1.25), (33, 3.0), (224, 1.11), (9, 4.5)])
def test_a_zoom_matrix_is_scipys_zoom_of_the_middle(size, factor):
    line = np.random.default_rng(0).random(size)
    crop = int(np.ceil(size / factor))
    start = (size - crop) // 2
    enlarged = ndimage.zoom(line[start : start + crop], factor, order=1)
    trim = (len(enlarged) - size) // 2
    assert zoom_matrix(size, factor) @ line == pytest.approx(enlarged[trim : trim + size], abs=1e-5)


def test_separable_filters_each_channel_by_itself(photo_floats):
    rows, columns = np.random.default_rng(0).random((2, 32, 32)).astype(np.float32)
    expected = np.einsum("ij,njkc,lk->nilc", rows, photo_floats, columns)
    assert separable(photo_floats, rows, columns) == pytest.approx(expected, rel=1e-4)
