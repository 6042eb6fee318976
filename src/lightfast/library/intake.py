"""Queues that other verbs wrote, taken up by a library: `predict`, `repair`, `curate`, `select`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from lightfast.base.errors import DataError
from lightfast.base.text import nfc
from lightfast.library.answer_file import load_table_rows
from lightfast.library.find import find_assets
from lightfast.library.label_numbers import label_numbers
from lightfast.library.library import Library
from lightfast.library.review.lease import enqueue

_Row = Mapping[str, Any]
_SOURCES = ("tag", "repair", "curate", "select", "disagreement", "person")


@dataclass(frozen=True)
class IntakeResult:
    """What became of the rows of a queue.

    Attributes:
        queued: new questions.
        waiting: rows whose question waited already.
        answered: rows with an answer in `decided_label`: they are no questions; `library review` takes them.
        unknown: rows whose picture is not in the library, by what they call it.
    """

    queued: int
    waiting: int
    answered: int
    unknown: tuple[str, ...] = ()


def take_up_queue(
    library: Library,
    path: Path,
    source: str | None = None,
    root: Path | None = None,
    *,
    by: int | None = None,
) -> IntakeResult:
    """Queue the pictures of a file: a .csv, .parquet or .jsonl with the columns that `ReviewQueue.save`
    writes (`id` or `path`, `predicted_label`, `confidence`, `reason`, perhaps `cluster`).

    A picture is found by its path, by `id` below `root` or beside the file, by the end of a path that but one
    picture of the library has, or by the hash of its pixels. Labels that are predicted become labels of the
    library. What `curate` and `select` wrote keeps its order; elsewhere the least sure come first.

    Args:
        library: is written.
        path: the queue.
        source: which verb wrote it; None: read off its columns.
        root: the folder that names in it start at.
        by: number of the user who wants it, for the audit of the labels that it brings.

    Raises DataError for a file without pictures, and for a source that is none.
    """
    rows = load_table_rows(path)
    source = source or source_of(rows)
    _require_queue(path, rows, source)
    open_rows = [row for row in rows if not _text(row, "decided_label")]
    bases = [*([root.absolute()] if root else []), path.absolute().parent]
    known, lost = _found(library, open_rows, bases)
    names = sorted({_label(row) for row, _ in known} - {""})

    def write(connection: Connection) -> int:
        labels = label_numbers(connection, names, by=by)
        places = enumerate(known)
        entries = [_entry(row, number, labels, source, at / len(known)) for at, (row, number) in places]
        return enqueue(connection, entries)

    queued = library.store.act(write)
    return IntakeResult(queued, len(known) - queued, len(rows) - len(open_rows), lost)


def _require_queue(path: Path, rows: Sequence[_Row], source: str) -> None:
    if source not in _SOURCES:
        raise DataError(f"`source` {source!r}", expected=" or ".join(_SOURCES))
    if rows and not {"id", "path", "asset"} & rows[0].keys():
        raise DataError(f"{path} is no review queue", expected="a column id or path", got=", ".join(rows[0]))


def _found(
    library: Library, rows: Sequence[_Row], bases: Sequence[Path]
) -> tuple[list[tuple[_Row, int]], tuple[str, ...]]:
    """(rows with their pictures, what the others call theirs)."""
    ways = [_names(row) for row in rows]
    with library.store.read() as connection:
        found = find_assets(connection, [text for one in ways for text in one], bases)
    numbers = [next((found[text] for text in one if text in found), None) for one in ways]
    known = [(row, number) for row, number in zip(rows, numbers, strict=True) if number is not None]
    lost = [(*one, "?")[0] for one, number in zip(ways, numbers, strict=True) if number is None]
    return known, tuple(lost)


def _names(row: _Row) -> list[str]:
    """What a row calls its picture, the surest first."""
    return [text for name in ("asset", "path", "id", "content") if (text := _text(row, name))]


def _entry(row: _Row, number: int, labels: Mapping[str, int], source: str, place: float) -> dict[str, Any]:
    """An entry of the queue; `place` 0..1 is that of the row in the file."""
    cluster, ordered = _text(row, "cluster"), source in ("curate", "select")
    return {
        "asset_id": number,
        "label_id": labels.get(_label(row)),
        "source": source,
        "reason": _text(row, "reason") or "queued by hand",
        "uncertainty": 1 - place if ordered else _uncertainty(row),
        "cluster": int(cluster) if cluster.lstrip("-").isdecimal() else None,
    }


def _uncertainty(row: _Row) -> float:
    """1 minus the confidence; without one, in the middle."""
    try:
        return min(1.0, max(0.0, 1 - float(_text(row, "final_confidence") or _text(row, "confidence"))))
    except ValueError:
        return 0.5


def _text(row: _Row, name: str) -> str:
    value = row.get(name)
    return "" if value is None or value != value else str(value).strip()


def _label(row: _Row) -> str:
    """What a model takes the picture for; `repair` names it by its last reading."""
    return nfc(_text(row, "final_label") or _text(row, "predicted_label"))


def source_of(rows: Sequence[_Row]) -> str:
    """Which verb wrote a queue, by its columns; "person" where none did."""
    columns = set(rows[0]) if rows else set()
    marks = {"repair": "final_label", "curate": "label_quality", "tag": "decided_label"}
    found = next((source for source, column in marks.items() if column in columns), None)
    return found or ("select" if {"predicted_label", "content"} <= columns else "person")
