"""The contact sheet of `predict --objects`: pictures with their boxes and tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lightfast.base.plain import FLAT, HIDDEN
from lightfast.data.dataset import Unreadable
from lightfast.report.contact_sheet import SheetCell, cut_to_width, write_contact_sheet
from lightfast.report.tables import percent
from lightfast.tagging.objects import Objects

SHOWN = 48
"""So many pictures stand on the sheet, the rest only in the file."""
CELL = 380
_FONT = 15
# Told apart by lightness as well as by hue.
_COLOURS = (
    (11, 99, 117),
    (197, 84, 24),
    (96, 52, 145),
    (24, 128, 72),
    (178, 24, 72),
    (132, 104, 0),
    (40, 76, 190),
    (90, 90, 90),
)


@dataclass(frozen=True, eq=False)
class PictureObjects:
    """What was found in one picture file; `image` uint8 (H, W, 3) where it is drawn."""

    path: str
    found: Objects = field(metadata=FLAT)
    image: NDArray[np.uint8] | None = field(default=None, metadata=HIDDEN)

    @property
    def tags(self) -> str:
        """The tags in words, the most probable first."""
        shares = self.found.tags.items()
        return ", ".join(f"{label} {percent(share, 0)}" for label, share in shares) or "no tag"


@dataclass(frozen=True, eq=False)
class ObjectsResult:
    """What `predict` found of several objects a picture: no data set, so without the envelope of one.

    Attributes:
        run: whose tags they are.
        pictures: one a readable file.
        unreadable: every other file, with the reason.
        notes: what was done on the way, one sentence each.
        sheet: the drawn pictures, where a folder was to be written.
    """

    run: str
    pictures: tuple[PictureObjects, ...]
    unreadable: tuple[Unreadable, ...]
    notes: tuple[str, ...]
    sheet: Path | None
    JSON_PROPERTIES: ClassVar = ("n",)

    @property
    def n(self) -> int:
        """Pictures that were read."""
        return len(self.pictures)


def write_objects_sheet(path: Path, shown: Sequence[PictureObjects]) -> Path:
    """A PNG with the pictures in rows of up to three, boxes and labels drawn on them,
    the tags of the whole picture beneath.
    """
    cells = [
        SheetCell((np.asarray(drawn_objects(one.image, one.found)),), ((one.path, ""), (one.tags, "strong")))
        for one in shown
        if one.image is not None
    ]
    return write_contact_sheet(path, cells, f"{len(cells)} pictures", side=CELL)


def drawn_objects(image: NDArray[np.uint8], found: Objects, side: int = CELL) -> Image.Image:
    """A picture, its longer side `side` pixels, with a box and a label an object;
    the most probable on top.
    """
    scale = side / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    drawn = Image.fromarray(image).resize(size, Image.Resampling.LANCZOS)
    pen, font = ImageDraw.Draw(drawn), ImageFont.load_default(_FONT)
    names = list(dict.fromkeys(found.labels))
    rows = list(zip(found.labels, found.probabilities, found.boxes * scale, strict=True))
    for label, probability, (left, top, right, bottom) in reversed(rows):
        colour = _COLOURS[names.index(label) % len(_COLOURS)]
        pen.rectangle(
            (left, top, max(left, min(right, size[0]) - 1), max(top, min(bottom, size[1]) - 1)),
            outline=colour,
            width=3,
        )
        text = cut_to_width(f"{label} {percent(probability, 0)}", font, side)
        wide = pen.textlength(text, font=font) + 8
        left = min(left, max(0, size[0] - wide))
        top = top - 20 if top >= 20 else min(top, max(0, size[1] - 20))
        pen.rectangle((left, top, left + wide, top + 19), fill=colour)
        pen.text((left + 4, top + 1), text, fill=(255, 255, 255), font=font)
    return drawn
