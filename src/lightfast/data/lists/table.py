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

PATH_COLUMNS = ("path", "file_name")
LABEL_COLUMNS = ("label", "labels")
_KNOWN = (*PATH_COLUMNS, *LABEL_COLUMNS, "split")


@dataclass(frozen=True)
class PictureTable:
    """Rows of a table of pictures.

    Attributes:
        where: what messages call it.
        columns: names without spaces around them; those that the project knows (path, file_name, label,
            labels, split) in lower case.
        rows: one mapping a row, every column in it. Cells of CSV and TSV are texts; JSON and Parquet give
            lists, numbers and None too.
    """

    where: str
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]


def load_table(path: Path) -> PictureTable:
    """The table in `path`, by its ending.

    Raises DataError naming the file, and the row where it is one row's fault.
    """
    where = printable(path)
    try:
        match path.suffix.lower():
            case ".parquet":
                columns, rows = _parquet(path, where)
            case ".jsonl" | ".ndjson":
                columns, rows = _json_lines(path, where)
            case ending:
                columns, rows = _csv(path, "\t" if ending == ".tsv" else ",", where)
    except PermissionError as error:
        raise DataError(f"cannot open {where}: permission denied") from error
    except FileNotFoundError as error:
        raise DataError(f"no such file: {where}") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where} is not UTF-8 text ({error.reason} at byte {error.start})", cure="Save it as UTF-8."
        ) from error
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise DataError(f"{where}: two columns are called {twice[0]!r}", cure="Rename or remove one of them.")
    return PictureTable(where, tuple(columns), tuple(rows))


def cell_text(value: Any) -> str:
    """A cell as text; None and not-a-number, as pandas writes what is missing, are empty."""
    return "" if value is None or value != value else str(value)


def _csv(path: Path, delimiter: str, where: str) -> tuple[list[str], list[dict[str, Any]]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        lines = csv.reader(stream, delimiter=delimiter)
        try:
            columns = [_column(text) for text in next(lines, [])]
            rows = [line for line in lines if line]
        except csv.Error as error:
            raise DataError(
                f"{where}: line {lines.line_num} cannot be read ({error})",
                cure="Write it as plain CSV again.",
            ) from error
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
        labelled = any(_column(name) in LABEL_COLUMNS for name in schema.names)
        fields = [field for field in schema if not labelled or _column(field.name) in _KNOWN]
        # What no column of labels can be (texts, pictures as bytes) is not read: it may be large.
        unread = {field.name: f"<{field.type}>" for field in fields if not _may_count(field)}
        used = [field.name for field in fields if field.name not in unread]
        records = parquet.read_table(path, columns=used).to_pylist()
    except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError, OSError) as error:
        raise DataError(
            f"{where} is not a Parquet table ({str(error).splitlines()[0]})", cure="Write it again."
        ) from error
    return _named([field.name for field in fields], [unread | record for record in records])


def _may_count(field: Any) -> bool:
    """Whether a column is one that the project knows, or may hold 0 and 1."""
    from pyarrow import types

    is_number = types.is_boolean(field.type) or types.is_integer(field.type) or types.is_floating(field.type)
    return is_number or _column(field.name) in _KNOWN


def _named(
    columns: Collection[str], records: Sequence[Mapping[str, Any]]
) -> tuple[list[str], list[dict[str, Any]]]:
    return [_column(name) for name in columns], [
        {_column(name): record.get(name) for name in columns} for record in records
    ]


def _column(text: str) -> str:
    plain = text.strip()
    return plain.lower() if plain.lower() in _KNOWN else plain
