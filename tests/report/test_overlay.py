"""Maps over pictures: colours follow the map, the picture stays to be seen,
nothing is drawn of what is no number.
"""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from lightfast.base.errors import DataError
from lightfast.report.overlay import (
    MIN_SIDE,
    blurred,
    colour_table,
    coloured,
    enlarged,
    mosaic,
    mosaic_uri,
    normalised_map,
    overlay,
)

GREY = np.full((200, 200, 3), 120, dtype=np.uint8)


def spot(value: float = 1.0, side: int = 200) -> np.ndarray:
    """A map of zeros with a square of `value`."""
    values = np.zeros((side, side), dtype=np.float32)
    values[50:80, 100:140] = value
    return values


def test_where_the_map_is_zero_the_picture_stays_as_it_is_in_grey() -> None:
    drawn = overlay(GREY, spot())
    outside = spot() == 0
    assert (drawn[outside] == 120).all()
    assert (drawn[~outside] != 120).any(axis=1).all()


def test_the_strongest_place_gets_the_last_colour_of_the_table() -> None:
    drawn = overlay(np.zeros((200, 200, 3), dtype=np.uint8), spot())
    last = colour_table(False)[-1].astype(float)
    share = drawn[60, 120] / last
    assert np.ptp(share) < 0.02
    assert 0.6 < share.mean() < 0.9


def test_a_signed_map_is_red_in_favour_and_blue_against() -> None:
    values = spot() - spot()[::-1]
    drawn = overlay(GREY, values, signed=True).astype(int)
    assert drawn[60, 120, 0] > drawn[60, 120, 2] + 40
    assert drawn[140, 120, 2] > drawn[140, 120, 0] + 40


def test_without_sign_what_is_below_zero_is_not_drawn() -> None:
    assert (overlay(GREY, spot(-1.0)) == 120).all()


def test_a_flat_map_leaves_the_picture() -> None:
    assert (overlay(GREY, np.zeros((200, 200))) == 120).all()


def test_the_scale_of_a_map_changes_nothing() -> None:
    values = np.random.default_rng(0).normal(size=(40, 40))
    assert np.allclose(
        normalised_map(values, signed=True), normalised_map(1e6 * values, signed=True), atol=1e-6
    )


def test_one_outlier_does_not_make_the_rest_pale() -> None:
    values = np.ones((100, 100))
    values[0, 0] = 1000
    assert (normalised_map(values) == 1).all()


def test_fewer_pixels_than_the_percentile_are_still_drawn() -> None:
    values = np.zeros((100, 100))
    values[3, 4] = 0.5
    assert normalised_map(values)[3, 4] == 1


def test_the_colours_are_those_of_matplotlib() -> None:
    expected = np.rint(255 * np.asarray(colormaps["coolwarm"](np.linspace(0, 1, 256)))[:, :3])
    assert (colour_table(True) == expected).all()


def test_brightness_rises_evenly_with_the_map() -> None:
    """Perceptually even: the CIE lightness of the sequential table grows in nearly equal steps."""
    from skimage.color import rgb2lab

    lightness = rgb2lab(colour_table(False)[None] / 255.0)[0, :, 0]
    steps = np.diff(lightness[::15])
    assert (steps > 0).all()
    assert steps.max() < 1.6 * steps.min()


def test_small_pictures_are_enlarged_by_a_whole_factor() -> None:
    picture = np.arange(28 * 28, dtype=np.uint8).reshape(28, 28, 1)
    large = enlarged(picture)
    assert large.shape == (168, 168, 1)
    assert max(large.shape) >= MIN_SIDE
    assert (large[::6, ::6] == picture).all()
    assert (large[5::6, 5::6] == picture).all()


def test_a_grey_picture_is_drawn_in_three_channels() -> None:
    assert overlay(GREY[..., :1], spot()).shape == (200, 200, 3)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_is_refused(bad) -> None:
    values = spot()
    values[0, 0] = bad
    with pytest.raises(DataError, match="NaN or infinity"):
        overlay(GREY, values)


def test_a_map_of_another_size_is_refused() -> None:
    with pytest.raises(DataError, match="the picture's size"):
        overlay(GREY, np.zeros((7, 7)))


def test_a_picture_of_another_type_is_refused() -> None:
    with pytest.raises(DataError, match="uint8"):
        overlay(GREY.astype(np.float32), spot())  # pyright: ignore[reportArgumentType]


def test_blurring_keeps_the_sum_and_nothing_is_blurred_by_zero() -> None:
    values = np.zeros((41, 41))
    values[20, 20] = 1
    assert blurred(values, 0) is values
    assert blurred(values, 2).sum() == pytest.approx(1)
    assert blurred(values, 2).max() < 0.1


def test_tiles_of_a_mosaic_stand_row_by_row_with_clear_gaps() -> None:
    maps = np.stack([np.full((4, 4), value) for value in (0.0, 1.0, 2.0)])
    sheet = mosaic(maps, np.array([[0, 2]] * 3), columns=2, side=8)
    assert sheet.shape == (8 + 4 + 8, 8 + 4 + 8, 4)
    assert (sheet[2, 2, :3] == colour_table(False)[0]).all()
    assert (sheet[15, 2, :3] == colour_table(False)[-1]).all()
    assert sheet[2, 10, 3] == 0
    assert sheet[15, 15, 3] == 0


def test_a_mosaic_in_a_page_shows_what_was_drawn() -> None:
    sheet = mosaic(np.random.default_rng(0).random((6, 5, 5)), np.array([[0, 1]] * 6), columns=3, side=10)
    uri = mosaic_uri(sheet)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGBA"))
    assert (shown[..., 3] == sheet[..., 3]).all()
    inside = sheet[..., 3] > 0
    assert np.abs(shown[inside].astype(int) - sheet[inside]).mean() < 3


def test_colours_of_a_map_on_its_own_cover_the_table() -> None:
    assert (coloured(np.array([0.0, 1.0])) == colour_table(False)[[0, -1]]).all()
    assert (coloured(np.array([-1.0, 1.0]), signed=True) == colour_table(True)[[0, -1]]).all()
