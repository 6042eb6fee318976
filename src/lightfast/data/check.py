"""What is wrong with a data set, before anything is trained on it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from lightfast.base.errors import DataError
from lightfast.base.progress import Reporter, silent
from lightfast.data.dataset import ImageSpec, LoadedData, TableOptions, Unreadable
from lightfast.data.decode.examined import DamageChoice
from lightfast.data.decode.unreadable import printable
from lightfast.data.duplicates.search import NearDuplicates, with_near_groups
from lightfast.data.ingest import load_splits
from lightfast.data.lists.layout import NoClassFolders
from lightfast.data.lists.listing import load_unlabelled
from lightfast.data.splits import split_loaded
from lightfast.data.trainable import check_trainable

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
        classes: pictures a class or tag, all parts together; `smallest_class` is the one with the fewest, ""
            without classes.
        unreadable: files that could not be read, with the reason; `reasons` counts them by its first words.
        duplicates: groups of ids with the same pixels and the same label (or tags).
        conflicts: groups of ids with the same pixels and different labels (or tags).
        overlap: how many pictures of train are also in val or test.
        near_duplicates: groups of ids that show the same picture with small changes, the same label (or tags)
            on all of them; of exact copies the first.
        near_conflicts: such groups with different labels (or tags).
        near_overlap: how many pictures of train have a near duplicate, but no exact copy, in val or test.
        near_not_searched: why near duplicates were not searched, or "": pictures that are not from picture
            files (`.npz`, the catalogue's digit sets), below 32 pixels a side, or above 200,000.
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
    near_duplicates: tuple[tuple[str, ...], ...] = ()
    near_conflicts: tuple[tuple[str, ...], ...] = ()
    near_overlap: int = 0
    near_not_searched: str = ""


def check(
    source: str | Path,
    *,
    damaged: DamageChoice = "refuse",
    tables: TableOptions | None = None,
    data_folder: Path | None = None,
    report: Reporter = silent,
) -> DataReport:
    """Read `source` (see `ingest.load_images`) and report on it, `damaged` as in `ImageSpec`; a folder of
    pictures that says nothing of classes is read without labels, and a warning says so.

    Raises DataError where it cannot be read as a data set at all.
    """
    spec = ImageSpec(damaged=damaged, lost="keep")
    try:
        loaded = load_splits(source, spec, data_folder=data_folder, report=report, tables=tables)
    except NoClassFolders as error:
        found = examine(load_unlabelled([str(source)], spec, report), printable(source), report)
        refused = f"no labels, train refuses it: {error}"
        return replace(found, warnings=(refused, *found.warnings))
    return examine(loaded, printable(source), report)


def examine(loaded: LoadedData, source: str, report: Reporter = silent) -> DataReport:
    """The report on data that is already read."""
    shape = loaded.train.image_shape
    count = sum(map(len, loaded.parts.values()))
    classes = _counts(loaded)
    labels = _labels(loaded)
    ids = tuple(one for images in loaded.parts.values() for one in images.ids)
    contents = [one for images in loaded.parts.values() for one in images.content_hashes]
    copies: dict[str, list[int]] = defaultdict(list)
    for row, content in enumerate(contents):
        copies[content].append(row)
    duplicates, conflicts = _divided([rows for rows in copies.values() if len(rows) > 1], labels, ids)
    grouped, found = with_near_groups(loaded, report=report)
    first = {rows[0] for rows in copies.values()}
    near, near_conflicts = _divided(found.groups, labels, ids, first)
    reasons = Counter(one.reason.partition(" (")[0] for one in loaded.unreadable)
    plain = DataReport(
        source=source,
        version=loaded.part("all").version,
        n=count,
        parts={name: len(images) for name, images in loaded.parts.items()},
        image_shape=shape,
        sizes=dict(loaded.sizes) or {"{}x{}".format(*shape[:2]): count},
        classes=classes,
        smallest_class=min(classes, key=lambda name: classes[name], default=""),
        unreadable=loaded.unreadable,
        duplicates=duplicates,
        conflicts=conflicts,
        overlap=_overlap(loaded),
        notes=(*loaded.notes, *found.notes),
        warnings=(),
        reasons=dict(reasons.most_common()),
        near_duplicates=near,
        near_conflicts=near_conflicts,
        near_overlap=_near_overlap(loaded, contents, found),
        near_not_searched=found.not_searched,
    )
    more, refused = _trained(grouped)
    return replace(plain, notes=(*plain.notes, *more), warnings=(*refused, *_warnings(plain)))


def _trained(loaded: LoadedData) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(what `train` would note when it divides the pictures, why it would refuse them): nothing of pictures
    without labels.
    """
    if loaded.train.labels is None and loaded.train.tags is None:
        return (), ()
    try:
        splits = split_loaded(loaded)
        check_trainable(splits.train)
    except DataError as error:
        return (), (*_only_elsewhere(loaded), f"train refuses it: {error}")
    return tuple(f"train: {note}" for note in splits.notes), ()


def _only_elsewhere(loaded: LoadedData) -> tuple[str, ...]:
    """Classes of which another part has pictures and train none; tags aside."""
    if loaded.train.labels is None:
        return ()
    absent = set(loaded.train.absent_classes)
    held = {
        part: [name for name in images.class_names if name in absent - set(images.absent_classes)]
        for part, images in loaded.parts.items()
    }
    return tuple(
        f"only the {part} part has pictures of: {', '.join(names)}" for part, names in held.items() if names
    )


def _counts(loaded: LoadedData) -> dict[str, int]:
    """Pictures a class or tag, all parts together; nothing without labels."""
    counts = np.zeros(loaded.train.num_classes, dtype=np.int64)
    for images in loaded.parts.values():
        if images.tags is not None:
            counts += images.tags.sum(axis=0)
        elif images.labels is not None:
            counts += np.bincount(images.labels, minlength=images.num_classes)
        else:
            return {}
    return {name: int(count) for name, count in zip(loaded.train.class_names, counts, strict=True)}


def _labels(loaded: LoadedData) -> list[object]:
    """What is said of every picture: its label number, its row of tags, or None."""
    found: list[object] = []
    for images in loaded.parts.values():
        if images.tags is not None:
            found += [row.tobytes() for row in images.tags]
        else:
            found += [None] * len(images) if images.labels is None else images.labels.tolist()
    return found


Groups = tuple[tuple[str, ...], ...]


def _divided(
    groups: Iterable[Sequence[int]],
    labels: Sequence[object],
    ids: Sequence[str],
    named: Set[int] | None = None,
) -> tuple[Groups, Groups]:
    """(groups of ids with one label, groups with several); `named` limits which rows are listed,
    not which are compared.
    """
    same: list[tuple[str, ...]] = []
    different: list[tuple[str, ...]] = []
    for rows in groups:
        listed = tuple(ids[row] for row in rows if named is None or row in named)
        (same if len({labels[row] for row in rows}) == 1 else different).append(listed)
    return tuple(same), tuple(different)


def _near_overlap(loaded: LoadedData, contents: Sequence[str], found: NearDuplicates) -> int:
    """Training pictures with a near duplicate, but no exact copy, in another part
    (the train part has the first rows).
    """
    trained = len(loaded.train)
    held = set(contents[trained:])
    return sum(
        row < trained and contents[row] not in held
        for group in found.groups
        if max(group) >= trained
        for row in group
    )


def _overlap(loaded: LoadedData) -> int:
    held = {
        one for images in loaded.parts.values() if images is not loaded.train for one in images.content_hashes
    }
    return sum(content in held for content in loaded.train.content_hashes)


def _warnings(report: DataReport) -> tuple[str, ...]:
    few = [f"{name} ({count})" for name, count in report.classes.items() if count < FEW]
    lost = [name for name, count in report.classes.items() if not count]
    filled = [count for count in report.classes.values() if count]
    ratio = max(filled) / min(filled) if filled else 1.0
    near = (*report.near_duplicates, *report.near_conflicts)
    extra = sum(len(group) - 1 for group in report.duplicates)
    said = [
        (bool(report.unreadable), f"{len(report.unreadable)} files could not be read"),
        (bool(lost), f"classes of which no picture can be read: {', '.join(lost)}"),
        (bool(few), f"classes with fewer than {FEW} pictures: {', '.join(few)}"),
        (ratio > UNEVEN, f"uneven classes: the largest has {ratio:.0f} times the pictures of the smallest"),
        (extra > 0, f"{extra} pictures are exact copies of others of their class"),
        (
            bool(report.conflicts),
            f"{len(report.conflicts)} groups of identical pictures have different labels",
        ),
        (report.overlap > 0, f"{report.overlap} training pictures are also in the validation or test part"),
        (bool(near), f"{len(near)} groups of near duplicates hold {sum(map(len, near))} pictures"),
        (
            bool(report.near_conflicts),
            f"{len(report.near_conflicts)} groups of near duplicates have different labels",
        ),
        (
            report.near_overlap > 0,
            f"{report.near_overlap} training pictures have a near duplicate in the validation or test part",
        ),
    ]
    return tuple(text for holds, text in said if holds)
