"""The files of a library's pictures: where they lie now, and whether they are still those that were added."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import Connection, select

from lightfast.data.dataset import Address
from lightfast.data.sources.remote import is_address
from lightfast.library.add import KEPT
from lightfast.library.facts import modified_at
from lightfast.library.library import Library
from lightfast.library.schema import assets, places


def files_of(library: Library, connection: Connection, asset_ids: Iterable[int]) -> dict[int, Path]:
    """asset → a file of this machine that still has the size and time noted when it was added.

    A copy inside the library comes first. Pictures without such a file (moved, changed, on another machine)
    are left out.
    """
    rows = connection.execute(
        select(places.c.asset_id, places.c.uri, places.c.size, places.c.modified_at)
        .where(places.c.asset_id.in_(list(asset_ids)))
        .order_by(places.c.asset_id, ~places.c.uri.startswith(KEPT), places.c.id)
    )
    found: dict[int, Path] = {}
    for row in rows:
        if row.asset_id not in found and (path := _file(library, row.uri, row.size, row.modified_at)):
            found[row.asset_id] = path
    return found


def addresses_of(connection: Connection, asset_ids: Iterable[int]) -> dict[int, Address]:
    """asset → an address elsewhere at which it was added, and the bytes that it had."""
    rows = connection.execute(
        select(places.c.asset_id, places.c.uri, assets.c.sha256)
        .join(assets)
        .where(places.c.asset_id.in_(list(asset_ids)))
        .order_by(places.c.asset_id, places.c.id)
    )
    found: dict[int, Address] = {}
    for row in rows:
        if is_address(row.uri):
            found.setdefault(row.asset_id, Address(row.uri, sha256=row.sha256))
    return found


def _file(library: Library, uri: str, size: int, modified: object) -> Path | None:
    kept = uri.startswith(KEPT)
    path = library.kept / uri.removeprefix(KEPT) if kept else Path(uri)
    try:
        same = path.stat().st_size == size and (kept or modified_at(path) == modified)
    except OSError:
        return None
    return path if same else None
