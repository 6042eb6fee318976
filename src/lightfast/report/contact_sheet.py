"""A contact sheet as one picture file: each cell two pictures beside
each other and lines of text under them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lightfast.base.errors import DataError
from lightfast.base.files import write_bytes
from lightfast.base.png import png
from lightfast.report.page import Tone

SIDE, _GAP, MARGIN, _LINE_HEIGHT, LETTERS = 176, 6, 26, 20, 14
_COLOURS: dict[Tone, str] = {"": "#5d6670", "strong": "#1c2127", "good": "#1d7a4c", "bad": "#bb3326"}
_PAPER, _INK = "#faf8f4", "#1c2127"


@dataclass(frozen=True, eq=False)
class SheetCell:
    """Pictures uint8 (H, W, 3), brought to one size, and lines of text, each with its tone."""

    pictures: tuple[NDArray[np.uint8], ...]
    lines: tuple[tuple[str, Tone], ...]


def write_contact_sheet(
    path: Path, cells: Sequence[SheetCell], title: str, *, columns: int = 3, side: int = SIDE
) -> Path:
    """Write a PNG with the cells in rows of `columns`, atomically, the pictures `side` pixels long;
    raises DataError without cells.
    """
    if not cells:
        raise DataError("a contact sheet", expected="at least one picture", got="none")
    pictures, lines = max(len(cell.pictures) for cell in cells), max(len(cell.lines) for cell in cells)
    columns = min(columns, len(cells))
    wide, tall = pictures * (side + _GAP) - _GAP, side + 8 + lines * _LINE_HEIGHT
    rows = -(-len(cells) // columns)
    top = MARGIN + 34
    sheet = Image.new("RGB", (columns * (wide + MARGIN) + MARGIN, top + rows * (tall + MARGIN)), _PAPER)
    drawing = ImageDraw.Draw(sheet)
    font = _font(18)
    drawing.text(
        (MARGIN, MARGIN - 6), cut_to_width(title, font, sheet.width - 2 * MARGIN), fill=_INK, font=font
    )
    for place, cell in enumerate(cells):
        row, column = divmod(place, columns)
        at = (MARGIN + column * (wide + MARGIN), top + row * (tall + MARGIN), wide)
        _draw(sheet, drawing, cell, at, side)
    return write_bytes(path, png(sheet, optimize=True))


def _draw(
    sheet: Image.Image, drawing: ImageDraw.ImageDraw, cell: SheetCell, place: tuple[int, int, int], side: int
) -> None:
    left, top, width = place
    for number, pixels in enumerate(cell.pictures):
        sheet.paste(_sized(pixels, side), (left + number * (side + _GAP), top))
    _write(drawing, cell.lines, (left, top + side + 6), width)


def _write(
    drawing: ImageDraw.ImageDraw, lines: Sequence[tuple[str, Tone]], place: tuple[int, int], width: int
) -> None:
    """Lines of text one under the other, each cut to `width` pixels."""
    font, (left, top) = _font(LETTERS), place
    for row, (text, tone) in enumerate(lines):
        shown = cut_to_width(text, font, width)
        drawing.text((left, top + row * _LINE_HEIGHT), shown, fill=_COLOURS[tone], font=font)


def _sized(pixels: NDArray[np.uint8], side: int = SIDE) -> Image.Image:
    drawn = Image.fromarray(np.ascontiguousarray(pixels))
    scale = side / max(drawn.size)
    size = (max(1, round(drawn.width * scale)), max(1, round(drawn.height * scale)))
    return drawn.resize(size, Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.LANCZOS)


def cut_to_width(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """The text, shortened until it takes at most `width` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along: it has the letters of most alphabets."""
    from matplotlib import get_data_path

    return ImageFont.truetype(str(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size)


def write_feature_sheet(
    path: Path,
    picture: NDArray[np.uint8],
    lines: Sequence[str],
    mosaics: Sequence[tuple[str, NDArray[np.uint8]]],
) -> Path:
    """Write one picture and what the layers make of it as a PNG, atomically: the picture with its lines, then
    a titled mosaic a layer.

    Args:
        picture: uint8 (H, W, 3).
        lines: what stands beside it, the first in ink.
        mosaics: (title, uint8 (h, w, 4)) from the first layer to the last.
    """
    width = 2 * MARGIN + max([2 * SIDE, *(tiles.shape[1] for _, tiles in mosaics)])
    top = 2 * MARGIN + SIDE
    sheet = Image.new(
        "RGB", (width, top + sum(tiles.shape[0] + _LINE_HEIGHT + MARGIN for _, tiles in mosaics)), _PAPER
    )
    drawing, font = ImageDraw.Draw(sheet), _font(LETTERS)
    sheet.paste(_sized(picture), (MARGIN, MARGIN))
    toned: list[tuple[str, Tone]] = [(line, "" if row else "strong") for row, line in enumerate(lines)]
    _write(drawing, toned, (2 * MARGIN + SIDE, MARGIN), width - 3 * MARGIN - SIDE)
    for title, tiles in mosaics:
        drawing.text((MARGIN, top), title, fill=_INK, font=font)
        colours = Image.fromarray(tiles)
        sheet.paste(colours, (MARGIN, top + _LINE_HEIGHT), colours)
        top += tiles.shape[0] + _LINE_HEIGHT + MARGIN
    return write_bytes(path, png(sheet, optimize=True))
