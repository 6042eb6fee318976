"""Folders of pictures with their labels in `metadata.csv`, `.jsonl` or `.parquet`,
as the datasets library of Hugging Face reads them.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from lightfast.base.errors import DataError
from lightfast.data.dataset import PART_ORDER, ImageSpec, LoadedData
from lightfast.data.decode.unreadable import printable
from lightfast.data.lists.label_columns import has_labels
from lightfast.data.lists.layout import require_parts
from lightfast.data.lists.manifest import ManifestRow, load_rows, table_rows
from lightfast.data.lists.table import PATH_COLUMNS, PictureTable, load_table
from lightfast.data.sources.folder import FoundFiles, find_files, subfolders
from lightfast.data.sources.names import named_parts, part_named
from lightfast.data.sources.resolve import SourceResolver

METADATA_NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


def metadata_files(root: Path) -> dict[str, Path]:
    """{part: metadata file} of a folder; the part is "" where the file stands in `root` itself. Empty when
    none is there.

    Raises DataError for two metadata files in one folder, or in `root` and in a part, and for parts of which
    only some have one.
    """
    own = _metadata(root)
    parts = named_parts(subfolders(root))
    inner = {folder: file for folder in parts if (file := _metadata(folder)) is not None}
    if not inner:
        return {} if own is None else {"": own}
    first = printable(next(iter(inner.values())))
    if own is not None:
        raise DataError(f"{printable(own)} and {first} both name pictures", cure="Keep one of them.")
    for bare in parts:
        if bare not in inner:
            raise DataError(
                f"{first} has no fellow in {printable(bare)}",
                expected="a metadata file in every part or in none",
                got=f"none in {bare.name}/",
                cure="Add or remove it.",
            )
    found = require_parts({folder: parts[folder] for folder in inner}, root)
    return {part: inner[found[part]] for part in PART_ORDER if part in found}


def load_metadata(root: Path, target: ImageSpec, resolver: SourceResolver) -> LoadedData | None:
    """The pictures that the metadata of `root` name, or None where there are none or they say nothing of
    labels (a note tells that).

    Raises DataError as `load_manifest` does. Pictures that the metadata do not name are counted in a note.
    """
    files = metadata_files(root)
    if not files:
        return None
    tables = {part: load_table(file) for part, file in files.items()}
    silent = next((file for part, file in files.items() if not has_labels(tables[part])), None)
    folders = subfolders(silent.parent) if silent else ()
    if silent and len(named_parts(folders)) < len(folders):
        resolver.notes.append(f"{printable(silent)} has no labels: the class folders were read instead")
        return None
    rows = [row for part, table in tables.items() for row in _rows(table, part, files[part], root)]
    where = printable(root) if "" not in files else printable(files[""])
    table = join_tables([*tables.values()], where)
    below = find_files(root)
    resolver.unreadable.extend(below.closed)
    notes = left_out_notes(below, rows, [*files.values()])
    return load_rows(root.resolve().name, table, rows, target, resolver, notes)


def _rows(table: PictureTable, part: str, file: Path, root: Path) -> list[ManifestRow]:
    column = "path" if "path" in table.columns and "file_name" not in table.columns else "file_name"
    prefix = "" if file.parent == root else f"{file.parent.name}/"
    rows = table_rows(table, column, file.parent, part or None, prefix)
    if part or "split" in table.columns:
        return rows
    said = [part_named(PurePosixPath(row.name).parts[0]) for row in rows]
    # file_name of one file for all parts: train/0.jpg.
    parted = [
        ManifestRow(row.name, row.base, part, row.id) for row, part in zip(rows, said, strict=True) if part
    ]
    return parted if len(parted) == len(rows) else rows


def join_tables(tables: Sequence[PictureTable], where: str) -> PictureTable:
    """The rows of several tables as one, called `where`; DataError where their columns of labels differ."""
    first = tables[0]
    expected = ",".join(sorted(_labels(first)))
    for other in tables:
        got = ",".join(sorted(_labels(other)))
        if got != expected:
            cure = "Give the metadata of all parts the same columns."
            raise DataError(f"{other.where}: columns", expected=expected, got=got, cure=cure)
    rows = tuple(row for table in tables for row in table.rows)
    notes = tuple(dict.fromkeys(note for table in tables for note in table.notes))
    return PictureTable(where, first.columns, rows, notes)


def _labels(table: PictureTable) -> set[str]:
    said = {name for name in table.columns if name in ("label", "labels")}
    return said or {name for name in table.columns if name not in (*PATH_COLUMNS, "split")}


def left_out_notes(
    below: FoundFiles, rows: Sequence[ManifestRow], tables: Collection[Path]
) -> tuple[str, ...]:
    """Notes on what lies in a folder and is not in the tables of its pictures."""
    named = {os.path.normpath(row.base / row.name) for row in rows}
    unnamed = [path for path in below.pictures if os.path.normpath(path) not in named]
    others = [path for path in below.others if path not in tables and os.path.normpath(path) not in named]
    note = f"{len(unnamed)} picture(s) are not in the metadata and were left out"
    return (
        *((f"{note} (first: {printable(unnamed[0])})",) if unnamed else ()),
        *dataclasses.replace(below, pictures=[], others=others).notes(),
    )


def _metadata(folder: Path) -> Path | None:
    found = [folder / name for name in METADATA_NAMES if (folder / name).is_file()]
    if len(found) > 1:
        raise DataError(
            f"{printable(folder)} holds {found[0].name} and {found[1].name}", cure="Keep one of them."
        )
    return found[0] if found else None
