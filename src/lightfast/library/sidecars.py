"""The tags of a library beside the pictures, as XMP sidecars: only what it wrote is ever taken out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from lightfast.base.progress import Reporter, silent
from lightfast.data.decode.unreadable import printable
from lightfast.export.xmp import Refused, Style, sidecar_path, write_sidecars
from lightfast.export.xmp_keywords import Keyword
from lightfast.library.add import KEPT
from lightfast.library.library import Library
from lightfast.library.schema import assets, labels, places, tags
from lightfast.library.store import in_pages

_PAGE = 512
_INSIDE = Refused(
    "", "no file of it lies outside the library, where a sidecar could stand", "Export a table instead."
)


@dataclass(frozen=True)
class LibrarySidecars:
    """What became of the sidecars.

    Attributes:
        written: sidecars that were written or found up to date.
        pictures: the pictures that they belong to.
        refused: pictures that got none, with the reason: their tags stay in the library.
    """

    written: int
    pictures: int
    refused: tuple[Refused, ...]


def write_library_sidecars(
    library: Library, style: Style = "darktable", *, report: Reporter = silent
) -> LibrarySidecars:
    """Write every tag of the library into the sidecars beside its pictures, at every place where they lie.

    What people confirmed becomes a keyword beside those that are there, what a rule accepted or a model
    suggests is marked as such, what people rejected is taken out where we wrote it, and not suggested again
    by any model. A folder that cannot be written keeps its tags in the library, and is named.
    """
    owners: dict[str, int] = {}
    inside: list[Refused] = []
    done = write_sidecars(_rows(library, style, owners, inside, report), style)
    lost = {one.path for one in done.refused}
    written = {number for path, number in owners.items() if path not in lost}
    _mark(library, written)
    return LibrarySidecars(len(done.paths), len(written), (*inside, *done.refused))


def _rows(
    library: Library, style: Style, owners: dict[str, int], inside: list[Refused], report: Reporter
) -> Iterator[tuple[Path, list[Keyword]]]:
    """(picture file, its keywords); who owns which file is noted in `owners`."""
    with library.store.read() as connection:
        paths = _label_paths(connection)
    after = done = 0
    while True:
        with library.store.read() as connection:
            numbers = connection.execute(_page_after(after)).scalars().all()
            given, where = _tags(connection, numbers), _places(connection, numbers)
        if not numbers:
            return
        after, done = numbers[-1], done + len(numbers)
        for number in numbers:
            words = [one for row in given.get(number, ()) if (one := _keyword(row, paths))]
            if words and not where.get(number):
                inside.append(Refused(str(number), _INSIDE.reason, _INSIDE.cure))
            for path in where.get(number, ()):
                # Also without a tag: what we wrote earlier must not stay.
                if words or sidecar_path(path, style).is_file():
                    owners[printable(path)] = number
                    yield path, words
        report("sidecars", done, 0)


def _page_after(after: int) -> Select[Any]:
    seen = assets.c.deleted_at.is_(None) & assets.c.unreadable.is_(None)
    return select(assets.c.id).where(assets.c.id > after, seen).order_by(assets.c.id).limit(_PAGE)


def _keyword(row: Row[Any], paths: Mapping[int, tuple[tuple[str, ...], bool]]) -> Keyword | None:
    path, retired = paths[row.label_id]
    if row.state == "rejected":
        return Keyword(path, "rejected")
    if row.decision_id is not None or (row.state == "confirmed" and row.probability is None):
        return Keyword(path, "confirmed", library=True)
    return None if retired else Keyword(path, row.state, row.probability)


def _label_paths(connection: Connection) -> dict[int, tuple[tuple[str, ...], bool]]:
    """label → (names from the root of its tree, whether it left the taxonomy)."""
    rows = {row.id: row for row in connection.execute(select(labels))}

    def path(number: int, seen: tuple[int, ...] = ()) -> tuple[str, ...]:
        row = rows[number]
        above = row.parent_id
        whole = above in rows and above not in (*seen, number)
        return (*(path(above, (*seen, number)) if whole else ()), row.name)

    return {number: (path(number), row.retired_at is not None) for number, row in rows.items()}


def _tags(connection: Connection, numbers: Sequence[int]) -> dict[int, list[Row[Any]]]:
    found: dict[int, list[Row[Any]]] = {}
    wanted = select(tags).where(tags.c.asset_id.in_(numbers)).order_by(tags.c.asset_id, tags.c.label_id)
    for row in connection.execute(wanted):
        found.setdefault(row.asset_id, []).append(row)
    return found


def _places(connection: Connection, numbers: Sequence[int]) -> dict[int, list[Path]]:
    """asset → its files outside the library that are there."""
    found: dict[int, list[Path]] = {}
    wanted = select(places.c.asset_id, places.c.uri).where(places.c.asset_id.in_(numbers))
    for row in connection.execute(wanted.order_by(places.c.id)):
        if not row.uri.startswith(KEPT) and Path(row.uri).is_file():
            found.setdefault(row.asset_id, []).append(Path(row.uri))
    return found


def _mark(library: Library, numbers: set[int]) -> None:
    """Note which tags stand in files now."""
    for page in in_pages(sorted(numbers)):

        def write(connection: Connection, page: Sequence[int] = page) -> None:
            mine = update(tags).where(tags.c.asset_id.in_(page))
            connection.execute(mine.where(tags.c.state != "rejected").values(written=True))
            connection.execute(mine.where(tags.c.state == "rejected").values(written=False))

        library.store.act(write)
