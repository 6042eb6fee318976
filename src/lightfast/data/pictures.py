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
from lightfast.data.decode import UnreadablePicture, decode_file, probe
from lightfast.data.images import ImageSet
from lightfast.data.loaded import LoadedData, Target, Unreadable

LARGEST_COMMON_SIDE = 96
"""Pixels: mixed sizes are brought to a square of the median shorter side, at most this."""
_ROOM = 4 * 2**30
_CHUNK = 256
T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """One picture file of a source: where it is, what it is called, its label number and its part."""

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

    Raises DataError when nothing can be read, or nothing of one class of the train part.
    """
    with warnings.catch_warnings():
        # Pillow warns about odd metadata and palettes of files that it reads well.
        warnings.simplefilter("ignore")
        shapes = list(_each(probe, entries, "looking", report))
        plan = _plan([shape for shape in shapes if not isinstance(shape, Unreadable)], target, name, shapes)
        images, good, unreadable = _decode(entries, shapes, plan, report)
    _require_every_class(entries, good, class_names, unreadable)
    parts: dict[str, ImageSet | None] = {"train": None, "val": None, "test": None}
    for part in {entry.part for entry in entries}:
        rows = [row for row, index in enumerate(good) if entries[index].part == part]
        kept = [entries[good[row]] for row in rows]
        labels = np.array([entry.label for entry in kept], dtype=np.int64)
        label = f"{name}/{part}" if any(entry.part != "train" for entry in entries) else name
        whole = len(rows) == len(images)
        parts[part] = ImageSet(images=images if whole else images[rows], class_names=class_names, labels=labels,
                               ids=tuple(entry.id for entry in kept), name=label)
    train = parts["train"]
    if train is None:
        raise DataError(f"{name} has no train part", cure="Give the folder of class folders itself.")
    sizes = Counter(f"{shape[0]}x{shape[1]}" for shape in shapes if not isinstance(shape, Unreadable))
    return LoadedData(train=train, test=parts["test"], val=parts["val"], unreadable=unreadable, notes=plan.notes,
                      sizes=dict(sizes.most_common()))


def _each(work: Callable[[Path], T], entries: Sequence[Entry], label: str, report: Reporter) -> Iterator[T | Unreadable]:
    def one(entry: Entry) -> T | Unreadable:
        try:
            return work(entry.path)
        except UnreadablePicture as error:
            return Unreadable(str(entry.path), error.reason)

    # In chunks, so that neither decoded pictures nor a Ctrl-C wait for the whole folder.
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(entries), _CHUNK):
            chunk = entries[start : start + _CHUNK]
            yield from pool.map(one, chunk)
            report(label, start + len(chunk), len(entries))


def _decode(entries: Sequence[Entry], shapes: Sequence[object], plan: _Plan, report: Reporter,
            ) -> tuple[NDArray[np.uint8], list[int], tuple[Unreadable, ...]]:
    """(pictures, their positions in `entries`, what could not be read)."""
    unreadable = [shape for shape in shapes if isinstance(shape, Unreadable)]
    hopeful = [index for index, shape in enumerate(shapes) if not isinstance(shape, Unreadable)]
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


def _plan(shapes: Sequence[tuple[int, int, int]], target: Target, name: str, probed: Sequence[object]) -> _Plan:
    """The size and channels that all pictures get, and what to say about it."""
    if not shapes:
        raise _nothing([shape for shape in probed if isinstance(shape, Unreadable)])
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
        first = next(str(entry.path) for entry in entries if entry.label == label and str(entry.path) in reasons)
        raise DataError(f"class {names[label]!r}: none of its pictures could be read, the first is {first}: {reasons[first]}",
                        cure="Replace the files or remove the class.")
