"""What reading a source gives: the parts of a data set,
with the files that could not be read and the notes for the reader.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError, UnknownName
from lightfast.data.images import ROW_FIELDS, ImageSet
from lightfast.data.mapped import concatenate_rows
from lightfast.data.ruled_out import RuledOut

Part = Literal["all", "train", "val", "test"]
PART_ORDER = ("train", "val", "test")


@dataclass(frozen=True)
class Address:
    """Where a picture file is that who reads it has to fetch.

    Attributes:
        url: as `data.sources.remote.open_location` takes it.
        state: what a listing said of it (size, time, tag); "" where none did.
        sha256: hex, of the file that is meant; "" where any is.
    """

    url: str
    state: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Entry:
    """One picture file of a source: where it is, what it is called, its label number and its part.

    `tags` holds the numbers of all its classes where a picture may have any number of them; `label` is then
    -1. `id` may hold what no text file can (bytes that are not UTF-8); the ImageSet gets it printable. With
    an `address` the file is not at `path` yet: see `data.sources.later`.
    """

    path: Path
    id: str
    label: int
    part: str = "train"
    tags: tuple[int, ...] | None = None
    address: Address | None = None

    @property
    def classes(self) -> tuple[int, ...]:
        """The numbers of its classes: one, or any number of tags."""
        return (self.label,) if self.tags is None else self.tags


@dataclass(frozen=True, order=True)
class Unreadable:
    """One file that could not be read, and why; sorted by path."""

    path: str
    reason: str


@dataclass(frozen=True)
class ImageSpec:
    """What every picture is made into while it is read.

    Attributes:
        image_size: (H, W) in pixels, or None to keep the size that all have (mixed sizes get a common one,
            and a note).
        channels: 1 (grey), 3 (RGB), or None to keep what is there (mixed sets become RGB, and a note).
        largest_side: pixels, without `image_size`: mixed sizes are brought to a square of the median shorter
            side, at most this; so is one common size that is larger (shorter side above it, or longer side
            above twice it). None: mixed sizes to at most 96, and one common size is kept as long as all
            pictures fit in memory.
        damaged: "refuse" lists files with damaged pixels as unreadable; "read" reads them as far as they go,
            and a note counts them.
        lost: a class of which no picture can be read: "refuse" raises DataError, "keep" leaves it without
            pictures (for looking at a data set, not for learning from it).
    """

    image_size: tuple[int, int] | None = None
    channels: int | None = None
    largest_side: int | None = None
    damaged: Literal["refuse", "read"] = "refuse"
    lost: Literal["refuse", "keep"] = "refuse"

    def __post_init__(self) -> None:
        if self.image_size is not None and (len(self.image_size) != 2 or min(self.image_size) < 1):
            expected = "(height, width), both at least 1 pixel"
            raise DataError("image_size", expected=expected, got=self.image_size)
        if self.channels not in (None, 1, 3):
            raise DataError("channels", expected="1 (grey) or 3 (RGB)", got=self.channels)
        if self.largest_side is not None and self.largest_side < 1:
            raise DataError("largest_side", expected="at least 1 pixel", got=self.largest_side)


@dataclass(frozen=True)
class TableOptions:
    """How tables of pictures are read where they do not say it themselves.

    Attributes:
        root: the folder that relative paths start at, and below which moved ones are looked for; None = the
            folder of the table.
        label_separator: divides several labels in one cell of the column `label`: comma, semicolon, bar,
        space or
            any sign; "none": each cell is one label, whatever it holds; None: as well, unless the cells look
            like several.
    """

    root: Path | None = None
    label_separator: str | None = None


@dataclass(frozen=True, eq=False)
class LoadedData:
    """A data set as its source divides it. A source without official parts has everything in `train`.

    Attributes:
        train, test, val: the official parts; all share class names, picture size and channels.
        unreadable: every file that could not be read.
        notes: what was done to the pictures and what was left out, one sentence each.
        sizes: how many files had which size before any resizing, e.g. {"150x150": 2390}.
        ruled_out: pictures beside the parts, of the same size, of which is only known what they are not.
    """

    train: ImageSet
    test: ImageSet | None = None
    unreadable: tuple[Unreadable, ...] = ()
    notes: tuple[str, ...] = ()
    val: ImageSet | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    ruled_out: RuledOut | None = None

    @property
    def parts(self) -> dict[str, ImageSet]:
        """The parts that are there, by name."""
        return {name: images for name in PART_ORDER if (images := getattr(self, name)) is not None}

    def part(self, name: Part = "all") -> ImageSet:
        """One part, or all of them one after the other (train, val, test)."""
        if name == "all":
            return concatenate(list(self.parts.values()))
        if name not in get_args(Part):
            raise UnknownName("part", name, get_args(Part))
        if name not in self.parts:
            raise DataError(
                f"{self.train.name} has no official {name} part",
                cure=f"It has: {', '.join(self.parts)}; or split it.",
            )
        return self.parts[name]


def concatenate(sets: Sequence[ImageSet], name: str | None = None) -> ImageSet:
    """The rows of several sets one after the other; class names and picture shape must agree.

    Labels, tags, groups and known hashes are kept where all sets have them.
    """
    first = sets[0]
    if len(sets) == 1:
        return first
    for other in sets[1:]:
        _require_alike(first, other)
    hashes: list[Any] = [images.known_hashes for images in sets]
    return ImageSet(
        concatenate_rows([images.images for images in sets]),
        first.class_names,
        ids=tuple(one for images in sets for one in images.ids),
        name=name or first.name.split("/")[0],
        **{column: _joined([getattr(images, column) for images in sets]) for column in ROW_FIELDS},
    ).with_hashes(None if None in hashes else list(chain.from_iterable(hashes)))


def _require_alike(first: ImageSet, other: ImageSet) -> None:
    for what, expected, got in (
        ("class names", first.class_names, other.class_names),
        ("picture shape", first.image_shape, other.image_shape),
    ):
        if got != expected:
            raise DataError(f"{other.name}: {what}", expected=expected, got=got)


def _joined(parts: Sequence[NDArray[Any] | None]) -> Any:
    there = [part for part in parts if part is not None]
    return np.concatenate(there) if len(there) == len(parts) else None
