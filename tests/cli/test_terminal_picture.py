from __future__ import annotations

import re

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.cli.terminal_picture import resized_within, terminal_picture

CELL = re.compile(r"\x1b\[38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m▀")


def drawn(text):
    """The pixels that a text of half blocks shows, (h, w, 3)."""
    rows = []
    for line in text.split("\n"):
        cells = np.array([list(map(int, found)) for found in CELL.findall(line)])
        assert line == "".join(found.group() for found in CELL.finditer(line)) + "\x1b[0m"
        rows += [cells[:, :3], cells[:, 3:]]
    return np.stack(rows)


def test_half_blocks_show_every_pixel_in_its_colour():
    image = np.random.default_rng(0).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    assert np.array_equal(drawn(terminal_picture(image, columns=6, lines=4)), image)


def test_a_small_grey_picture_is_enlarged_by_a_whole_factor():
    image = np.random.default_rng(0).integers(0, 256, (28, 28, 1), dtype=np.uint8)
    shown = drawn(terminal_picture(image, columns=64, lines=32))
    assert np.array_equal(shown, image.repeat(2, axis=0).repeat(2, axis=1).repeat(3, axis=2))


def test_a_large_picture_is_averaged_over_areas_into_the_room_there_is():
    image = np.random.default_rng(0).integers(0, 256, (120, 200, 3), dtype=np.uint8)
    shown = resized_within(image, 50, 64)
    assert shown.shape == (30, 50, 3)
    blocks = image.reshape(30, 4, 50, 4, 3).mean(axis=(1, 3))
    assert np.abs(shown - blocks).max() <= 1


@pytest.mark.parametrize(
    ("shape", "columns", "lines"),
    [((100, 10, 3), 64, 20), ((3, 300, 1), 40, 32), ((1, 1, 1), 64, 9), ((7, 5), 5, 9)],
)
def test_the_text_stays_within_its_room(shape, columns, lines):
    shown = drawn(terminal_picture(np.full(shape, 9, np.uint8), columns=columns, lines=lines))
    assert shown.shape[1] <= columns
    assert shown.shape[0] <= 2 * lines


def test_without_colour_there_is_no_escape_code_and_light_is_dense():
    image = np.zeros((4, 4, 1), np.uint8)
    image[:, 2:] = 255
    assert terminal_picture(image, columns=4, lines=2, colour=False) == "  @@\n  @@"


def test_what_is_no_picture_is_refused():
    with pytest.raises(DataError, match="uint8"):
        terminal_picture(np.zeros((4, 4), np.float32))
