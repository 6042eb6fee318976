"""Small views of pictures, kept by content: upright, in sRGB, without metadata."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from lightfast.base.files import write_bytes

THUMBNAIL, VIEW = 256, 1_024
"""Longest sides in pixels: in a grid, and alone."""
_QUALITY = 85
_SMALL = 128
"""Pixels a side up to which nothing visible may be lost: a page shows such pictures many times enlarged."""


def view_path(folder: Path, content: str, side: int) -> Path:
    """Where the view of these pixels at this longest side lies."""
    return folder / content[:2] / f"{content}-{side}.jpg"


def write_view(folder: Path, content: str, pixels: NDArray[np.uint8], side: int) -> Path:
    """Keep a view of uint8 (H, W, C) pixels, at most `side` long; the one that lies there is left alone."""
    path = view_path(folder, content, side)
    if path.is_file():
        return path
    return write_bytes(path, view_bytes(pixels, side))


def view_bytes(pixels: NDArray[np.uint8], side: int) -> bytes:
    """A JPEG of uint8 (H, W, C) pixels, its longest side at most `side`; never enlarged."""
    height, width = pixels.shape[:2]
    factor = min(1.0, side / max(height, width))
    if factor < 1:
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        smaller = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        pixels = np.asarray(smaller, np.uint8).reshape(size[1], size[0], -1)
    kind = "GRAY" if pixels.shape[2] == 1 else "RGB"
    small = max(pixels.shape[:2]) <= _SMALL
    return simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels),
        quality=100 if small else _QUALITY,
        colorspace=kind,
        colorsubsampling="Gray" if kind == "GRAY" else "444" if small else "420",
    )
