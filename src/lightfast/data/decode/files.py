"""ReadPicture files to rows of one array: what their headers say, the common size that follows,
and the decoding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.base.progress import Reporter
from lightfast.data.dataset import Entry, ImageSpec, Unreadable
from lightfast.data.decode.decode import Header, ReadPicture, load_header, read_picture
from lightfast.data.decode.examined import DamageChoice
from lightfast.data.decode.stream import map_in_order, or_unreadable
from lightfast.data.decode.unreadable import printable
from lightfast.data.images import content_hash

LARGEST_MIXED_SIDE = 96
"""Pixels: mixed sizes are brought to a square of the median shorter side, at most this
(`ImageSpec.largest_side` says another).
"""
_ROOM = 4 * 2**30
_EVERY = 256
Shape = tuple[int, int, int]
_T = TypeVar("_T")


@dataclass(frozen=True)
class ImageFormat:
    """The size and channels that all pictures get, what to say about it, what becomes of damaged files."""

    image_size: tuple[int, int]
    channels: int
    notes: tuple[str, ...] = ()
    damaged: DamageChoice = "refuse"

    @property
    def shape(self) -> Shape:
        """(H, W, C) of every picture."""
        return (*self.image_size, self.channels)


@dataclass(frozen=True)
class Headers:
    """What the headers of files say, by the position of the file, rising: what a file holds, or why it cannot
    be read.
    """

    readable: Mapping[int, Header]
    unreadable: Mapping[int, str]

    @property
    def shapes(self) -> Counter[Shape]:
        """How many files announce which (H, W, C), in the order of their first."""
        return Counter(one.shape for one in self.readable.values())


@dataclass(frozen=True, eq=False)
class Decoded:
    """What reading many files gave.

    Attributes:
        images: uint8 (N, H, W, C), in memory or a MappedArray.
        good: N positions among the entries, rising.
        unreadable: {position: reason} of the others.
        shapes: how many files announce which (H, W, C).
        sizes: {"HxW": how many of the N}, before any resizing.
        more: how many of the N files hold more than was read: {"animation": 3, "pages": 1}.
        remarks: of how many of the N files a key of `REMARKS` is to be said.
        hashes: content hashes of the N where they are known.
    """

    images: NDArray[np.uint8]
    good: tuple[int, ...]
    unreadable: Mapping[int, str]
    shapes: Counter[Shape]
    sizes: Counter[str]
    more: Counter[str]
    remarks: Counter[str]
    hashes: tuple[str, ...] | None = None

    def list_unreadable(self, entries: Sequence[Entry]) -> tuple[Unreadable, ...]:
        """The unreadable files by name, sorted."""
        return tuple(sorted(_named(entries, self.unreadable)))


def load_headers(entries: Sequence[Entry], report: Reporter) -> Headers:
    """The headers of all files. Raises DataError when none can be read."""

    found = map_in_order(lambda entry: or_unreadable(load_header, entry.path), entries)
    readable, unreadable = dict[int, Header](), dict[int, str]()
    for index, one in enumerate(_counted(found, "looking", len(entries), report)):
        if isinstance(one, Unreadable):
            unreadable[index] = one.reason
        else:
            readable[index] = one
    if not readable:
        raise no_readable_file(_named(entries, unreadable))
    return Headers(readable, unreadable)


def decode_files(
    entries: Sequence[Entry],
    headers: Headers,
    common: ImageFormat,
    report: Reporter,
    add: Callable[[NDArray[np.uint8]], object],
    *,
    hashed: bool,
) -> Decoded:
    """Every file whose header could be read as `common` says, one after the other to `add`;
    what is returned still lacks the images.

    Raises DataError when no file can be read, and what `add` raises.
    """

    def work(path: Path) -> tuple[ReadPicture, str]:
        picture = read_picture(path, common.image_size, common.channels, common.damaged)
        return picture, content_hash(picture.pixels) if hashed else ""

    unreadable, good, remarks = dict(headers.unreadable), dict[int, str](), Counter[str]()
    results = map_in_order(lambda index: or_unreadable(work, entries[index].path), headers.readable)
    results = _counted(results, "reading", len(headers.readable), report)
    for index, one in zip(headers.readable, results, strict=True):
        if isinstance(one, Unreadable):
            unreadable[index] = one.reason
        else:
            add(one[0].pixels)
            remarks.update(one[0].remarks)
            good[index] = one[1]
    if not good:
        raise no_readable_file(_named(entries, dict(sorted(unreadable.items()))))
    kept = [headers.readable[index] for index in good]
    return Decoded(
        np.empty((0, *common.shape), np.uint8),
        tuple(good),
        unreadable,
        headers.shapes,
        Counter("{}x{}".format(*one.shape[:2]) for one in kept),
        Counter(one.more for one in kept if one.more),
        remarks,
        tuple(good.values()) if hashed else None,
    )


def _named(entries: Sequence[Entry], unreadable: Mapping[int, str]) -> list[Unreadable]:
    return [Unreadable(printable(entries[at].path), reason) for at, reason in unreadable.items()]


def _counted(results: Iterator[_T], label: str, total: int, report: Reporter) -> Iterator[_T]:
    for done, result in enumerate(results, start=1):
        yield result
        if done % _EVERY == 0 or done == total:
            report(label, done, total)


def no_readable_file(unreadable: Sequence[Unreadable]) -> DataError:
    """The error of a source of which no file can be read."""
    first = unreadable[0]
    also = " `damaged=read` reads what can be decoded." if first.reason.startswith("damaged") else ""
    return DataError(
        f"none of the {len(unreadable)} files could be read, the first is {first.path}: {first.reason}",
        cure=f"Check that they are whole picture files that you may read.{also}",
    )


def common_format(shapes: Counter[Shape], target: ImageSpec, name: str) -> ImageFormat:
    """The size and channels of all pictures of files of these shapes."""
    total, sizes, planes = shapes.total(), Counter[tuple[int, int]](), Counter[int]()
    for shape, count in shapes.items():
        sizes[shape[:2]] += count
        planes[shape[2]] += count
    channels = target.channels or max(planes)
    notes: list[str] = []
    if target.channels is None and len(planes) > 1:
        notes.append(f"{planes[1]} of {total} pictures are grey, the others coloured: all made RGB")
    if target.image_size is not None:
        size, changed = target.image_size, total - sizes[target.image_size]
        if changed:
            notes.append(f"{changed} of {total} pictures {_resized(size)}")
        return ImageFormat(size, channels, tuple(notes), target.damaged)
    why = _why_another_size(sizes, total * channels, target, name)
    if not why:
        return ImageFormat(next(iter(sizes)), channels, tuple(notes), target.damaged)
    shorter = float(np.median(np.repeat([min(size) for size in sizes], list(sizes.values()))))
    side = max(1, min(target.largest_side or LARGEST_MIXED_SIDE, round(shorter)))
    note = f"{why}: {_resized((side, side))}; give `image_size` to choose another"
    return ImageFormat((side, side), channels, (note, *notes), target.damaged)


def _resized(size: tuple[int, int]) -> str:
    return f"resized to {size[0]}x{size[1]} (shorter side scaled, centre cropped)"


def _why_another_size(sizes: Counter[tuple[int, int]], planes: int, target: ImageSpec, name: str) -> str:
    """Why the pictures cannot keep their size, or ""."""
    height, width = next(iter(sizes))
    pictures, largest = f"{sizes.total()} pictures of {height}x{width}", target.largest_side
    if len(sizes) > 1:
        return f"sizes differ ({len(sizes)} sizes among {sizes.total()} pictures of {name})"
    if largest is None:
        return f"{pictures} would not fit in memory" if planes * height * width > _ROOM else ""
    larger = min(height, width) > largest or max(height, width) > 2 * largest
    return f"{pictures} are larger than {largest}x{largest}" if larger else ""
