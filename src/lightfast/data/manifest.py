"""A table of pictures: CSV, TSV, Parquet or JSON lines with the columns `path`, `label` and, where there are official parts, `split`."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightfast.base.errors import DataError
from lightfast.base.progress import Reporter, silent
from lightfast.data.loaded import LoadedData, Target
from lightfast.data.names import check_names, ordered
from lightfast.data.pictures import Entry, assemble
from lightfast.data.tree import PART_NAMES

MANIFEST_ENDINGS = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")


def read_manifest(path: Path, target: Target | None = None, report: Reporter = silent) -> LoadedData:
    """Every picture that the table names; paths are relative to the table's folder, labels are texts.

    Raises DataError for: a missing column (the columns found are said), an empty path or label (the row is said), one class, one
    picture, classes spelled alike, nothing readable. A picture file that is missing or broken goes to `unreadable`.
    """
    columns, rows = _table(path)
    for wanted in ("path", "label"):
        if wanted not in columns:
            raise DataError(f"{path}: no column {wanted!r}", expected="the columns path,label", got=",".join(columns) or "none",
                            cure="Rename the column, or write the header as its first line.")
    if not rows:
        raise DataError(f"{path} names no pictures", cure="Add one row a picture.")
    for number, row in enumerate(rows, start=1):
        for column in ("path", "label"):
            if not row[column].strip():
                raise DataError(f"{path}: picture {number} has no {column}", cure="Fill it in or remove the row.")
    class_names = ordered(row["label"] for row in rows)
    check_names(class_names, str(path))
    if len(class_names) < 2:
        raise DataError(f"{path} has one class only ({', '.join(class_names)})", expected="at least two labels", cure="Add other classes.")
    numbers = {name: number for number, name in enumerate(class_names)}
    entries = [Entry(path.parent / row["path"], row["path"], numbers[row["label"]], _part(row, path)) for row in rows]
    return assemble(path.stem, entries, class_names, target or Target(), report)


def _part(row: Mapping[str, str], path: Path) -> str:
    said = row.get("split", "").strip().lower() or "train"
    if said not in PART_NAMES:
        raise DataError(f"{path}: split {said!r}", expected="train, val or test", got=said)
    return PART_NAMES[said]


def _table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """(columns, rows as texts); column names in lower case without spaces around them."""
    try:
        match path.suffix.lower():
            case ".parquet":
                return _parquet(path)
            case ".jsonl" | ".ndjson":
                return _json_lines(path)
            case ending:
                return _csv(path, "\t" if ending == ".tsv" else ",")
    except PermissionError as error:
        raise DataError(f"cannot open {path}: permission denied") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start})", cure="Save it as UTF-8.") from error


def _csv(path: Path, delimiter: str) -> tuple[list[str], list[dict[str, str]]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        lines = csv.reader(stream, delimiter=delimiter)
        columns = [_column(text) for text in next(lines, [])]
        rows = [line for line in lines if line]
    for number, line in enumerate(rows, start=1):
        if len(line) != len(columns):
            raise DataError(f"{path}: row {number}", expected=f"{len(columns)} fields ({','.join(columns)})", got=f"{len(line)} fields")
    return columns, [dict(zip(columns, line, strict=True)) for line in rows]


def _json_lines(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    records: list[Mapping[str, Any]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{path}: line {number} is not JSON ({error.msg})") from error
        if not isinstance(record, dict):
            raise DataError(f"{path}: line {number}", expected='an object such as {"path": ..., "label": ...}', got=type(record).__name__)
        records.append(record)
    return _texts(list(dict.fromkeys(column for record in records for column in record)), records)


def _parquet(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    import pyarrow as arrow
    from pyarrow import parquet

    try:
        names = parquet.read_schema(path).names
        used = [name for name in names if _column(name) in ("path", "label", "split")]
        records = parquet.read_table(path, columns=used).to_pylist()
    except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError, OSError) as error:
        raise DataError(f"{path} is not a Parquet table ({str(error).splitlines()[0]})") from error
    return [_column(name) for name in names], _texts(used, records)[1]


def _texts(columns: Sequence[str], records: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[dict[str, str]]]:
    def text(value: Any) -> str:
        return "" if value is None else str(value)

    return [_column(name) for name in columns], [{_column(name): text(record.get(name)) for name in columns} for record in records]


def _column(text: str) -> str:
    return text.strip().lower()
