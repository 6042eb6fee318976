from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from lightfast.report.thumbnails import SIDES, side_within, thumbnail

NOISE = np.random.default_rng(1).integers(0, 256, (200, 100, 3)).astype(np.uint8)


def decoded(picture):
    return Image.open(io.BytesIO(base64.b64decode(picture.uri.partition(",")[2])))


def test_a_small_drawing_keeps_every_pixel():
    pixels = np.zeros((28, 28, 1), np.uint8)
    pixels[5:20, 10:12] = 255
    small = thumbnail(pixels, "98 %", "a line")
    assert small.uri.startswith("data:image/png")
    assert np.array_equal(np.asarray(decoded(small)), pixels[..., 0])
    assert (small.width, small.height, small.caption, small.alt, small.right) == (
        28,
        28,
        "98 %",
        "a line",
        None,
    )


def test_a_large_photograph_is_shrunk_and_takes_the_shorter_form():
    small = thumbnail(NOISE, "", "noise", side=48)
    assert small.uri.startswith("data:image/jpeg")
    assert decoded(small).size == (small.width, small.height) == (24, 48)


def test_the_side_falls_until_all_pictures_fit():
    many = [NOISE] * 100
    sizes = {side: 100 * len(thumbnail(NOISE, "", "", side).uri) for side in SIDES}
    assert side_within(many, sizes[SIDES[0]]) == SIDES[0]
    assert side_within(many, sizes[SIDES[1]]) == SIDES[1]
    assert side_within(many, 1) == SIDES[-1]
    assert side_within([], 1) == SIDES[0]
