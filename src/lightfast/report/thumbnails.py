"""Hundreds of pictures on one page: each as small in bytes as it needs to be,
all together within a budget.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lightfast.base.png import data_uri, png
from lightfast.report.page import Picture

SIDES = (128, 96, 72, 48)
"""Longest sides in pixels, the wanted one first:
the first that keeps all pictures within the budget is taken.
"""
_SAMPLE = 12
_QUALITY = 85


def thumbnail(image: NDArray[np.uint8], caption: str, alt: str, side: int = SIDES[0]) -> Picture:
    """A uint8 picture (H, W, 1) or (H, W, 3), its longer side at most `side` pixels: JPEG when it had to be
    shrunk, else JPEG or PNG, whichever is smaller.
    """
    pixels = image[..., 0] if image.shape[-1] == 1 else image
    drawn = Image.fromarray(np.ascontiguousarray(pixels))
    kinds = ("png", "jpeg")
    if max(drawn.size) > side:
        drawn.thumbnail((side, side), Image.Resampling.LANCZOS)
        kinds = ("jpeg",)
    kind, content = min(((kind, _bytes(drawn, kind)) for kind in kinds), key=lambda entry: len(entry[1]))
    return Picture(data_uri(content, kind), drawn.width, drawn.height, caption, None, alt)


def side_within(images: Sequence[NDArray[np.uint8]], budget: int) -> int:
    """The largest of `SIDES` at which the pictures take at most `budget` bytes of page,
    judged from an even sample of them.
    """
    if not images:
        return SIDES[0]
    places = np.unique(np.linspace(0, len(images) - 1, min(_SAMPLE, len(images))).astype(int))
    for side in SIDES[:-1]:
        mean = float(np.mean([len(thumbnail(images[place], "", "", side).uri) for place in places]))
        if mean * len(images) <= budget:
            return side
    return SIDES[-1]


def _bytes(drawn: Image.Image, kind: str) -> bytes:
    if kind == "png":
        return png(drawn, optimize=True)
    stream = io.BytesIO()
    drawn.save(stream, format="JPEG", optimize=True, quality=_QUALITY)
    return stream.getvalue()
