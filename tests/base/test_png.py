from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from lightfast.base.png import data_uri, png


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4)])
def test_the_file_holds_the_same_pixels(shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    decoded = np.asarray(Image.open(io.BytesIO(png(picture))))
    assert np.array_equal(decoded, picture.squeeze())


def test_an_optimised_file_is_no_larger() -> None:
    picture = np.zeros((64, 64, 3), dtype=np.uint8)
    assert len(png(picture, optimize=True)) <= len(png(picture))


def test_the_text_holds_the_bytes() -> None:
    head, _, body = data_uri(b"abc", "jpeg").partition(",")
    assert (head, base64.b64decode(body)) == ("data:image/jpeg;base64", b"abc")
