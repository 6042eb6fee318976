"""What reading a source gives: the parts of a data set,
with the files that could not be read and the notes for the reader.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from lightfast.base.errors import DataError, UnknownName
from lightfast.data.images import ImageSet
from lightfast.data.mapped import concatenate_rows

Part = Literal["all", "train", "val", "test"]


@dataclass(frozen=True)
class Entry:
    """One picture file of a source: where it is, what it is called, its label number and its part.

    `tags` holds the numbers of all its classes where a picture may have any number of them; `label` is then
    -1. `id` may hold what no text file can (bytes that are not UTF-8); the ImageSet gets it printable.
    """

    path: Path
    id: str
    label: int
    part: str = "train"
    tags: tuple[int, ...] | None = None

    @property
    def classes(self) -> tuple[int, ...]:
        """The numbers of its classes: one, or any number of tags."""
        return (self.label,) if self.tags is None else self.tags


@dataclass(frozen=True)
class Unreadable:
    """One file that could not be read, and why."""

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
    """

    image_size: tuple[int, int] | None = None
    channels: int | None = None
    largest_side: int | None = None

    def __post_init__(self) -> None:
        if self.image_size is not None and (len(self.image_size) != 2 or min(self.image_size) < 1):
            raise DataError(
                "image_size", expected="(height, width), both at least 1 pixel", got=str(self.image_size)
            )
        if self.channels not in (None, 1, 3):
            raise DataError("channels", expected="1 (grey) or 3 (RGB)", got=str(self.channels))
        if self.largest_side is not None and self.largest_side < 1:
            raise DataError("largest_side", expected="at least 1 pixel", got=str(self.largest_side))


@dataclass(frozen=True, eq=False)
class LoadedData:
    """A data set as its source divides it. A source without official parts has everything in `train`.

    Attributes:
        train, test, val: the official parts; all share class names, picture size and channels.
        unreadable: every file that could not be read.
        notes: what was done to the pictures and what was left out, one sentence each.
        sizes: how many files had which size before any resizing, e.g. {"150x150": 2390}.
    """

    train: ImageSet
    test: ImageSet | None = None
    unreadable: tuple[Unreadable, ...] = ()
    notes: tuple[str, ...] = ()
    val: ImageSet | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, ImageSet]:
        """The parts that are there, by name."""
        named = {"train": self.train, "val": self.val, "test": self.test}
        return {name: images for name, images in named.items() if images is not None}

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
    """The rows of several sets one after the other; class names and picture shape must agree."""
    first = sets[0]
    if len(sets) == 1:
        return first
    for other in sets[1:]:
        if other.class_names != first.class_names:
            raise DataError(
                f"{other.name}: class names", expected=str(first.class_names), got=str(other.class_names)
            )
        if other.image_shape != first.image_shape:
            raise DataError(
                f"{other.name}: picture shape", expected=str(first.image_shape), got=str(other.image_shape)
            )
    labelled = all(images.labels is not None for images in sets)
    labels = np.concatenate([images.require_labels() for images in sets]) if labelled else None
    tagged = all(images.tags is not None for images in sets)
    tags = np.concatenate([images.require_tags() for images in sets]) if tagged else None
    grouped = [images.groups for images in sets if images.groups is not None]
    groups = np.concatenate(grouped) if len(grouped) == len(sets) else None
    ids = tuple(one for images in sets for one in images.ids)
    pixels = concatenate_rows([images.images for images in sets])
    name = name or first.name.split("/")[0]
    both = ImageSet(
        images=pixels,
        class_names=first.class_names,
        labels=labels,
        ids=ids,
        name=name,
        tags=tags,
        groups=groups,
    )
    known = [images.known_hashes for images in sets]
    return both.with_hashes(
        None if None in known else [one for hashes in known if hashes is not None for one in hashes]
    )
