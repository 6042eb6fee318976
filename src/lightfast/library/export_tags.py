"""The tags of a library as a table, or as the list of labelled pictures that `train` reads."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from lightfast.base.errors import DataError
from lightfast.base.files import atomic
from lightfast.library.find import uris_of
from lightfast.library.held_out import held_out_assets
from lightfast.library.labelled import labelled_assets
from lightfast.library.library import Library
from lightfast.library.schema import assets, decision_table, labels, models, tags, users

TAG_STATES = ("confirmed", "suggested", "rejected")
_COLUMNS = {
    "path": str,
    "label": str,
    "state": str,
    "probability": float,
    "rule": str,
    "model": str,
    "reviewer": str,
    "decided_at": str,
    "asset": int,
    "sha256": str,
}
"""Columns of the table and their types; cells may be empty."""
_PAGE = 2_000
_Row = dict[str, Any]


@dataclass(frozen=True)
class TagExport:
    """What was written: the file, how many rows of how many pictures, what was left out."""

    out: Path
    rows: int
    pictures: int
    notes: tuple[str, ...] = ()


def export_tags(library: Library, out: Path, states: Collection[str] = TAG_STATES) -> TagExport:
    """Write a row for every tag in one of `states` into a .csv, .jsonl or .parquet file.

    Raises DataError for another ending, a file that is there, and a state that is none.
    """
    if wrong := set(states) - set(TAG_STATES):
        raise DataError(f"`state` {sorted(wrong)[0]!r}", expected=" or ".join(TAG_STATES))
    seen = set[int]()
    with library.store.read() as connection:
        rows = _write(out, list(_COLUMNS), _tag_rows(connection, states, seen))
    return TagExport(out, rows, len(seen))


def export_labels(library: Library, out: Path) -> TagExport:
    """Write the pictures with what people confirmed, one row each, as `train` takes it: `path` and `label`,
    or `labels` where some picture has several; with an untouched part (`held_out`) also `split`, which keeps
    it out of the training. What people only rejected has no label to be taught, and is counted in the notes.

    Raises DataError as `export_tags` does, and where people have confirmed nothing.
    """
    found = labelled_assets(library)
    if not found.pictures:
        raise DataError("people have confirmed nothing yet", cure="Decide: lightfast library review LIBRARY.")
    name = "labels" if found.several else "label"
    plain = out.suffix.lower() == ".csv"

    def cell(names: tuple[str, ...]) -> Any:
        if not found.several:
            return names[0]
        return json.dumps(names, ensure_ascii=False) if plain else list(names)

    with library.store.read() as connection:
        held = held_out_assets(connection) & {one.asset_id for one in found.pictures}
    part = ["split"] if held else []
    rows = (
        {"path": str(one.path), name: cell(one.labels)}
        | dict.fromkeys(part, "test" if one.asset_id in held else "train")
        for one in found.pictures
    )
    count = _write(out, ["path", name, *part], rows)
    notes = found.notes
    if held:
        notes = (*notes, f"{len(held):,} pictures of the untouched part are the test split")
    return TagExport(out, count, count, notes)


def _tag_rows(connection: Connection, states: Collection[str], seen: set[int]) -> Iterator[_Row]:
    """Page by page, in the order of the pictures."""
    after = (0, 0)
    while True:
        page = connection.execute(_page_after(after, states)).all()
        if not page:
            return
        after = (page[-1].asset_id, page[-1].label_id)
        paths = uris_of(connection, {row.asset_id for row in page})
        for row in page:
            seen.add(row.asset_id)
            said = {name: getattr(row, name) for name in _COLUMNS if name in row._mapping}
            yield {
                **said,
                "path": paths.get(row.asset_id, ""),
                "asset": row.asset_id,
                "decided_at": row.at.isoformat(timespec="seconds") if row.at else None,
            }


def _page_after(after: tuple[int, int], states: Collection[str]) -> Any:
    asset, label = after
    columns = [tags.c[name] for name in ("asset_id", "label_id", "state", "probability", "rule")]
    names = [labels.c.name.label("label"), models.c.name.label("model"), users.c.name.label("reviewer")]
    return (
        select(*columns, *names, decision_table.c.at, assets.c.sha256)
        .join(assets, assets.c.id == tags.c.asset_id)
        .join(labels, labels.c.id == tags.c.label_id)
        .outerjoin(models, models.c.id == tags.c.model_id)
        .outerjoin(decision_table, decision_table.c.id == tags.c.decision_id)
        .outerjoin(users, users.c.id == decision_table.c.user_id)
        .where((tags.c.asset_id > asset) | ((tags.c.asset_id == asset) & (tags.c.label_id > label)))
        .where(assets.c.deleted_at.is_(None), tags.c.state.in_(list(states)))
        .order_by(tags.c.asset_id, tags.c.label_id)
        .limit(_PAGE)
    )


def require_new_file(out: Path, endings: Collection[str]) -> None:
    """Refuse a file that is there already, and one of another ending (DataError)."""
    if not out.name.lower().endswith(tuple(endings)):
        raise DataError(f"`out` {out}", expected=f"a file that ends in {' or '.join(endings)}")
    if out.exists():
        raise DataError(f"{out} is there already", cure="Name another file as `out`.")


def _write(out: Path, columns: list[str], rows: Iterator[_Row]) -> int:
    require_new_file(out, (".csv", ".jsonl", ".parquet"))
    count = 0
    with atomic(out) as temporary:
        if out.suffix.lower() == ".parquet":
            return _write_parquet(temporary, columns, rows)
        with temporary.open("w", encoding="utf-8", newline="") as stream:
            table = csv.DictWriter(stream, columns)
            if out.suffix.lower() == ".csv":
                table.writeheader()
            for row in rows:
                count += 1
                if out.suffix.lower() == ".csv":
                    table.writerow(row)
                else:
                    stream.write(json.dumps(row, ensure_ascii=False) + "\n")
    return count


def _write_parquet(path: Path, columns: list[str], rows: Iterator[_Row]) -> int:
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {str: pa.string(), float: pa.float64(), int: pa.int64()}
    known = {name: kinds[kind] for name, kind in _COLUMNS.items()} | {"labels": pa.list_(pa.string())}
    known["split"] = pa.string()
    schema = pa.schema([(name, known[name]) for name in columns])
    count, page = 0, list[_Row]()
    with parquet.ParquetWriter(path, schema) as writer:
        for row in rows:
            page.append(row)
            if len(page) == _PAGE:
                writer.write_table(pa.Table.from_pylist(page, schema))
                count, page = count + len(page), []
        writer.write_table(pa.Table.from_pylist(page, schema))
    return count + len(page)
