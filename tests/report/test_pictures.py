from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from lightfast.base.errors import DataError
from lightfast.base.randomness import generator
from lightfast.report.page import PictureRow, QueuedPicture
from lightfast.report.pictures import picture, picture_grid, queue


def decoded(uri):
    assert uri.startswith("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1]))))


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1), (32, 20, 3)])
def test_the_png_holds_the_same_pixels(shape):
    image = generator(0, "picture").integers(0, 256, size=shape, dtype=np.uint8)
    assert np.array_equal(decoded(picture(image).uri), image.squeeze())


def test_a_large_picture_is_shrunk_in_proportion():
    shown = picture(np.zeros((400, 100, 3), np.uint8))
    assert (shown.height, shown.width) == (192, 48)
    assert decoded(shown.uri).shape == (192, 48, 3)


@pytest.mark.parametrize(
    "image",
    [np.zeros((8, 8)), np.zeros((8, 8, 2), np.uint8), np.zeros((0, 8), np.uint8), np.zeros(8, np.uint8)],
)
def test_what_is_no_picture_is_refused(image):
    with pytest.raises(DataError, match="uint8"):
        picture(image)


def test_a_row_needs_one_picture_a_column():
    row = PictureRow((picture(np.zeros((8, 8), np.uint8)),), title="fog")
    with pytest.raises(DataError, match=r"'fog': expected 2 pictures \(degraded, clean\), got 1"):
        picture_grid([row], ("degraded", "clean"))


def test_the_queue_shows_the_least_confident_first_and_counts_the_rest():
    dot = picture(np.zeros((8, 8), np.uint8))
    block = queue(
        [
            QueuedPicture(dot, str(k), "7", confidence, "unsure")
            for k, confidence in enumerate([0.6, 0.2, 0.4])
        ],
        show=2,
    )
    assert [row.confidence for row in block.rows] == [0.2, 0.4]
    assert block.total == 3
