"""Rows of a table without a label: a class in `not_label` says what the picture is not, and "unlabelled" in
`split` that nothing is known of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from lightfast.base.errors import DataError
from lightfast.data.dataset import Entry, ImageSpec, LoadedData
from lightfast.data.lists.assemble import assemble
from lightfast.data.lists.table import PictureTable, cell_text
from lightfast.data.lists.table_paths import ManifestRow
from lightfast.data.ruled_out import RuledOut, not_these
from lightfast.data.sources.resolve import SourceResolver

NOT_LABEL = "not_label"
UNLABELLED_PART = "unlabelled"
"""In the column `split`: a picture to learn from without a label."""


def divided_rows(
    table: PictureTable, rows: Sequence[ManifestRow]
) -> tuple[PictureTable, list[ManifestRow], list[tuple[ManifestRow, str]]]:
    """(the table of the rows with a label and without the column `not_label`, these rows, the others with the
    class that each is not, "" where nothing is known). One picture may have several such rows, one a class.

    Raises DataError for a row that says both, of a table with one label a picture, and for one that says what
    a picture of several labels is not: an empty cell of these says that it has none.
    """
    free = any(row.part == UNLABELLED_PART for row in rows)
    if "label" not in table.columns or not (free or NOT_LABEL in table.columns):
        _require_one_label(table)
        return table, list(rows), []
    named: list[int] = []
    others: list[tuple[ManifestRow, str]] = []
    for number, row in enumerate(rows):
        ruled_out = _ruled_out(table, number, row.part)
        if ruled_out is None:
            named.append(number)
        else:
            others.append((row, ruled_out))
    columns = tuple(name for name in table.columns if name != NOT_LABEL)
    kept = tuple({name: table.rows[number][name] for name in columns} for number in named)
    return dataclasses.replace(table, columns=columns, rows=kept), [rows[number] for number in named], others


def _ruled_out(table: PictureTable, number: int, part: str) -> str | None:
    """The class that a row without a label rules out, "" where none; None for a row with a label."""
    label, ruled_out = table.rows[number]["label"], cell_text(table.rows[number].get(NOT_LABEL)).strip()
    free = part == UNLABELLED_PART
    if not free and (isinstance(label, list) or not ruled_out):
        return None
    if not isinstance(label, list) and not cell_text(label).strip():
        return ruled_out
    says, one = (f"is not {ruled_out!r}", NOT_LABEL) if ruled_out else (f"is {part}", part)
    raise DataError(
        f"{table.where}: picture {number + 1} has a label and says that it {says}",
        expected=f"one of label and {one}",
        cure="A label says enough: leave the other empty.",
    )


def _require_one_label(table: PictureTable) -> None:
    splits = [cell_text(cells.get("split")).strip() for cells in table.rows]
    if "label" not in table.columns and UNLABELLED_PART in splits:
        raise DataError(
            f"{table.where}: picture {splits.index(UNLABELLED_PART) + 1} is {UNLABELLED_PART}",
            expected="a column 'label', of one label a picture",
            cure="Leave such rows out: pictures without a label help where each has one.",
        )
    filled = [number for number, cells in enumerate(table.rows) if cell_text(cells.get(NOT_LABEL)).strip()]
    if "labels" in table.columns and filled:
        raise DataError(
            f"{table.where}: picture {filled[0] + 1} says what it is not, in a table of several labels",
            expected=f"{NOT_LABEL} beside a column 'label', of one label a picture",
            cure=f"Leave {NOT_LABEL} out: labels that are not listed are those that a picture has not.",
        )


def with_not_labels(
    loaded: LoadedData, others: Sequence[tuple[ManifestRow, str]], resolver: SourceResolver, target: ImageSpec
) -> LoadedData:
    """The data with the pictures of the train part that are known only for what they are not, made into the
    size of the others; those of other parts would be tested on, and are left out, as are those whose label
    another row gives. Where none of them can be read a note says so: the others can be learned from. Raises
    DataError where that is the label that they are said not to have.
    """
    mine = _unlabelled(loaded, others)
    by_picture, notes = not_these([(row.id, name) for row, name in mine if name], loaded.train.class_names)
    nothing = np.zeros(loaded.train.num_classes, dtype=np.bool_)
    by_picture = {row.id: nothing for row, name in mine if not name} | by_picture
    rows = {row.id: row for row, _ in mine if row.id in by_picture}
    loaded = dataclasses.replace(loaded, notes=(*loaded.notes, *notes))
    if not rows or loaded.train.labels is None:
        return loaded
    read = _read(loaded, list(rows.values()), resolver, target)
    if isinstance(read, str):
        return dataclasses.replace(loaded, notes=(*loaded.notes, read))
    images = dataclasses.replace(read.train, labels=None, class_names=())
    images = images.with_hashes(read.train.known_hashes)
    beside = RuledOut(images, np.stack([by_picture[name] for name in images.ids]))
    return dataclasses.replace(
        loaded,
        ruled_out=beside,
        unreadable=(*loaded.unreadable, *read.unreadable),
        notes=(*loaded.notes, *_counted(beside)),
    )


def _read(
    loaded: LoadedData, rows: Sequence[ManifestRow], resolver: SourceResolver, target: ImageSpec
) -> LoadedData | str:
    """The pictures of these rows in the size of the others; where none can be read, what is to be said."""
    files = resolver.resolve_rows([(row.base, row.name) for row in rows])
    entries = [Entry(file, row.id, 0) for row, file in zip(rows, files, strict=True)]
    height, width, channels = loaded.train.image_shape
    spec = dataclasses.replace(target, image_size=(height, width), channels=channels, lost="keep")
    try:
        return assemble(f"{loaded.train.name}, not these", entries, ("unknown",), spec, resolver.report)
    except DataError as error:
        return f"{len(entries):,} picture(s) without a label were left out: {error.without_cure}"


def _counted(beside: RuledOut) -> tuple[str, ...]:
    """How many pictures have no label, and what that is good for."""
    known = int(beside.says_something.sum())
    said = (
        (known, "are known only for what they are not: a training learns that much"),
        (len(beside) - known, "without a label: what they look like helps where labels are few"),
    )
    return tuple(f"{count:,} picture(s) {what}" for count, what in said if count)


def _unlabelled(
    loaded: LoadedData, others: Sequence[tuple[ManifestRow, str]]
) -> list[tuple[ManifestRow, str]]:
    """Those of the train part that have no label; raises DataError where a label is ruled out."""
    labels = _labels(loaded)
    for row, name in others:
        if labels.get(row.id) == name:
            raise DataError(
                f"{row.id}: one row gives the label {name!r}, and another says that it is not {name!r}",
                expected="one of them",
                cure="Keep the row that is right.",
            )
    parts = ("train", UNLABELLED_PART)
    return [(row, name) for row, name in others if row.part in parts and row.id not in labels]


def _labels(loaded: LoadedData) -> dict[str, str]:
    """The label of every picture of any part that has one."""
    return {
        name: images.class_names[label]
        for images in loaded.parts.values()
        if images.labels is not None
        for name, label in zip(images.ids, images.labels.tolist(), strict=True)
    }
