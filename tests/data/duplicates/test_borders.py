"""Plain borders: found where there are some, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.data.duplicates.borders import inside_border
from lightfast.data.duplicates.hashes import THUMBNAIL_SIDE

PICTURE = np.random.default_rng(0).integers(0, 256, (THUMBNAIL_SIDE, THUMBNAIL_SIDE)).astype(np.uint8)


def bordered(left: int, top: int, right: int, bottom: int, colour: int = 0) -> np.ndarray:
    """The picture with lines of noise around `colour` over its edges."""
    noise = np.random.default_rng(1).integers(0, 3, PICTURE.shape)
    framed = np.clip(colour + noise, 0, 255).astype(np.uint8)
    inner = np.s_[top : THUMBNAIL_SIDE - bottom, left : THUMBNAIL_SIDE - right]
    framed[inner] = PICTURE[inner]
    return framed


@pytest.mark.parametrize("lines", [(6, 6, 6, 6), (0, 9, 0, 9), (12, 0, 12, 0), (0, 0, 0, 5), (3, 8, 4, 2)])
@pytest.mark.parametrize("colour", [0, 128, 250])
def test_a_border_is_taken_away_with_the_line_behind_it(lines: tuple[int, ...], colour: int):
    found = inside_border(bordered(*lines, colour=colour))
    assert found == tuple((line + 1) / THUMBNAIL_SIDE if line else 0 for line in lines)


def test_a_frame_in_a_frame_is_taken_away():
    framed = bordered(8, 8, 8, 8, colour=200)
    framed[:4] = framed[-4:] = 10
    framed[:, :4] = framed[:, -4:] = 10
    found = inside_border(framed)
    assert found is not None
    assert all(8 / 64 <= share <= 11 / 64 for share in found)


def test_a_picture_without_a_border_has_none():
    assert inside_border(PICTURE) is None


@pytest.mark.parametrize("lines", [(0, 0, 0, 0), (20, 20, 20, 20), (40, 0, 0, 0)])
def test_goods_on_white_and_plain_pictures_have_no_border(lines: tuple[int, ...]):
    picture = bordered(*lines, colour=250) if any(lines) else np.full_like(PICTURE, 250)
    assert inside_border(picture) is None
