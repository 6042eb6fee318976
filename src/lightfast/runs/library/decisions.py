"""The decisions of a library as a log that `relabel` takes: in the names and the pixels of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select

from lightfast.base.errors import DataError
from lightfast.data.decisions import Decision, DecisionLog
from lightfast.data.images import ImageSet
from lightfast.library.export_tags import require_new_file
from lightfast.library.find import find_assets, uris_of
from lightfast.library.library import Library
from lightfast.library.review.tag_states import live_decisions
from lightfast.library.schema import assets, decision_table, labels, users
from lightfast.library.store import in_pages
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import prepare


@dataclass(frozen=True)
class DecisionExport:
    """What was written: the log, how many decisions about how many pictures, what was left out."""

    out: Path
    decisions: int
    pictures: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Picture:
    """A picture as a data set knows it: id, content hash at the size that is read, label; `asset` here."""

    asset: int
    id: str
    content: str
    given: str | None


def export_decisions(
    library: Library, out: Path, options: RunOptions, source: str | None = None
) -> DecisionExport:
    """Write the decisions that hold into a decision log, in the order in which they were made.

    A library knows a picture by the hash of its file, a data set by its id and the hash of its pixels at the
    size at which they are read: with `source` the data set is read as `relabel` reads it, and its pictures
    are found in the library by their paths, or by their pixels.

    Args:
        library: is read.
        out: a new .jsonl.
        options: `image_size`, `root` and so on, as `relabel` is given them.
        source: the data set that is to be relabelled; None: pictures by path, hashes of whole pictures.

    Raises DataError where no picture of the data set is in the library, or nothing was decided about one.
    """
    require_new_file(out, (".jsonl",))
    with library.store.read() as connection:
        if source is None:
            pictures, names, lost = _own_pictures(connection), None, 0
        else:
            pictures, names, lost = _pictures_of(connection, source, options)
        rows = _decided(connection, pictures)
        said = _names(connection)
    found, notes = [], [f"{lost:,} pictures of {source} are not in the library"] * bool(lost)
    left: dict[str, int] = {}
    for row in rows:
        for picture in pictures[row.asset_id]:
            one = _as_decision(row, picture, said, names)
            if isinstance(one, str):
                left[one] = left.get(one, 0) + 1
            else:
                found.append(one)
    notes += [f"{count:,} decisions were left out: {why}" for why, count in left.items()]
    if not found:
        raise DataError(
            "no decision to export", got="; ".join(notes), cure="Decide first, or name the data set."
        )
    log = DecisionLog(out)
    for one in found:
        log.append(one)
    return DecisionExport(out, len(found), len({one.picture for one in found}), tuple(notes))


def _as_decision(
    row: Row[Any],
    picture: _Picture,
    said: tuple[Mapping[int, str], Mapping[int, str]],
    names: Sequence[str] | None,
) -> Decision | str:
    """The decision in the words of the data set, or why it says nothing there."""
    label = said[0][row.label_id]
    if row.act == "confirm" and names is not None and label not in names:
        return f"{label!r} is no class of the data set"
    if row.act == "reject" and picture.given not in (None, label):
        return "they say what a picture is not, and the data set does not call it that"
    return Decision(
        picture=picture.id,
        content=picture.content,
        given_label=label if row.act == "reject" else picture.given,
        decided_label=label if row.act == "confirm" else None,
        reviewer=said[1][row.user_id],
        when=row.at.astimezone(UTC).isoformat(timespec="seconds"),
        reason=row.reason,
        seconds=row.seconds,
    )


def _own_pictures(connection: Connection) -> dict[int, list[_Picture]]:
    decided = connection.execute(select(decision_table.c.asset_id).distinct()).scalars().all()
    paths = uris_of(connection, decided)
    rows = _assets(connection, decided)
    return {
        number: [_Picture(number, paths.get(number, ""), row.content, None)]
        for number, row in rows.items()
        if row.content
    }


def _assets(connection: Connection, numbers: Sequence[int]) -> dict[int, Any]:
    columns = select(assets.c.id, assets.c.content).where(assets.c.deleted_at.is_(None))
    rows = [
        row for page in in_pages(numbers) for row in connection.execute(columns.where(assets.c.id.in_(page)))
    ]
    return {row.id: row for row in rows}


def _pictures_of(
    connection: Connection, source: str, options: RunOptions
) -> tuple[dict[int, list[_Picture]], tuple[str, ...], int]:
    """(asset → pictures of the data set, its classes, how many of its pictures are not in the library)."""
    parts = prepare(source, options, near="none").data.parts.values()
    base = Path(source).absolute()
    bases = [*([Path(options.root).absolute()] if options.root else []), base, base.parent]
    ids = [name for images in parts for name in images.ids]
    found = find_assets(connection, ids, bases)
    rest = {
        pair
        for images in parts
        for pair in zip(images.ids, images.content_hashes, strict=True)
        if pair[0] not in found
    }
    by_pixels = find_assets(connection, [content for _, content in rest])
    found |= {name: by_pixels[content] for name, content in rest if content in by_pixels}
    pictures: dict[int, list[_Picture]] = {}
    for one in _as_pictures(parts, found):
        pictures.setdefault(one.asset, []).append(one)
    return pictures, next(iter(parts)).class_names, sum(name not in found for name in ids)


def _as_pictures(parts: Any, found: Mapping[str, int]) -> Iterator[_Picture]:
    images: ImageSet
    for images in parts:
        labels_ = images.require_labels()
        for name, content, label in zip(images.ids, images.content_hashes, labels_.tolist(), strict=True):
            if name in found:
                yield _Picture(found[name], name, content, images.class_names[label])


def _decided(connection: Connection, pictures: Mapping[int, Any]) -> list[Row[Any]]:
    """The decisions about these pictures that hold, in their order."""
    rows: list[Row[Any]] = []
    for page in in_pages(sorted(pictures)):
        rows += connection.execute(select(decision_table).where(decision_table.c.asset_id.in_(page))).all()
    return live_decisions(rows)


def _names(connection: Connection) -> tuple[dict[int, str], dict[int, str]]:
    """(label → its name in the library's own words, user → name)."""
    rows = {row.id: row for row in connection.execute(select(labels))}
    own = {number: rows.get(row.same_as_id, row).name for number, row in rows.items()}
    return own, {row.id: row.name for row in connection.execute(select(users.c.id, users.c.name))}
