"""Strokes as pictures, white on black, framed and penned as the bitmaps of Quick, Draw! are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.data.dataset import ImageSpec, LoadedData
from lightfast.data.images import ImageSet
from lightfast.data.strokes import Drawing, StrokeSet

PAINTED_SIDE = 28
_BOX, _PEN, _PADDING = 256, 16, 16
_WHOLE = _BOX + 2 * _PADDING + _PEN
# Pixels a side, about, that the ink is painted with before it is averaged down. At 28 pixels they are ten
# times as many: a pen of 14.7, painted 15 wide, since OpenCV's lines are an odd number wide.
_PAINTED = 280
# Fractions of a pixel that OpenCV takes coordinates in, as a power of two.
_SHIFT = 4


def framed(drawing: Drawing) -> Drawing:
    """The drawing moved and scaled so that its longer side spans 0..255 and the shorter lies in the middle.

    Only what is there decides, so that the frame of a part knows nothing of what is still to come.
    """
    points = np.concatenate(drawing)
    low, high = points.min(axis=0), points.max(axis=0)
    extent = float((high - low).max())
    scale = 255.0 / extent if extent > 0 else 0.0
    offset = (255.0 - (high - low) * scale) / 2
    return tuple(((stroke - low) * scale + offset).astype(np.float32) for stroke in drawing)


def stroke_picture(drawing: Drawing, side: int = PAINTED_SIDE) -> NDArray[np.uint8]:
    """uint8 (side, side): white ink on black, the drawing `framed` in 256 units of 304, the pen 16 of them
    wide with round ends, averaged down.

    Google's bitmaps were painted by cairo from the same strokes; the difference is in docs/data.md.
    """
    # Every verb passes by here, few have strokes.
    import cv2

    if side < 8:
        raise DataError("side of a picture of strokes", expected="at least 8 pixels", got=side)
    up = max(1, round(_PAINTED / side))
    scale = side * up / _WHOLE
    width = max(1, 2 * round((_PEN * scale - 1) / 2))
    canvas = np.zeros((side * up, side * up), dtype=np.uint8)
    for stroke in framed(drawing):
        places = (stroke + (_WHOLE - _BOX) / 2 + 0.5) * scale - 0.5
        line = np.rint(places * 2**_SHIFT).astype(np.int32)
        if len(line) == 1:
            line = np.repeat(line, 2, axis=0)
        cv2.polylines(canvas, [line], False, (255,), width, cv2.LINE_8, _SHIFT)
    return np.asarray(cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def draw_strokes(strokes: StrokeSet, side: int = PAINTED_SIDE) -> ImageSet:
    """A picture of every drawing, uint8 (N, side, side, 1); labels and ids travel along."""
    pictures = np.empty((len(strokes), side, side, 1), dtype=np.uint8)
    for row, drawing in enumerate(strokes.drawings):
        pictures[row, ..., 0] = stroke_picture(drawing, side)
    return ImageSet(pictures, strokes.class_names, strokes.labels, strokes.ids, strokes.name)


def load_drawn(strokes: StrokeSet, target: ImageSpec) -> LoadedData:
    """Drawings as a data set of pictures of the wanted size (28 × 28 where none is) and channels."""
    height, width = target.image_size or (PAINTED_SIDE, PAINTED_SIDE)
    if height != width:
        raise DataError(f"{strokes.name}: strokes", expected="a square picture", got=f"{height} × {width}")
    images = draw_strokes(strokes, height)
    if target.channels == 3:
        pixels = np.repeat(images.images, 3, axis=3)
        images = ImageSet(pixels, images.class_names, images.labels, images.ids, images.name)
    said = f"{len(images):,} drawings were painted from their strokes, {height} × {width}, white on black"
    return LoadedData(images, notes=(said,))
