"""A map over its picture, coloured: what spoke for a prediction, and with signed maps what spoke against it.

Colours rise evenly to the eye (`inferno`, and for signed maps the diverging `coolwarm` of Moreland 2009), so
that a step of the map looks the same everywhere; a rainbow draws edges that are not there. The map is laid
over a paler picture, the more opaque the larger it is.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.base.png import data_uri, png

SEQUENTIAL, DIVERGING = "inferno", "coolwarm"
CLIPPED = 99.5
"""Percentile of a map that gets the strongest colour: one pixel must not make all others pale."""
MIN_SIDE = 160
"""Smaller pictures are enlarged by a whole factor, or nothing could be seen on them."""
_MOST, _FADED = 0.74, 0.45
# Of inferno the black end would read as a shadow in the picture, the last white as a light.
_LOWEST, _HIGHEST = 0.18, 0.96
# Between the tiles of a mosaic.
_GAP = 4


def overlay(
    picture: NDArray[np.uint8], values: NDArray[np.floating], *, signed: bool = False, blur: float = 0.0
) -> NDArray[np.uint8]:
    """The picture with its map over it.

    Args:
        picture: uint8 (H, W, 1) or (H, W, 3).
        values: finite floats (H, W), larger = more in favour; below 0 only with `signed`: against.
        signed: colour both directions.
        blur: deviation in pixels of a Gaussian over the map before it is drawn: single coloured pixels are
            not seen on a photograph.

    Returns uint8 (H·k, W·k, 3), k a whole factor that brings the longer side to at least MIN_SIDE. A map
    without any positive value (signed: of zeros) leaves the paled picture. Raises DataError for other shapes,
    NaN or infinity.
    """
    pixels = rgb(picture)
    strength = normalised_map(blurred(values, blur), signed=signed)
    if strength.shape != pixels.shape[:2]:
        raise DataError(
            "a map over a picture", expected=f"the picture's size {pixels.shape[:2]}", got=str(strength.shape)
        )
    pale = _faded(pixels)
    colours = coloured(strength, signed=signed).astype(np.float32)
    alpha = (_MOST * np.sqrt(np.abs(strength)))[..., None]
    return enlarged(np.rint(alpha * colours + (1 - alpha) * pale).astype(np.uint8))


def normalised_map(values: NDArray[np.floating], *, signed: bool = False) -> NDArray[np.float32]:
    """A map float (H, W) brought to 0..1, signed to −1..1: its 99.5th percentile
    (of the absolute values) is the largest, 0 stays 0.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 2 or not np.isfinite(numbers).all():
        got = f"shape {numbers.shape}" if numbers.ndim != 2 else "NaN or infinity"
        raise DataError("a map to draw", expected="finite numbers (H, W)", got=got)
    sizes = np.abs(numbers) if signed else np.clip(numbers, 0, None)
    largest = float(np.percentile(sizes, CLIPPED)) or float(sizes.max())
    if largest <= 0:
        return np.zeros(numbers.shape, dtype=np.float32)
    return np.clip(numbers / largest, -1 if signed else 0, 1).astype(np.float32)


def blurred(values: NDArray[np.floating], sigma: float) -> NDArray[np.floating]:
    """A map float (H, W) under a Gaussian of `sigma` pixels; as it is for 0."""
    if sigma <= 0:
        return values
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(np.asarray(values, dtype=np.float64), sigma)


def coloured(strength: NDArray[np.floating], *, signed: bool = False) -> NDArray[np.uint8]:
    """0..1 (signed: −1..1) of any shape → uint8 (..., 3); None of it is transparent: a map on its own,
    a difference.
    """
    share = (np.asarray(strength) + 1) / 2 if signed else strength
    rows = np.clip(np.rint(255 * np.asarray(share)), 0, 255).astype(np.intp)
    return colour_table(signed)[rows]


@cache
def colour_table(signed: bool) -> NDArray[np.uint8]:
    """The 256 colours from little to much (signed: from against to in favour), uint8 (256, 3)."""
    from matplotlib import colormaps

    places = np.linspace(0, 1, 256) if signed else np.linspace(_LOWEST, _HIGHEST, 256)
    table = np.rint(255 * colormaps[DIVERGING if signed else SEQUENTIAL](places)[:, :3]).astype(np.uint8)
    table.flags.writeable = False
    return table


def enlarged(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture whose longer side is at least MIN_SIDE: every pixel becomes a square of whole pixels."""
    factor = -(-MIN_SIDE // max(image.shape[:2]))
    return image if factor <= 1 else image.repeat(factor, axis=0).repeat(factor, axis=1)


def rgb(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 (H, W, 1) or (H, W, 3) → uint8 (H, W, 3)."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[-1] not in (1, 3):
        raise DataError(
            "a picture under a map",
            expected="uint8 (H, W, 1) or (H, W, 3)",
            got=f"{picture.dtype} {picture.shape}",
        )
    return np.broadcast_to(picture, (*picture.shape[:2], 3))


def _faded(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The picture with less colour of its own, so that the map's can be told from it."""
    colour = pixels.astype(np.float32)
    grey = colour @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return ((1 - _FADED) * grey[..., None] + _FADED * colour).astype(np.float32, copy=False)


def mosaic_uri(tiles: NDArray[np.uint8]) -> str:
    """A mosaic uint8 (h, w, 4) as a PNG data URI of at most 256 colours: maps have no more."""
    from PIL import Image

    few = Image.fromarray(tiles).quantize(256, method=Image.Quantize.FASTOCTREE)
    return data_uri(png(few, optimize=True))


def mosaic(
    maps: NDArray[np.floating], ranges: NDArray[np.floating], *, columns: int, side: int
) -> NDArray[np.uint8]:
    """Maps beside each other as one picture, for the channels of a layer.

    Args:
        maps: float (K, h, w).
        ranges: float (K, 2): the values that get the first and the last colour of each.
        columns: maps in a row.
        side: pixels of a tile's longer side, at least; tiles are enlarged by whole factors or shrunk by
            averaging.

    Returns uint8 (rows·tile height + gaps, columns·tile width + gaps, 4), transparent between the tiles.
    """
    count, height, width = maps.shape
    low, high = ranges[:, 0, None, None], ranges[:, 1, None, None]
    spread = np.where(high > low, high - low, 1)
    tiles = [_tile(coloured(one), side) for one in np.clip((maps - low) / spread, 0, 1)]
    tall, wide = tiles[0].shape[:2] if tiles else (height, width)
    rows = -(-count // columns)
    sheet = np.zeros((rows * (tall + _GAP) - _GAP, columns * (wide + _GAP) - _GAP, 4), dtype=np.uint8)
    for place, tile in enumerate(tiles):
        top, left = place // columns * (tall + _GAP), place % columns * (wide + _GAP)
        sheet[top : top + tall, left : left + wide, :3] = tile
        sheet[top : top + tall, left : left + wide, 3] = 255
    return sheet


def _tile(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    from PIL import Image

    height, width = image.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(image).resize(size, how))
