"""What is said of each picture, as columns; and their writers: CSV, JSON lines or Parquet,
row by row as they come.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import SettingsError
from lightfast.base.files import make_folder, storage_errors, write_json, write_text
from lightfast.data.taxonomy.taxonomy import Taxonomy
from lightfast.evaluate.predictions import METADATA_KEY, SEEN
from lightfast.evaluate.review import ReviewRule
from lightfast.tagging.card import ModelCard

NEEDS_REVIEW = "needs_review"
"""Column of a file of predictions: whether a person should look, where a rule says it."""
RowFormat = Literal["csv", "jsonl", "parquet"]
Columns = dict[str, list[Any]]
Write = Callable[[Columns, NDArray[np.float32]], None]
_DIGITS = 6
_GROUP = 4096
"""Rows a group of a Parquet file."""


@dataclass(frozen=True)
class RowOptions:
    """What is said of each picture, and how it is written.

    Attributes:
        form: csv, jsonl or parquet; None goes by the ending of the file.
        top: guesses a picture.
        client: whose names the labels get, of those in the run's taxonomy; None = the names of the classes.
        review: which pictures a person should look at (a column, and the queue); None: nothing is said.
        queue: .csv or .parquet file of those pictures; None = beside the rows, where they go to a file.
        every_stroke: of drawings given as strokes one row after every stroke, in place of one a drawing.
    """

    form: str | None = None
    top: int = 1
    client: str | None = None
    review: ReviewRule | None = None
    queue: Path | None = None
    every_stroke: bool = False


class PredictionColumns:
    """What a classifier's probabilities say, as columns of names and numbers.

    `predicted_label` and `confidence` are the likeliest class; `label_2`, `prob_2` … the next guesses up to
    `top`. Multi-label adds `tags` with `tag_probs`: every class at or above its threshold, the likeliest
    first. A taxonomy adds `nodes` with `node_probs`: the labels above the classes, the likeliest first. With
    `client` all labels have the names that the taxonomy keeps for it.
    """

    def __init__(self, card: ModelCard, top: int = 1, client: str | None = None) -> None:
        self.card, self.top, self.client = card, min(top, len(card.class_names)), client
        known = () if self.taxonomy is None else self.taxonomy.clients
        if client is not None and client not in known:
            expected = f"one of {', '.join(known)}" if known else "a taxonomy with clients"
            raise SettingsError(
                f"no names for client {client!r}",
                expected=expected,
                cure="docs/taxonomy.md tells how they are written.",
            )

    @cached_property
    def taxonomy(self) -> Taxonomy | None:
        """The taxonomy of the card."""
        return None if self.card.taxonomy is None else Taxonomy.from_json(self.card.taxonomy)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in order, behind `id` and `path`."""
        return tuple(self.columns(np.zeros((0, len(self.card.class_names)), dtype=np.float32)))

    def columns(self, probs: NDArray[np.float32]) -> Columns:
        """One list a column, one value a row of `probs` float32 (N, K)."""
        labels = np.array([self._shown(name) for name in self.card.class_names], dtype=object)
        # A stable sort keeps the first of equals first, as argmax does.
        order = np.argsort(-probs, axis=1, kind="stable")
        found: Columns = {}
        for rank in range(self.top):
            guess = order[:, rank]
            name, share = (
                ("predicted_label", "confidence") if rank == 0 else (f"label_{rank + 1}", f"prob_{rank + 1}")
            )
            found[name] = labels[guess].tolist()
            found[share] = np.take_along_axis(probs, guess[:, None], axis=1)[:, 0].tolist()
        if self.card.task == "multi-label":
            kept = [
                [index for index in line if row[index] >= self.card.cuts[index]]
                for line, row in zip(order, probs, strict=True)
            ]
            found["tags"] = [labels[line].tolist() for line in kept]
            found["tag_probs"] = [row[line].tolist() for line, row in zip(kept, probs, strict=True)]
        if self.taxonomy is not None:
            found |= self._nodes(self.taxonomy, probs)
        return found

    def _shown(self, name: str) -> str:
        if self.taxonomy is None or self.client is None:
            return name
        return self.taxonomy.display_name(self.taxonomy.resolve(name), self.client)

    def _nodes(self, taxonomy: Taxonomy, probs: NDArray[np.float32]) -> Columns:
        from lightfast.evaluate.hierarchy import node_probs

        known, shares = node_probs(taxonomy, self.card.class_names, probs, self.card.task)
        classes = {taxonomy.find(name) for name in self.card.class_names}
        inner = [index for index, name in enumerate(known) if name not in classes]
        names, shares = (
            np.array([self._shown(known[index]) for index in inner], dtype=object),
            shares[:, inner],
        )
        order = np.argsort(-shares, axis=1, kind="stable")
        return {
            "nodes": names[order].tolist(),
            "node_probs": np.take_along_axis(shares, order, axis=1).tolist(),
        }


def row_format(out: Path, form: str | None) -> RowFormat:
    """The form asked for, or that of the file's ending; raises SettingsError when neither says it."""
    wanted = form or out.suffix.lower().removeprefix(".")
    for known in get_args(RowFormat):
        if wanted == known:
            return known
    raise SettingsError(
        f"cannot tell how to write {out}" if form is None else f"form {form!r}",
        expected=", ".join(get_args(RowFormat)),
        cure="Give `form`, or a file ending in .csv, .jsonl or .parquet.",
    )


@contextmanager
def row_writer(
    out: Path, form: RowFormat, columns_of: PredictionColumns, marks: Sequence[str] = ()
) -> Generator[Write, None, None]:
    """Yield `write(columns, probs)`; rows go to OUT.part, which becomes OUT when the block ends well. The
    last columns are `marks`, of yes and no: NEEDS_REVIEW, SEEN (the model was fitted or chosen on it).

    When it does not, OUT.part stays: a whole file of the rows written so far (none is left when
    there are no rows).
    """
    make_folder(out.parent)
    part = out.with_name(f"{out.name}.part")
    names = ("id", "path", *columns_of.names, *marks)
    opened = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}[form]
    rows = 0

    def counted(columns: Columns, probs: NDArray[np.float32]) -> None:
        nonlocal rows
        write(columns, probs)
        rows += len(probs)

    with storage_errors(out):
        try:
            with opened(part, names, columns_of.card) as write:
                yield counted
            part.replace(out)
        finally:
            if not rows:
                part.unlink(missing_ok=True)


@contextmanager
def _csv(path: Path, names: Sequence[str], _card: ModelCard) -> Iterator[Write]:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(names)

        def write(columns: Columns, _probs: NDArray[np.float32]) -> None:
            writer.writerows(zip(*([_cell(value) for value in columns[name]] for name in names), strict=True))

        yield write


@contextmanager
def _jsonl(path: Path, names: Sequence[str], _card: ModelCard) -> Iterator[Write]:
    with path.open("w", encoding="utf-8") as stream:

        def write(columns: Columns, _probs: NDArray[np.float32]) -> None:
            stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows_of(columns, names))

        yield write


@contextmanager
def _parquet(path: Path, names: Sequence[str], card: ModelCard) -> Iterator[Write]:
    """The columns, and `pred_probs` with all probabilities; `Predictions.load` reads the file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = [name == "confidence" or "prob" in name for name in names]
    kinds = [pa.float32() if number else pa.string() for number in numbers]
    lists = ("tags", "tag_probs", "nodes", "node_probs")
    kinds = [pa.list_(kind) if name in lists else kind for name, kind in zip(names, kinds, strict=True)]
    kinds = [
        pa.bool_() if name in (SEEN, NEEDS_REVIEW) else kind for name, kind in zip(names, kinds, strict=True)
    ]
    fields = [*zip(names, kinds, strict=True), ("pred_probs", pa.list_(pa.float32(), len(card.class_names)))]
    record = {"class_names": card.class_names, "name": "predictions", "seed": card.seed}
    told = json.dumps({**record, "data_version": card.data_version})
    schema = pa.schema(fields, metadata={METADATA_KEY: told.encode()})
    waiting: list[Any] = []

    def flush() -> None:
        if waiting:
            table = pa.Table.from_batches(waiting, schema=schema)
            waiting.clear()
            writer.write_table(table)

    def write(columns: Columns, probs: NDArray[np.float32]) -> None:
        arrays = [pa.array(columns[name], type=kind) for name, kind in zip(names, kinds, strict=True)]
        flat = pa.array(np.ascontiguousarray(probs).ravel(), type=pa.float32())
        arrays.append(pa.FixedSizeListArray.from_arrays(flat, probs.shape[1]))
        waiting.append(pa.record_batch(arrays, schema=schema))
        if sum(len(one) for one in waiting) >= _GROUP:
            flush()

    with pq.ParquetWriter(path, schema) as writer:
        try:
            yield write
        finally:
            flush()


def rows_of(columns: Mapping[str, Sequence[Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """One mapping a picture, numbers rounded to six digits."""
    shown = zip(*([_rounded(value) for value in columns[name]] for name in names), strict=True)
    return [dict(zip(names, values, strict=True)) for values in shown]


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS)
    return [_rounded(one) for one in value] if isinstance(value, list) else value


def _cell(value: Any) -> Any:
    """A value for CSV; a list is JSON text, which survives commas and quotes in names."""
    value = _rounded(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value


def rows_text(rows: Sequence[Mapping[str, Any]], form: str) -> str:
    """One row a picture, as "csv" or as a table for the eye; lists (tags, nodes) with " | " between."""
    hidden = {"path", *[SEEN] * (not any(row.get(SEEN) for row in rows))}
    names = list(dict.fromkeys(key for row in rows for key in row if key not in hidden))
    lines = [names, *([_short(row.get(name), exact=form == "csv") for name in names] for row in rows)]
    if form == "csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(lines)
        return text.getvalue().rstrip("\n")
    return _table(lines, [any(isinstance(row.get(name), float) for row in rows) for name in names])


def _table(lines: Sequence[Sequence[str]], numbers: Sequence[bool]) -> str:
    """Cells flush right; a column of numbers keeps a place for a sign."""
    columns = zip(zip(*lines, strict=True), numbers, strict=True)
    widths = [max(map(len, column)) + number for column, number in columns]
    return "\n".join(
        " ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True)) for line in lines
    )


def _short(value: Any, exact: bool) -> str:
    """A cell: numbers with all their digits where `exact`, else with four."""
    if isinstance(value, list):
        return " | ".join(_short(one, exact=False) for one in value)
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) and not exact else str(value)


def save_rows(path: Path, result: Mapping[str, Any], form: str) -> Path:
    """Write what `tag_run` found as one JSON object, or as a table for the eye."""
    return (
        write_json(path, result)
        if form == "json"
        else write_text(path, rows_text(result["predictions"], form) + "\n")
    )
