"""Ink against pixel loops, scipy and `skimage.feature.canny`."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy import ndimage
from skimage import feature

from lightfast.corrupt import ink
from lightfast.corrupt.edges import canny
from lightfast.corrupt.ink import Edges, Pen, Spatter, Stripe
from lightfast.corrupt.water import splash

RNG = np.random.default_rng(0)
BLACK = np.zeros((60, 28, 28, 1), np.float32)


def line(c0: float, r0: float, c1: float, r1: float) -> np.ndarray:
    """MNIST-C's line on a 28-pixel picture, pixel by pixel."""
    drawn = np.zeros((28, 28))
    for column in range(int(np.floor(c0)), min(int(np.ceil(c1)), 28)):
        for row in range(28):
            distance = abs(row - (r0 + (r1 - r0) / (c1 - c0) * (column - c0)))
            drawn[row, column] = max(np.log(1 - distance / 2.3) + 1, 0) if distance < 2.2999 else 0
    return drawn


def test_stripe_inverts_the_outer_quarters(digit_floats):
    striped = ink.stripe(digit_floats, Stripe(7 / 28), RNG)
    assert striped[:, :, :7] == pytest.approx(1 - digit_floats[:, :, :7])
    assert striped[:, :, 21:] == pytest.approx(1 - digit_floats[:, :, 21:])
    assert (striped[:, :, 7:21] == digit_floats[:, :, 7:21]).all()


def test_strokes_are_the_published_line():
    for r0, r1 in np.random.default_rng(1).integers(0, 27, (40, 2)):
        ours = ink._strokes((1, 28, 28), np.array([[0, 27]], np.float32), np.array([[r0, r1]], np.float32))[0]
        assert ours == pytest.approx(line(0, r0, 27, r1), abs=1e-5)


def test_dotted_line_shows_every_second_pair_of_columns():
    drawn = ink.dotted_line(BLACK, Pen(1.0, 1), np.random.default_rng(0))[..., 0]
    shown = drawn.max(axis=(0, 1)) > 0.5
    assert np.flatnonzero(shown).tolist() == [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26]


def test_zigzag_is_the_published_polyline():
    starts = np.arange(27)
    ends = starts + np.resize(np.arange(-5, 5), 27)
    columns, rows = ink._zigzag_corners(starts, ends)
    drawn = ink._strokes((27, 28, 28), columns, rows)
    for c, r, picture in zip(columns, rows, drawn, strict=True):
        assert picture == pytest.approx(sum(line(c[k], r[k], c[k + 1], r[k + 1]) for k in range(7)), abs=1e-4)


def test_zigzag_corners_are_the_published_ones():
    (columns,), (rows,) = ink._zigzag_corners(np.array([10]), np.array([13]))
    angle = np.arctan(3 / 23)
    length = 23 / np.cos(angle)
    corners = [
        (0, 0),
        (2, 2),
        (6, -2),
        (10, 2),
        (14, -2),
        (18, 2),
        (22, -2),
        (length, -2 / (2 * (length - 20))),
    ]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    expected = turn @ np.array(corners).T + np.array([[2], [10]])
    assert np.stack([columns, rows]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("draw", [ink.dotted_line, ink.zigzag])
def test_pens_differ_in_opacity_and_in_number(draw):
    faint, full, three = (
        draw(BLACK, pen, np.random.default_rng(0)) for pen in (Pen(0.5, 1), Pen(1.0, 1), Pen(1.0, 3))
    )
    assert faint.mean() == pytest.approx(full.mean() / 2, rel=0.1)
    assert three.mean() == pytest.approx(full.mean() * 2.7, rel=0.15)


@pytest.mark.parametrize("draw", [ink.dotted_line, ink.zigzag])
def test_lines_scale_with_the_picture(draw):
    small = draw(BLACK[:4], Pen(1.0, 1), np.random.default_rng(0))[..., 0]
    large = draw(np.zeros((4, 112, 112, 1), np.float32), Pen(1.0, 1), np.random.default_rng(0))[..., 0]
    shrunk = np.stack([cv2.resize(picture, (28, 28), interpolation=cv2.INTER_AREA) for picture in large])
    assert np.abs(shrunk - small).mean() < 0.02


def test_mud_follows_the_published_steps(digit_floats):
    rule = Spatter(0.65, 0.3, 1, 0.65, 0.65, 1.5, True)
    muddy = ink.spatter(digit_floats, rule, np.random.default_rng(4))
    noise = np.random.default_rng(4).standard_normal(digit_floats.shape, dtype=np.float32)
    for picture, layer, ours in zip(digit_floats[..., 0], noise[..., 0], muddy[..., 0], strict=True):
        liquid = ndimage.gaussian_filter(layer * 0.3 + 0.65, 1, mode="nearest")
        mask = ndimage.gaussian_filter((liquid > 0.65).astype(float), 1.5, mode="nearest")
        mask[mask < 0.8] = 0
        # A threshold may fall on the other side for a pixel by rounding.
        assert np.mean(np.abs(picture * (1 - mask) + 63 / 255 * mask - ours) < 1e-3) > 0.99


def test_mud_is_brown_on_colour():
    white = np.ones((30, 32, 32, 3), np.float32)
    muddy = ink.spatter(white, Spatter(0.65, 0.3, 1, 0.65, 0.65, 1.5, True), np.random.default_rng(0))
    darkest = muddy.reshape(-1, 3)[muddy.sum(axis=-1).argmin()]
    assert darkest == pytest.approx(np.array([63, 42, 20]) / 255, abs=0.01)


def test_water_is_turquoise_light_up_to_its_strength():
    layer = np.random.default_rng(0).normal(0.65, 0.1, (6, 64, 64, 1)).astype(np.float32)
    layer = ndimage.gaussian_filter(layer, (0, 2, 2, 0)) * 4 - 1.95
    light = splash(layer, 0.68, 0.6)
    assert light.min() >= 0
    assert light.max(axis=(1, 2)) == pytest.approx(
        np.tile(0.6 * np.array([175, 238, 238]) / 255, (6, 1)), abs=1e-4
    )
    assert not light[(layer < 0.68)[..., 0]].any()


def test_canny_is_skimages(digit_floats, photo_floats):
    for pictures in (digit_floats[..., 0], photo_floats.mean(axis=-1)):
        expected = np.stack([feature.canny(picture.astype(float)) for picture in pictures])
        assert (canny(pictures) == expected).mean() > 0.999
        assert expected.mean() > 0.02


def test_edges_blend_with_the_picture(digit_floats):
    whole, half = (ink.canny_edges(digit_floats, Edges(blend), RNG) for blend in (1.0, 0.5))
    assert set(np.unique(np.round(whole, 5))) == {0, 1}
    assert half == pytest.approx((digit_floats + whole) / 2, abs=1e-6)
