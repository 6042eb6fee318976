"""Many picture files to one data set: a common size and colour, and the broken ones by name."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.base.progress import Reporter, silent
from lightfast.data.decode import Header, UnreadablePicture, decode_file, header
from lightfast.data.images import ImageSet
from lightfast.data.loaded import LoadedData, Target, Unreadable
from lightfast.data.unreadable import printable

LARGEST_COMMON_SIDE = 96
"""Pixels: mixed sizes are brought to a square of the median shorter side, at most this."""
_ROOM = 4 * 2**30
_CHUNK = 256
T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """One picture file of a source: where it is, what it is called, its label number and its part.

    `id` may hold what no text file can (bytes that are not UTF-8); the ImageSet gets it printable.
    """

    path: Path
    id: str
    label: int
    part: str = "train"


@dataclass(frozen=True)
class _Plan:
    image_size: tuple[int, int]
    channels: int
    notes: tuple[str, ...]


def assemble(name: str, entries: Sequence[Entry], class_names: tuple[str, ...], target: Target, report: Reporter = silent) -> LoadedData:
    """Read every file of `entries` into one LoadedData; files that cannot be read are listed in it, never replaced.

    Ids and class names are made printable. Raises DataError when nothing can be read, nothing of one class of the train part or nothing
    of another part, or when another part has a class that the train part has not.
    """
    name, class_names = printable(name), tuple(map(printable, class_names))
    _require_known(entries, class_names, name)
    with warnings.catch_warnings():
        # Pillow warns about odd metadata and palettes of files that it reads well.
        warnings.simplefilter("ignore")
        headers = list(_each(header, entries, "looking", report))
        plan = _plan([one.shape for one in headers if isinstance(one, Header)], target, name, headers)
        images, good, unreadable = _decode(entries, headers, plan, report)
    _require_every_class(entries, good, class_names, unreadable)
    _require_every_part(entries, good, name, unreadable)
    parts: dict[str, ImageSet | None] = {"train": None, "val": None, "test": None}
    for part in {entry.part for entry in entries}:
        rows = [row for row, index in enumerate(good) if entries[index].part == part]
        kept = [entries[good[row]] for row in rows]
        labels = np.array([entry.label for entry in kept], dtype=np.int64)
        label = f"{name}/{part}" if any(entry.part != "train" for entry in entries) else name
        whole = len(rows) == len(images)
        parts[part] = ImageSet(images=images if whole else images[rows], class_names=class_names, labels=labels,
                               ids=tuple(printable(entry.id) for entry in kept), name=label)
    train = parts["train"]
    if train is None:
        raise DataError(f"{name} has no train part", cure="Give the folder of class folders itself.")
    read = [one for index in good if isinstance(one := headers[index], Header)]
    sizes = Counter("{}x{}".format(*one.shape[:2]) for one in read)
    return LoadedData(train=train, test=parts["test"], val=parts["val"], unreadable=unreadable, notes=(*plan.notes, *_first_frames(read)),
                      sizes=dict(sizes.most_common()))


def _first_frames(read: Sequence[Header]) -> tuple[str, ...]:
    more = Counter(one.more for one in read)
    said = [(more["animation"], "animations gave their first frame"), (more["pages"], "files of several pages gave their first page")]
    return tuple(f"{count} {what}" for count, what in said if count)


def _each(work: Callable[[Path], T], entries: Sequence[Entry], label: str, report: Reporter) -> Iterator[T | Unreadable]:
    def one(entry: Entry) -> T | Unreadable:
        try:
            return work(entry.path)
        except UnreadablePicture as error:
            return Unreadable(error.path, error.reason)

    # In chunks, so that neither decoded pictures nor a Ctrl-C wait for the whole folder.
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(entries), _CHUNK):
            chunk = entries[start : start + _CHUNK]
            yield from pool.map(one, chunk)
            report(label, start + len(chunk), len(entries))


def _decode(entries: Sequence[Entry], headers: Sequence[object], plan: _Plan, report: Reporter,
            ) -> tuple[NDArray[np.uint8], list[int], tuple[Unreadable, ...]]:
    """(pictures, their positions in `entries`, what could not be read)."""
    unreadable = [one for one in headers if isinstance(one, Unreadable)]
    hopeful = [index for index, one in enumerate(headers) if not isinstance(one, Unreadable)]
    images = np.empty((len(hopeful), *plan.image_size, plan.channels), dtype=np.uint8)
    good: list[int] = []
    decode = partial(decode_file, image_size=plan.image_size, channels=plan.channels)
    decoded = _each(decode, [entries[index] for index in hopeful], "reading", report)
    for index, picture in zip(hopeful, decoded, strict=True):
        if isinstance(picture, Unreadable):
            unreadable.append(picture)
        else:
            images[len(good)] = picture
            good.append(index)
    if not good:
        raise _nothing(unreadable)
    return images[: len(good)], good, tuple(sorted(unreadable, key=lambda one: one.path))


def _nothing(unreadable: Sequence[Unreadable]) -> DataError:
    first = unreadable[0]
    return DataError(f"none of the {len(unreadable)} files could be read, the first is {first.path}: {first.reason}",
                     cure="Check that they are whole picture files that you may read.")


def _plan(shapes: Sequence[tuple[int, int, int]], target: Target, name: str, headers: Sequence[object]) -> _Plan:
    """The size and channels that all pictures get, and what to say about it."""
    if not shapes:
        raise _nothing([one for one in headers if isinstance(one, Unreadable)])
    notes: list[str] = []
    sizes = Counter(shape[:2] for shape in shapes)
    grey = sum(shape[2] == 1 for shape in shapes)
    channels = target.channels or (1 if grey == len(shapes) else 3)
    if target.channels is None and 0 < grey < len(shapes):
        notes.append(f"{grey} of {len(shapes)} pictures are grey, the others coloured: all made RGB")
    if target.image_size is not None:
        height, width = target.image_size
        changed = len(shapes) - sizes[target.image_size]
        if changed:
            notes.append(f"{changed} of {len(shapes)} pictures resized to {height}x{width} (shorter side scaled, centre cropped)")
        return _Plan(target.image_size, channels, tuple(notes))
    (height, width), _ = sizes.most_common(1)[0]
    too_large = len(shapes) * height * width * channels > _ROOM
    if len(sizes) == 1 and not too_large:
        return _Plan((height, width), channels, tuple(notes))
    side = max(1, min(LARGEST_COMMON_SIDE, round(float(np.median([min(shape[:2]) for shape in shapes])))))
    why = f"sizes differ ({len(sizes)} sizes among {len(shapes)} pictures of {name})" if len(sizes) > 1 else \
        f"{len(shapes)} pictures of {height}x{width} would not fit in memory"
    notes.insert(0, f"{why}: resized to {side}x{side} (shorter side scaled, centre cropped); give image_size to choose another")
    return _Plan((side, side), channels, tuple(notes))


def _require_every_class(entries: Sequence[Entry], good: Sequence[int], names: tuple[str, ...], unreadable: Sequence[Unreadable]) -> None:
    wanted = {entry.label for entry in entries if entry.part == "train"}
    readable = {entries[index].label for index in good if entries[index].part == "train"}
    for label in sorted(wanted - readable):
        reasons = {one.path: one.reason for one in unreadable}
        paths = (printable(entry.path) for entry in entries if entry.label == label and entry.part == "train")
        first = next(path for path in paths if path in reasons)
        raise DataError(f"class {names[label]!r}: none of its pictures could be read, the first is {first}: {reasons[first]}",
                        cure="Replace the files or remove the class.")


def _require_every_part(entries: Sequence[Entry], good: Sequence[int], name: str, unreadable: Sequence[Unreadable]) -> None:
    """A validation or test part of nothing but broken files would otherwise be an empty one."""
    lost = {entry.part for entry in entries} - {entries[index].part for index in good}
    for part in sorted(lost):
        paths = {printable(entry.path) for entry in entries if entry.part == part}
        first = next(one for one in unreadable if one.path in paths)
        raise DataError(f"{name}: none of the pictures of the {part} part could be read, the first is {first.path}: {first.reason}",
                        cure="Replace the files or remove the part.")


def _require_known(entries: Sequence[Entry], class_names: tuple[str, ...], name: str) -> None:
    """The train part alone decides the classes: a label that only another part has could never be learned."""
    known = {entry.label for entry in entries if entry.part == "train"}
    unknown = next((entry for entry in entries if entry.label not in known), None)
    if known and unknown is not None:
        raise DataError(f"{name}: class {class_names[unknown.label]!r} of the {unknown.part} part is not among the training classes",
                        cure=f"Add training pictures of it, or remove it from {unknown.part}.")
