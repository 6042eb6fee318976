"""Many picture files to one data set: a common size and colour, one label a picture or any number,
and the broken ones by name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from lightfast.base.errors import DataError
from lightfast.base.progress import Reporter, silent
from lightfast.data.dataset import PART_ORDER, Entry, ImageSpec, LoadedData
from lightfast.data.decode.cache import load_files
from lightfast.data.decode.examined import damage_note, remark_notes
from lightfast.data.decode.files import Decoded
from lightfast.data.decode.unreadable import printable
from lightfast.data.images import ImageSet

_FIRST = {
    "animation": "animations gave their first frame",
    "pages": "files of several pages gave their first page",
}


def assemble(
    name: str,
    entries: Sequence[Entry],
    class_names: tuple[str, ...],
    target: ImageSpec,
    report: Reporter = silent,
) -> LoadedData:
    """Read every file of `entries` into one LoadedData; files that cannot be read are listed in it, never
    replaced.

    Entries with `tags` give sets with tags and without labels. Ids and class names are made printable. Large
    sets are kept decoded between starts (see `cache`), and those above 1 GB stay on the disk. Raises
    DataError when nothing can be read, nothing of one class of the train part or nothing of another part,
    when another part has a class that the train part has not, or when some entries have tags and others one
    label; StorageError when a large set finds no place on any disk.
    """
    name, class_names = printable(name), tuple(map(printable, class_names))
    _require_one_kind(entries, name)
    _require_known(entries, class_names, name)
    # One part after the other, so that each is a range of rows and need not be copied.
    entries = sorted(entries, key=lambda entry: PART_ORDER.index(entry.part))
    decoded, notes = load_files(entries, target, name, report)
    _require_readable(entries, decoded, class_names if target.lost == "refuse" else (), name)
    several = any(entry.part != "train" for entry in entries)
    parts: dict[str, Any] = {
        part: _part(
            decoded,
            entries,
            part,
            ImageSet(decoded.images[:0], class_names, name=f"{name}/{part}" if several else name),
        )
        for part in {entry.part for entry in entries}
    }
    if "train" not in parts:
        raise DataError(f"{name} has no train part", cure="Give the folder of class folders itself.")
    return LoadedData(
        **parts,
        unreadable=decoded.list_unreadable(entries),
        notes=(
            *notes,
            *(f"{decoded.more[kind]} {said}" for kind, said in _FIRST.items() if decoded.more[kind]),
            *remark_notes(decoded.remarks),
            *damage_note(decoded.unreadable.values()),
        ),
        sizes=dict(decoded.sizes.most_common()),
    )


def _part(decoded: Decoded, entries: Sequence[Entry], part: str, empty: ImageSet) -> ImageSet:
    """The rows of one part, under the name and class names of `empty`."""
    rows = [row for row, index in enumerate(decoded.good) if entries[index].part == part]
    kept = [entries[decoded.good[row]] for row in rows]
    first, end = rows[0], rows[-1] + 1
    images = decoded.images if end - first == len(decoded.images) else decoded.images[first:end]
    new = dataclasses.replace(empty, images=images, ids=tuple(printable(entry.id) for entry in kept))
    if kept[0].tags is None:
        new = dataclasses.replace(new, labels=np.array([entry.label for entry in kept], dtype=np.int64))
    else:
        tags = np.zeros((len(kept), len(empty.class_names)), dtype=np.bool_)
        for row, entry in enumerate(kept):
            tags[row, list(entry.classes)] = True
        new = dataclasses.replace(new, tags=tags)
    return new.with_hashes(None if decoded.hashes is None else decoded.hashes[first:end])


def _require_readable(
    entries: Sequence[Entry], decoded: Decoded, class_names: tuple[str, ...], name: str
) -> None:
    """Neither a class of the train part (of those named) nor a part may be of nothing but broken files."""
    readable = {group for index in decoded.good for group in _groups(entries[index])}
    broken = [(*group, index) for index in decoded.unreadable for group in _groups(entries[index])]
    for kind, which, index in sorted(broken):
        if (kind, which) not in readable and (kind == "part" or class_names):
            part = f"{name}: none of the pictures of the {which} part"
            what = part if kind == "part" else f"class {class_names[which]!r}: none of its pictures"
            raise DataError(
                f"{what} could be read, the first is {printable(entries[index].path)}: "
                f"{decoded.unreadable[index]}",
                cure=f"Replace the files or remove the {kind}{_or_read(decoded.unreadable[index])}.",
            )


def _or_read(reason: str) -> str:
    return ", or give `damaged=read` to read what can be decoded" if reason.startswith("damaged") else ""


def _groups(entry: Entry) -> list[tuple[str, Any]]:
    classes = entry.classes if entry.part == "train" else ()
    return [("part", entry.part), *(("class", number) for number in classes)]


def _require_known(entries: Sequence[Entry], class_names: tuple[str, ...], name: str) -> None:
    """The train part alone decides the classes: a label that only another part has could never be learned."""
    train = [entry for entry in entries if entry.part == "train"]
    known = {number for entry in train for number in entry.classes}
    for part, number in ((entry.part, number) for entry in entries if train for number in entry.classes):
        if number not in known:
            raise DataError(
                f"{name}: class {class_names[number]!r} of the {part} part is not among the training classes",
                cure=f"Add training pictures of it, or remove it from {part}.",
            )


def _require_one_kind(entries: Sequence[Entry], name: str) -> None:
    tagged = [entry for entry in entries if entry.tags is not None]
    if tagged and len(tagged) < len(entries):
        other = next(entry for entry in entries if entry.tags is None)
        raise DataError(
            f"{name}: {printable(tagged[0].id)} has a list of tags and {printable(other.id)} has one label",
            expected="one kind for all pictures",
            cure="Write every label as a list, also those of one.",
        )
