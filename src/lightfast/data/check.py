"""What is wrong with a data set, before anything is trained on it."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lightfast.base.progress import Reporter, silent
from lightfast.data.images import ImageSet
from lightfast.data.ingest import read_splits
from lightfast.data.loaded import LoadedData, Unreadable
from lightfast.data.unreadable import printable

FEW = 10
"""A class with fewer pictures than this is warned about: no interval over it says anything."""
UNEVEN = 10
"""A largest class of more than this many times the smallest is warned about."""


@dataclass(frozen=True)
class DataReport:
    """What a data set holds and what is wrong with it.

    Attributes:
        source, version: what was read, and the id of its content.
        n: readable pictures; `parts` says how many a part.
        image_shape: (H, W, C) as read; `sizes` counts the files' own sizes ("HxW").
        classes: pictures a class, all parts together; `smallest_class` is the one with the fewest.
        unreadable: files that could not be read, with the reason; `reasons` counts them by its first words.
        duplicates: groups of ids with the same pixels and the same label.
        conflicts: groups of ids with the same pixels and different labels.
        overlap: how many pictures of train are also in val or test.
        notes, warnings: what was done while reading; what deserves a look.
    """

    source: str
    version: str
    n: int
    parts: Mapping[str, int]
    image_shape: tuple[int, int, int]
    sizes: Mapping[str, int]
    classes: Mapping[str, int]
    smallest_class: str
    unreadable: tuple[Unreadable, ...]
    duplicates: tuple[tuple[str, ...], ...]
    conflicts: tuple[tuple[str, ...], ...]
    overlap: int
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    reasons: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {key: _plain(value) for key, value in dataclasses.asdict(self).items()}


def check(source: str | Path, *, data_folder: Path | None = None, report: Reporter = silent) -> DataReport:
    """Read `source` (see `ingest.read`) and report on it; raises DataError where it cannot be read as a data set at all."""
    loaded = read_splits(source, data_folder=data_folder, report=report)
    return examine(loaded, printable(source))


def examine(loaded: LoadedData, source: str) -> DataReport:
    """The report on data that is already read."""
    everything = loaded.part("all")
    counts = np.bincount(everything.require_labels(), minlength=everything.num_classes)
    classes = {name: int(count) for name, count in zip(everything.class_names, counts, strict=True)}
    duplicates, conflicts = _identical(everything)
    overlap = _overlap(loaded)
    reasons = Counter(one.reason.partition(" (")[0] for one in loaded.unreadable)
    plain = DataReport(
        source=source, version=everything.version, n=len(everything), parts={name: len(images) for name, images in loaded.parts.items()},
        image_shape=everything.image_shape, sizes=dict(loaded.sizes) or {"{}x{}".format(*everything.image_shape[:2]): len(everything)},
        classes=classes, smallest_class=min(classes, key=lambda name: classes[name]), unreadable=loaded.unreadable, duplicates=duplicates,
        conflicts=conflicts, overlap=overlap, notes=loaded.notes, warnings=(),
        reasons=dict(reasons.most_common()))
    return dataclasses.replace(plain, warnings=_warnings(plain))


def _identical(images: ImageSet) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    """(groups of identical pictures with one label, groups with several labels)."""
    labels = images.require_labels()
    groups: dict[str, list[int]] = defaultdict(list)
    for row, content in enumerate(images.content_hashes):
        groups[content].append(row)
    same: list[tuple[str, ...]] = []
    different: list[tuple[str, ...]] = []
    for rows in groups.values():
        if len(rows) > 1:
            (same if len({int(labels[row]) for row in rows}) == 1 else different).append(tuple(images.ids[row] for row in rows))
    return tuple(same), tuple(different)


def _overlap(loaded: LoadedData) -> int:
    held = {content for images in (loaded.val, loaded.test) if images is not None for content in images.content_hashes}
    return sum(content in held for content in loaded.train.content_hashes)


def _warnings(report: DataReport) -> tuple[str, ...]:
    few = [f"{name} ({count})" for name, count in report.classes.items() if count < FEW]
    filled = [count for count in report.classes.values() if count]
    ratio = max(filled) / min(filled)
    extra = sum(len(group) - 1 for group in report.duplicates)
    said = [
        (bool(report.unreadable), f"{len(report.unreadable)} files could not be read"),
        (bool(few), f"classes with fewer than {FEW} pictures: {', '.join(few)}"),
        (ratio > UNEVEN, f"uneven classes: the largest has {ratio:.0f} times the pictures of the smallest"),
        (extra > 0, f"{extra} pictures are exact copies of others of their class"),
        (bool(report.conflicts), f"{len(report.conflicts)} groups of identical pictures have different labels"),
        (report.overlap > 0, f"{report.overlap} training pictures are also in the validation or test part"),
    ]
    return tuple(text for holds, text in said if holds)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value
