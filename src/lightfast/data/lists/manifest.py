"""A table of pictures: CSV, TSV, Parquet or JSON lines with the columns `path`, labels (see `label_columns`)
and, where there are official parts, `split`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from lightfast.base.errors import DataError
from lightfast.base.progress import Reporter, silent
from lightfast.data.dataset import Entry, ImageSpec, LoadedData
from lightfast.data.decode.unreadable import printable
from lightfast.data.lists.assemble import assemble
from lightfast.data.lists.label_columns import Labelling, labelling
from lightfast.data.lists.not_labels import UNLABELLED_PART, divided_rows, with_not_labels
from lightfast.data.lists.table import PATH_COLUMNS, PictureTable, cell_text, load_table
from lightfast.data.lists.table_paths import ManifestRow, located, may_be_there
from lightfast.data.sources.folder import file_kind
from lightfast.data.sources.names import part_named
from lightfast.data.sources.resolve import SourceResolver


def load_manifest(
    path: Path,
    target: ImageSpec | None = None,
    report: Reporter = silent,
    resolver: SourceResolver | None = None,
) -> LoadedData:
    """Every picture that the table names; paths are relative to the table's folder, and may be addresses
    (`s3://…`); labels are texts. A row without a label that fills the column `not_label` says only what its
    picture is not, and one whose `split` is "unlabelled" that there is the picture (`LoadedData.ruled_out`).

    Raises DataError for: a missing column (the columns found are said), an empty path or label (the row is
    said), one class, one picture, classes spelled alike, a file named twice with different labels or parts,
    nothing readable. A picture file that is missing or broken goes to `unreadable`.
    """
    table = load_table(path)
    rows = table_rows(table, _path_column(table), path.parent, unlabelled=True)
    target, resolver = target or ImageSpec(), resolver or SourceResolver(report)
    table, rows, others = divided_rows(table, rows)
    loaded = load_rows(path.stem, table, rows, target, resolver)
    if not others:
        return loaded
    found, _ = _located([row for row, _ in others], table.where, resolver)
    pairs = [(row, name) for row, (_, name) in zip(found, others, strict=True)]
    return with_not_labels(loaded, pairs, resolver, target)


def named_pictures(path: Path, resolver: SourceResolver) -> list[Entry]:
    """The files that a table names, without their labels: a column `path` is enough.

    A file named twice is there once.
    """
    table = load_table(path)
    resolver.notes.extend(table.notes)
    given = table_rows(table, _path_column(table), path.parent)
    given, moved = _located(given, table.where, resolver)
    resolver.notes.extend(moved)
    rows = {row.name: row for row in given}
    files = resolver.resolve_rows([(row.base, row.name) for row in rows.values()])
    return [Entry(file, row.id, 0) for row, file in zip(rows.values(), files, strict=True)]


def _located(
    rows: Sequence[ManifestRow], where: str, resolver: SourceResolver
) -> tuple[Sequence[ManifestRow], tuple[str, ...]]:
    if resolver.is_fetched(rows[0].base):
        return rows, ()
    return located(rows, where, resolver.tables.root)


def table_rows(
    table: PictureTable,
    column: str,
    base: Path,
    part: str | None = None,
    prefix: str = "",
    *,
    unlabelled: bool = False,
) -> list[ManifestRow]:
    """The rows of a table whose paths stand in `column`, relative to `base`; their part is `part`, or what
    the column `split` says.

    `prefix` comes before the paths in the ids. `unlabelled`: that may be a part, too.
    """
    if column not in table.columns:
        raise DataError(
            f"{table.where}: no column {column!r}",
            expected=f"the columns {column},label",
            got=",".join(table.columns) or "none",
            cure="Rename the column, or write the header as its first line.",
        )
    if not table.rows:
        raise DataError(f"{table.where} names no pictures", cure="Add one row a picture.")
    rows: list[ManifestRow] = []
    for number, cells in enumerate(table.rows, start=1):
        name = cell_text(cells[column])
        if not name.strip():
            raise DataError(
                f"{table.where}: picture {number} has no {column}", cure="Fill it in or remove the row."
            )
        if name != name.strip() and not file_kind(base / name):
            name = name.strip()
        split = cell_text(cells.get("split"))
        free = unlabelled and split.strip() == UNLABELLED_PART
        said = UNLABELLED_PART if free else part or _part(split, table.where)
        rows.append(ManifestRow(name, base, said, prefix + name))
    return rows


def load_rows(
    name: str,
    table: PictureTable,
    rows: Sequence[ManifestRow],
    target: ImageSpec,
    resolver: SourceResolver,
    notes: Sequence[str] = (),
) -> LoadedData:
    """Read the pictures of `rows`, with the labels that `table` gives them (its rows are these,
    in this order).
    """
    labels = labelling(table, [row.part for row in rows], resolver.tables.label_separator)
    rows, moved = _located(rows, table.where, resolver)
    if not any(map(may_be_there, rows)):
        raise DataError(
            f"{table.where}: no such file: none of the {len(rows):,} that it names, the first is "
            f"{printable(rows[0].name)}",
            cure="Give the folder that its paths start at: `root=FOLDER`.",
        )
    kept, again = _each_once(rows, labels, table.where)
    files = resolver.resolve_rows([(rows[index].base, rows[index].name) for index in kept])
    numbers, tags = labels.labels or (-1,) * len(rows), labels.tags or (None,) * len(rows)
    entries = [
        Entry(file, rows[index].id, numbers[index], rows[index].part, tags[index])
        for index, file in zip(kept, files, strict=True)
    ]
    loaded = assemble(name, entries, labels.class_names, target, resolver.report)
    return dataclasses.replace(
        loaded, notes=(*loaded.notes, *table.notes, *labels.notes, *moved, *again, *notes)
    )


def _each_once(
    rows: Sequence[ManifestRow], labels: Labelling, where: str
) -> tuple[list[int], tuple[str, ...]]:
    """(positions of the rows that name a file for the first time, a note on the others);
    a file with two opinions on it is refused.
    """
    said: Sequence[object] = labels.tags if labels.tags is not None else labels.labels or ()
    first: dict[str, int] = {}
    again: list[int] = []
    for index, row in enumerate(rows):
        # An address is no path: normpath would take one of its slashes.
        key = row.name if "://" in row.name else os.path.normpath(row.base / row.name)
        before = first.setdefault(key, index)
        if before != index:
            again.append(index)
        if said[before] != said[index] or rows[before].part != row.part:
            two = f"{where}: rows {before + 1} and {index + 1} give {row.id!r} different"
            what = "labels" if said[before] != said[index] else "parts"
            cure = (
                "Keep one of the rows; several labels of one picture stand in one cell of a column 'labels'."
            )
            raise DataError(f"{two} {what}", cure=cure)
    note = f"{len(again)} row(s) name a file that was named before and were left out"
    return list(first.values()), (f"{note} (first: {rows[again[0]].id})",) if again else ()


def _path_column(table: PictureTable) -> str:
    return next((name for name in PATH_COLUMNS if name in table.columns), PATH_COLUMNS[0])


def _part(split: str, where: str) -> str:
    said = split.strip() or "train"
    part = part_named(said)
    if part is None:
        raise DataError(f"{where}: split {said!r}", expected="train, val or test", got=said)
    return part
