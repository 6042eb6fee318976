"""Pictures into a library: files in transactions of some hundreds; a stopped job goes on where it was."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from lightfast.base.files import atomic
from lightfast.base.progress import Reporter, silent
from lightfast.data.dataset import Unreadable
from lightfast.data.decode.stream import map_in_order
from lightfast.data.decode.unreadable import printable
from lightfast.data.lists.listing import picture_entries
from lightfast.data.sources.resolve import SourceResolver
from lightfast.library.facts import FileFacts, file_facts, modified_at
from lightfast.library.library import Library
from lightfast.library.schema import assets, places, tagged
from lightfast.library.store import now
from lightfast.library.views import THUMBNAIL, write_view

_BATCH = 256
KEPT = "kept:"


@dataclass(frozen=True)
class AddResult:
    """What `add_pictures` did.

    Attributes:
        added: pictures that the library did not know.
        known: files that were in the library, unchanged.
        copies: files whose bytes the library knew from another place.
        changed: files that hold another picture than when they were added: their place now leads to it.
        restored: pictures that had been deleted and are back.
        unreadable: files that are no picture, by name; they are in the library with their reason.
        notes: what was left out, a sentence each.
    """

    added: int = 0
    known: int = 0
    copies: int = 0
    changed: int = 0
    restored: int = 0
    unreadable: tuple[Unreadable, ...] = ()
    notes: tuple[str, ...] = ()

    def plus(self, other: AddResult) -> AddResult:
        """Both together."""
        return AddResult(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True, eq=False)
class Found:
    """A file on its way into the library: its address there, what the user named to add it, and what was
    found out about it.
    """

    uri: str
    source: str
    facts: FileFacts


def add_pictures(
    library: Library, sources: Sequence[str], *, keep: bool = False, report: Reporter = silent
) -> AddResult:
    """Add every picture file that `sources` name.

    Files that were added before and have not changed since (size and time) are not opened again, so that a
    stopped job is gone on with by calling it again. Every few hundred files are one transaction.

    Args:
        library: is written.
        sources: files, folders, tables with a column `path`, archives, addresses.
        keep: copy the files into the library instead of leaving them where they are.
        report: told of every batch.

    Raises DataError as `picture_entries` does for a source that is not there.
    """
    listing = picture_entries(sources, report)
    source = ", ".join(map(printable, sources))
    named = [(one.path, _address(one.path, listing.resolver)) for one in listing.entries]
    total = AddResult(unreadable=listing.unreadable, notes=listing.notes)
    for start in range(0, len(named), _BATCH):
        batch = named[start : start + _BATCH]
        total = total.plus(_add_batch(library, source, batch, keep))
        report("adding", start + len(batch), len(named))
    return total


def add_rows(connection: Connection, found: Sequence[Found]) -> AddResult:
    """Write what was found out about some files, in the transaction of `connection`."""
    if not found:
        return AddResult()
    by_hash = {one.facts.sha256: one.facts for one in found}
    before = _known_assets(connection, by_hash)
    moment = now()
    fresh = [_asset_row(facts, moment) for digest, facts in by_hash.items() if digest not in before]
    _insert_new(connection, assets, fresh, "sha256")
    ids = {digest: number for digest, (number, _) in _known_assets(connection, by_hash).items()}
    gone = [number for number, deleted in before.values() if deleted]
    if gone:
        connection.execute(update(assets).where(assets.c.id.in_(gone)).values(deleted_at=None))
    said = _write_places(connection, found, ids, moment)
    unreadable = tuple(Unreadable(one.uri, one.facts.unreadable) for one in found if one.facts.unreadable)
    readable = sum(row["unreadable"] is None for row in fresh)
    return replace(said, added=readable, restored=len(gone), unreadable=unreadable)


def _address(path: Path, resolver: SourceResolver) -> str:
    """The absolute path of a file, or what the user named to fetch it."""
    said = resolver.display_text(str(path))
    return printable(path.absolute()) if said == str(path) else said


def _add_batch(library: Library, source: str, batch: Sequence[tuple[Path, str]], keep: bool) -> AddResult:
    with library.store.read() as connection:
        known = _unchanged(connection, batch)

    def work(one: tuple[Path, str]) -> Found | Unreadable:
        path, uri = one
        try:
            facts = file_facts(path)
        except OSError as error:
            return Unreadable(uri, error.strerror or type(error).__name__)
        if facts.content is not None and facts.pixels is not None:
            write_view(library.thumbnails, facts.content, facts.pixels, THUMBNAIL)
        if keep and facts.unreadable is None:
            uri = _kept(library, path, facts.sha256)
        return Found(uri, source, replace(facts, pixels=None))

    read = list(map_in_order(work, [one for one in batch if one[1] not in known]))
    found = [one for one in read if isinstance(one, Found)]
    lost = tuple(one for one in read if isinstance(one, Unreadable))
    said = library.store.act(lambda connection: add_rows(connection, found))
    return said.plus(AddResult(known=len(known), unreadable=lost))


def _unchanged(connection: Connection, batch: Sequence[tuple[Path, str]]) -> set[str]:
    """The addresses whose files are as they were when they were added, and were not deleted since."""
    rows = connection.execute(
        select(places.c.uri, places.c.size, places.c.modified_at)
        .join(assets)
        .where(places.c.uri.in_([uri for _, uri in batch]), assets.c.deleted_at.is_(None))
    )
    noted = {row.uri: (row.size, row.modified_at) for row in rows}
    return {uri for path, uri in batch if uri in noted and noted[uri] == _state(path)}


def _state(path: Path) -> tuple[int, datetime] | None:
    try:
        return path.stat().st_size, modified_at(path)
    except OSError:
        return None


def _kept(library: Library, path: Path, digest: str) -> str:
    target = library.kept / digest[:2] / f"{digest}{path.suffix.lower()}"
    if not target.is_file():
        with atomic(target) as temporary:
            shutil.copyfile(path, temporary)
    return f"{KEPT}{target.relative_to(library.kept)}"


def _asset_row(facts: FileFacts, moment: datetime) -> dict[str, Any]:
    names = ("sha256", "content", "perceptual_hash", "width", "height", "format", "taken_at", "unreadable")
    return {name: getattr(facts, name) for name in names} | {"bytes": facts.size, "added_at": moment}


def _known_assets(connection: Connection, digests: Iterable[str]) -> dict[str, tuple[int, datetime | None]]:
    rows = connection.execute(
        select(assets.c.sha256, assets.c.id, assets.c.deleted_at).where(assets.c.sha256.in_(list(digests)))
    )
    return {row.sha256: (row.id, row.deleted_at) for row in rows}


def _write_places(
    connection: Connection, found: Sequence[Found], ids: Mapping[str, int], moment: datetime
) -> AddResult:
    rows = connection.execute(
        select(places.c.uri, places.c.asset_id).where(places.c.uri.in_([one.uri for one in found]))
    )
    before = {row.uri: row.asset_id for row in rows}
    seen = set(
        connection.execute(
            select(places.c.asset_id).where(places.c.asset_id.in_(list(set(ids.values())))).distinct()
        ).scalars()
    )
    fresh: dict[str, dict[str, Any]] = {}
    copies = changed = 0
    for one in found:
        facts = one.facts
        asset = ids[facts.sha256]
        row = {"asset_id": asset, "size": facts.size, "modified_at": facts.modified_at, "lost_at": None}
        if one.uri in before:
            changed += before[one.uri] != asset
            connection.execute(update(places).where(places.c.uri == one.uri).values(**row))
        elif one.uri not in fresh:
            copies += asset in seen
            seen.add(asset)
            fresh[one.uri] = row | {"uri": one.uri, "source": one.source, "added_at": moment}
    _insert_new(connection, places, list(fresh.values()), "uri")
    # What a model could not read then may be there now.
    again = tagged.c.asset_id.in_(list(set(ids.values()))) & tagged.c.failed.isnot(None)
    connection.execute(delete(tagged).where(again))
    return AddResult(copies=copies, changed=changed)


def _insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], key: str) -> None:
    """Insert the rows whose `key` nobody has written meanwhile."""
    if not rows:
        return
    kind = sqlite if connection.dialect.name == "sqlite" else postgresql
    connection.execute(kind.insert(table).on_conflict_do_nothing(index_elements=[key]), list(rows))
