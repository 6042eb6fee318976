"""Small pictures inside a page: PNG data URIs, and the grid of degraded, restored and clean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lightfast.base.errors import DataError
from lightfast.base.png import data_uri, png
from lightfast.report.page import Picture, PictureGrid, PictureRow, Queue, QueuedPicture

# Larger pictures are shrunk, so that a report with a hundred of them still opens at once.
MAX_SIDE = 192


def picture(image: NDArray[np.uint8], caption: str = "", right: bool | None = None, alt: str = "") -> Picture:
    """A picture for a grid or a queue, its longer side at most MAX_SIDE pixels.

    Args:
        image: uint8 (H, W), (H, W, 1) or (H, W, 3).
        caption: what stands under it, e.g. the prediction and its confidence.
        right: whether the prediction is the given label; None when that is not known.
        alt: the picture in words; the caption when empty.
    """
    drawn = Image.fromarray(np.ascontiguousarray(_checked(image)))
    if max(drawn.size) > MAX_SIDE:
        drawn.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    return Picture(data_uri(png(drawn, optimize=True)), *drawn.size, caption, right, alt or caption)


def picture_grid(rows: Sequence[PictureRow], columns: Sequence[str], caption: str = "") -> PictureGrid:
    """A grid block; raises DataError when a row has not one picture a column."""
    for row in rows:
        if len(row.pictures) != len(columns):
            raise DataError(
                f"picture row {row.title!r}",
                expected=f"{len(columns)} pictures ({', '.join(columns)})",
                got=str(len(row.pictures)),
            )
    return PictureGrid(tuple(columns), tuple(rows), caption)


def queue(
    rows: Sequence[QueuedPicture], total: int | None = None, caption: str = "", show: int = 24
) -> Queue:
    """The review queue, least confident first; at most `show` rows are set into the page."""
    ordered = sorted(rows, key=lambda row: row.confidence)
    return Queue(tuple(ordered[:show]), len(rows) if total is None else total, caption)


def _checked(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    pixels = np.asarray(image)
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if (
        pixels.dtype != np.uint8
        or pixels.ndim not in (2, 3)
        or pixels.shape[2:] not in ((), (3,))
        or not pixels.size
    ):
        raise DataError(
            "picture for a page",
            expected="uint8 (H, W), (H, W, 1) or (H, W, 3)",
            got=f"{pixels.dtype} {np.shape(image)}",
        )
    return pixels
