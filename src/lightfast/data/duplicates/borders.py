"""The part of a picture inside a plain border: a frame, the bars of a letterbox."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lightfast.data.duplicates.hashes import THUMBNAIL_SIDE, Window

_PLAIN = 10
"""Levels of 0..255 between which the pixels of a plain line lie, and by which it may differ from the edge."""
_LEAST = 0.5
"""A border that leaves less of a side is none: a drawing on paper, goods on white."""


def inside_border(thumb: NDArray[np.uint8]) -> Window | None:
    """What a plain border takes of a grey thumbnail (64, 64): shares of the (left, top, right, bottom);
    None where there is none.

    A border is made of lines of one colour at an edge. Lines are taken away at all edges in turn until
    none is plain, each edge with a colour of its own; the line behind the last one, where border and picture
    mix, goes too.
    """
    pixels = thumb.astype(np.int16)
    kept = [0, 0, THUMBNAIL_SIDE, THUMBNAIL_SIDE]
    while True:
        before = list(kept)
        for axis in (0, 1):
            inner = pixels[kept[1] : kept[3], kept[0] : kept[2]]
            low, high = inner.min(axis=1 - axis), inner.max(axis=1 - axis)
            start, end = _plain_lines(low, high), _plain_lines(low[::-1], high[::-1])
            kept[1 - axis] += start
            kept[3 - axis] -= end
            if kept[3 - axis] - kept[1 - axis] < _LEAST * THUMBNAIL_SIDE:
                return None
        if kept == before:
            break
    if kept == [0, 0, THUMBNAIL_SIDE, THUMBNAIL_SIDE]:
        return None
    left, top, right, bottom = kept[0], kept[1], THUMBNAIL_SIDE - kept[2], THUMBNAIL_SIDE - kept[3]
    return (left / THUMBNAIL_SIDE, top / THUMBNAIL_SIDE, right / THUMBNAIL_SIDE, bottom / THUMBNAIL_SIDE)


def _plain_lines(low: NDArray[np.int16], high: NDArray[np.int16]) -> int:
    """How many lines from the first on are plain and of its colour, and the mixed one behind them."""
    plain = (high - low <= _PLAIN) & (np.abs(low - low[0]) <= _PLAIN)
    if plain.all():
        return len(plain)
    count = int(plain.argmin())
    return count + 1 if count else 0
