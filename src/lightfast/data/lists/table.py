"""Tables on disk: CSV, TSV, Parquet and JSON lines as rows of cells."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightfast.base.errors import DataError
from lightfast.data.decode.unreadable import printable
from lightfast.data.lists.delimited import SEPARATORS, split_lines, table_text

PATH_COLUMNS = ("path", "file_name")
LABEL_COLUMNS = ("label", "labels")
_KNOWN = (*PATH_COLUMNS, *LABEL_COLUMNS, "split", "not_label")
# What other programs call the two columns; the second group only where there is nothing of the first.
_PATHS_ELSEWHERE = (
    ("filename", "file", "filepath", "file_path", "image", "image_path", "image_name", "img", "img_path"),
    ("image_id", "id"),
)
_LABELS_ELSEWHERE = (("class", "category", "class_name", "label_name"), ("target", "class_id", "y"))


@dataclass(frozen=True)
class PictureTable:
    """Rows of a table of pictures.

    Attributes:
        where: what messages call it.
        columns: names without spaces around them; those that the project knows (path, file_name, label,
            labels, split) in lower case.
        rows: one mapping a row, every column in it. Cells of CSV and TSV are texts; JSON and Parquet give
            lists, numbers and None too.
        notes: what was recognised that a plain table does not have.
    """

    where: str
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...] = ()


def load_table(path: Path) -> PictureTable:
    """The table in `path`, by its ending.

    Raises DataError naming the file, and the row where it is one row's fault.
    """
    where, notes = printable(path), list[str]()
    try:
        match path.suffix.lower():
            case ".parquet":
                columns, rows = _parquet(path, where)
            case ".jsonl" | ".ndjson":
                columns, rows = _json_lines(path, where)
            case ending:
                columns, rows = _csv(path, "\t" if ending == ".tsv" else ",", where, notes)
    except PermissionError as error:
        raise DataError(f"cannot open {where}: permission denied") from error
    except FileNotFoundError as error:
        raise DataError(f"no such file: {where}") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where} is not {error.encoding.upper()} text ({error.reason} at byte {error.start})",
            cure="Save it as UTF-8.",
        ) from error
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise DataError(f"{where}: two columns are called {twice[0]!r}", cure="Rename or remove one of them.")
    return _recognised(PictureTable(where, tuple(columns), tuple(rows), tuple(notes)))


def cell_text(value: Any) -> str:
    """A cell as text; None and not-a-number, as pandas writes what is missing, are empty."""
    return "" if value is None or value != value else str(value)


def _recognised(table: PictureTable) -> PictureTable:
    """The table with the columns of paths and of labels under the project's names, where other names say
    which they are.
    """
    renamed: dict[str, str] = {}
    for ours, elsewhere in ((PATH_COLUMNS, _PATHS_ELSEWHERE), (LABEL_COLUMNS, _LABELS_ELSEWHERE)):
        if not any(name in table.columns for name in ours):
            renamed |= dict.fromkeys(_one_of(table, elsewhere, ours[0]), ours[0])
    if not renamed:
        return table
    told = ", ".join(f"{old!r} as {new!r}" for old, new in renamed.items())
    rows = tuple({renamed.get(name, name): cell for name, cell in row.items()} for row in table.rows)
    columns = tuple(renamed.get(name, name) for name in table.columns)
    return PictureTable(table.where, columns, rows, (*table.notes, f"columns were read: {told}"))


def _one_of(table: PictureTable, groups: Sequence[Sequence[str]], ours: str) -> list[str]:
    for group in groups:
        fitting = [name for name in table.columns if name.lower().replace(" ", "_") in group]
        if len(fitting) > 1:
            raise DataError(
                f"{table.where}: {fitting[0]!r} and {fitting[1]!r} may both be the column {ours!r}",
                cure=f"Call the right one {ours!r}.",
            )
        # 0 and 1 in every cell: one label of several, or two classes; `label_columns` asks which.
        if fitting and (ours == "path" or {cell_text(row[fitting[0]]) for row in table.rows} - {"0", "1"}):
            return fitting
    return []


def _names_pictures(heading: Sequence[str]) -> bool:
    names = {_column(text).lower() for text in heading}
    return not names.isdisjoint((*PATH_COLUMNS, *_PATHS_ELSEWHERE[0], *_PATHS_ELSEWHERE[1]))


def _csv(path: Path, usual: str, where: str, notes: list[str]) -> tuple[list[str], list[dict[str, Any]]]:
    try:
        lines, mark = split_lines(table_text(path.read_bytes()), usual, _names_pictures)
    except csv.Error as error:
        raise DataError(f"{where}: {error}", cure="Write it as plain CSV again.") from error
    if mark != usual:
        notes.append(f"the columns of {where} are divided by {SEPARATORS.get(mark, repr(mark))}")
    columns, rows = [_column(text) for text in lines[0]] if lines else [], lines[1:]
    for number, line in enumerate(rows, start=1):
        if len(line) != len(columns):
            raise DataError(
                f"{where}: row {number}",
                expected=f"{len(columns)} fields ({','.join(columns)})",
                got=f"{len(line)} fields",
                cure="Put quotes around a text that holds a comma.",
            )
    return columns, [dict(zip(columns, line, strict=True)) for line in rows]


def _json_lines(path: Path, where: str) -> tuple[list[str], list[dict[str, Any]]]:
    records: list[Mapping[str, Any]] = []
    # Not splitlines: texts in JSON may hold the other ends of lines that Unicode knows.
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{where}: line {number} is not JSON ({error.msg})", cure="Write one JSON object a line."
            ) from error
        if not isinstance(record, dict):
            raise DataError(
                f"{where}: line {number}",
                expected='an object such as {"path": ..., "label": ...}',
                got=type(record).__name__,
            )
        records.append(record)
    return _named(dict.fromkeys(column for record in records for column in record), records)


def _parquet(path: Path, where: str) -> tuple[list[str], list[dict[str, Any]]]:
    import pyarrow as arrow
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(path)
        _refuse_pictures_inside(schema, where)
        fields = _used_fields(schema)
        # What no column of labels can be (texts, pictures as bytes) is not read: it may be large.
        unread = {field.name: f"<{field.type}>" for field in fields if not _may_count(field)}
        used = [field.name for field in fields if field.name not in unread]
        records = parquet.read_table(path, columns=used).to_pylist()
    except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError, OSError) as error:
        raise DataError(
            f"{where} is not a Parquet table ({str(error).splitlines()[0]})", cure="Write it again."
        ) from error
    return _named([field.name for field in fields], [unread | record for record in records])


def _used_fields(schema: Any) -> list[Any]:
    """Only the columns that the project knows, where they hold paths and labels; else all."""
    names = {_column(name) for name in schema.names}
    whole = names.isdisjoint(LABEL_COLUMNS) or names.isdisjoint(PATH_COLUMNS)
    return [field for field in schema if whole or _column(field.name) in _KNOWN]


def _refuse_pictures_inside(schema: Any, where: str) -> None:
    from pyarrow import types

    inside = (types.is_struct, types.is_binary, types.is_large_binary)
    fields = {_column(field.name): field for field in schema}
    candidates = [field for name, field in fields.items() if name.lower() in _PATHS_ELSEWHERE[0]]
    held = [field for field in candidates if any(kind(field.type) for kind in inside)]
    if held and fields.keys().isdisjoint(PATH_COLUMNS):
        raise DataError(
            f"{where}: the pictures stand in its column {held[0].name!r}",
            expected="a column 'path' with the names of files",
            got=f"<{held[0].type}>",
            cure="Write the pictures as files, and their names into a column 'path'.",
        )


def _may_count(field: Any) -> bool:
    """Whether a column is one that the project knows, or may hold 0 and 1."""
    from pyarrow import types

    is_number = types.is_boolean(field.type) or types.is_integer(field.type) or types.is_floating(field.type)
    is_text = types.is_string(field.type) or types.is_large_string(field.type) or types.is_binary(field.type)
    elsewhere = {name for group in (*_PATHS_ELSEWHERE, *_LABELS_ELSEWHERE) for name in group}
    return is_number or _column(field.name) in _KNOWN or (is_text and field.name.lower() in elsewhere)


def _named(
    columns: Collection[str], records: Sequence[Mapping[str, Any]]
) -> tuple[list[str], list[dict[str, Any]]]:
    return [_column(name) for name in columns], [
        {_column(name): record.get(name) for name in columns} for record in records
    ]


def _column(text: str) -> str:
    plain = text.strip()
    return plain.lower() if plain.lower() in _KNOWN else plain
