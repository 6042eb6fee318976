"""Answers of people in a file: a table (.csv, .parquet) with a column `decided_label`, or lines of JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightfast.base.errors import DataError
from lightfast.base.files import file_hash, write_text
from lightfast.library.review.review import AnswerRow, AskedAsset

_PICTURE = ("asset", "picture", "path", "id")
"""Columns that name the picture; the first one that is filled counts."""
_LABEL = ("decided_label", "label")
_QUEUE_COLUMNS = ("asset", "path", "label", "probability", "others", "reason", "decided_label", "act")


def load_answer_rows(path: Path) -> tuple[AnswerRow, ...]:
    """The filled rows of a file of answers.

    Of a table count rows with something in `decided_label` or `act`; of lines of JSON all, with `label` for
    the label. Each has a key made of the file and its row, so that a file that is taken up twice counts once.

    Raises DataError for a file that is not there, is something else, or says nothing.
    """
    lines, digest = path.suffix == ".jsonl", file_hash(path)[:24] if path.is_file() else ""
    found = []
    for number, row in enumerate(load_table_rows(path), start=1):
        label, act = _first(row, _LABEL if lines else _LABEL[:1]), _text(row, "act")
        if not label and not act:
            continue
        picture = _first(row, _PICTURE)
        if not picture:
            raise DataError(f"{path}, row {number}", expected="a picture: " + ", ".join(_PICTURE), got="none")
        said = _text(row, "reason" if lines else "comment")
        found.append(AnswerRow(picture, label, act or None, said, _seconds(row), f"{digest}:{number}"))
    if not found:
        raise DataError(
            f"{path} holds no answers", cure="Write the name of a label into decided_label of its rows."
        )
    return tuple(found)


def load_table_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a .csv, .parquet or .jsonl file; raises DataError."""
    if not path.is_file():
        raise DataError(f"no such file: {path}", cure="Name a .csv, .parquet or .jsonl file.")
    try:
        match path.suffix.lower():
            case ".csv":
                return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
            case ".jsonl":
                lines = path.read_text(encoding="utf-8").splitlines()
                return [_object(json.loads(line)) for line in lines if line.strip()]
            case ".parquet":
                from pyarrow import parquet

                return parquet.read_table(path).to_pylist()
    except (ValueError, OSError, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({str(error).splitlines()[0]})") from error
    raise DataError(f"{path}", expected="a .csv, .parquet or .jsonl file")


def write_asked(path: Path, asked: Sequence[AskedAsset]) -> Path:
    """A table to fill in: a row a picture with an empty `decided_label`; raises DataError for another ending
    than .csv.
    """
    if path.suffix.lower() != ".csv":
        raise DataError(f"{path}", expected="a .csv file")
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(_QUEUE_COLUMNS)
    for one in asked:
        share = "" if one.probability is None else f"{one.probability:.4f}"
        others = " ".join(f"{name} {value:.3f}" for name, value in one.others)
        rows.writerow([one.asset_id, one.path, one.label or "", share, others, one.reason, "", ""])
    return write_text(path, text.getvalue())


def reviewers_in(rows: Iterable[Mapping[str, Any]]) -> set[str]:
    """Who filled the rows, where a column `reviewer` says so."""
    return {text for row in rows if (text := _text(row, "reviewer"))}


def _first(row: Mapping[str, Any], names: Sequence[str]) -> str:
    """The first of the columns that is filled; "" where none is."""
    return next((text for name in names if (text := _text(row, name))), "")


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None or value != value else str(value).strip()


def _seconds(row: Mapping[str, Any]) -> float:
    try:
        return max(0.0, float(_text(row, "seconds") or 0))
    except ValueError as error:
        raise DataError("`seconds` of an answer", expected="a number", got=_text(row, "seconds")) from error


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("a line is no JSON object")
    return value
