"""The map of pictures in a page: points to pan and zoom, small pictures in sheets, all in the one file."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lightfast.base.errors import DataError
from lightfast.base.png import data_uri

NO_CLUSTER = 65_535
"""What stands for "none" among the 16-bit numbers of clusters and labels."""
TILE_BUDGET = 24 * 2**20
"""Bytes that the small pictures of a page may take."""
_COLUMNS = 32
_SIDES = ((1_500, 96), (8_000, 48), (np.inf, 32))
_QUALITY = 72


@dataclass(frozen=True, eq=False)
class PictureMap:
    """An interactive map. `data` is what `map.js.jinja` reads, as `map_data` makes it."""

    data: Mapping[str, Any]
    caption: str = ""

    @property
    def json(self) -> str:
        """The data as JSON that no browser takes for markup."""
        return json.dumps(self.data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def packed(values: NDArray[Any], kind: str = "<u2") -> str:
    """Numbers as base64 of their bytes, little end first."""
    return b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()


def packed_places(coordinates: NDArray[np.floating]) -> str:
    """Coordinates float (N, 2), the second one growing upwards, as 16-bit numbers in a square that keeps
    their proportions.

    Raises DataError for another shape and for numbers that are not finite.
    """
    points = np.asarray(coordinates, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise DataError("coordinates of a map", expected="finite numbers of shape (N, 2)", got=points.shape)
    if not len(points):
        return ""
    low, high = points.min(axis=0), points.max(axis=0)
    widest = float((high - low).max())
    inside = (points - (low + high) / 2) / (widest or 1.0) * [1, -1] + 0.5
    return packed(np.clip(np.round(inside * 65_535), 0, 65_535))


def tile_sheets(images: NDArray[np.uint8], budget: int = TILE_BUDGET) -> dict[str, Any]:
    """Small pictures in JPEG sheets of 32 × 32, as the map reads them.

    Where all of them would take more than `budget` bytes, an even spread of them is kept, and `of` says
    which tile belongs to which row.

    Args:
        images: uint8 (N, H, W, 1 or 3).
        budget: bytes of all sheets.

    Returns: `width` and `height` of a tile, `columns` (and lines) of a sheet, `sheets` (data URIs), `held`
    (how many rows have a tile), `of` (base64 of uint32 (N,), 4,294,967,295 for none; None: row n is tile n).
    """
    n, height, width = images.shape[:3]
    side = next(side for most, side in _SIDES if n <= most)
    shrink = min(1.0, side / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    tiles: dict[str, Any] = {"width": size[0], "height": size[1], "columns": _COLUMNS}
    rows = np.arange(n)
    if n:
        spread = rows[np.unique(np.linspace(0, n - 1, min(n, _COLUMNS**2)).astype(int))]
        each = len(_sheet(images, spread, size)) / len(spread)
        rows = rows[np.unique(np.linspace(0, n - 1, min(n, max(1, int(budget / each)))).astype(int))]
    sheets = [
        _sheet(images, rows[start : start + _COLUMNS**2], size) for start in range(0, len(rows), _COLUMNS**2)
    ]
    tiles |= {"sheets": [data_uri(sheet, "jpeg") for sheet in sheets], "held": len(rows), "of": None}
    if len(rows) < n:
        of = np.full(n, 2**32 - 1, dtype=np.uint32)
        of[rows] = np.arange(len(rows))
        tiles["of"] = packed(of, "<u4")
    return tiles


def _sheet(images: NDArray[np.uint8], rows: NDArray[np.int64], size: tuple[int, int]) -> bytes:
    """The pictures at `rows` as one JPEG, line by line."""
    width, height = size
    lines = -(-len(rows) // _COLUMNS)
    grey = images.shape[-1] == 1
    sheet = Image.new("L" if grey else "RGB", (_COLUMNS * width, lines * height))
    for place, row in enumerate(rows):
        pixels = np.ascontiguousarray(images[row][..., 0] if grey else images[row])
        small = Image.fromarray(pixels).resize(size, Image.Resampling.BOX)
        sheet.paste(small, (place % _COLUMNS * width, place // _COLUMNS * height))
    stream = io.BytesIO()
    sheet.save(stream, format="JPEG", quality=_QUALITY, subsampling=0)
    return stream.getvalue()
