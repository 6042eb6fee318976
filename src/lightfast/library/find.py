"""Pictures of a library by what people call them: a number, a path, an address, a hash."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, select

from lightfast.base.errors import DataError
from lightfast.library.schema import assets, places
from lightfast.library.store import in_pages

_DIGITS = 19
"""Numbers of rows are shorter."""
_SHA256, _CONTENT = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{32}")


def find_assets(connection: Connection, names: Iterable[str], bases: Sequence[Path] = ()) -> dict[str, int]:
    """name → picture, of those names that lead to one picture.

    Args:
        connection: to the library.
        names: numbers of pictures, paths (as they are, below one of `bases`, or the end of a path that only
            one picture has), addresses, SHA-256 of the file, content hash of the pixels.
        bases: folders that relative paths may start at, beside the working folder.
    """
    found: dict[str, int] = {}
    rest = list(dict.fromkeys(names))
    ways: tuple[Callable[[Connection, Sequence[str]], dict[str, int]], ...] = (
        _by_number,
        lambda one, left: _by_hash(one, left, _SHA256, assets.c.sha256),
        lambda one, left: _by_hash(one, left, _CONTENT, assets.c.content),
        lambda one, left: _by_path(one, left, bases),
        _by_ending,
    )
    for way in ways:
        if rest:
            found |= way(connection, rest)
            rest = [name for name in rest if name not in found]
    return found


def require_assets(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """`find_assets`, or a DataError that names the first that is not there."""
    wanted = list(names)
    found = find_assets(connection, wanted)
    if missing := [name for name in wanted if name not in found]:
        more = f" (and {len(missing) - 1:,} more)" if len(missing) > 1 else ""
        raise DataError(
            f"picture {missing[0]!r}{more} is not in the library",
            cure="Name pictures by their number or path: `library review` shows both.",
        )
    return found


def uris_of(connection: Connection, asset_ids: Iterable[int]) -> dict[int, str]:
    """asset → one address that it has or had: where its file is gone, still what it was called."""
    found: dict[int, str] = {}
    for page in in_pages(asset_ids):
        rows = connection.execute(
            select(places.c.asset_id, places.c.uri)
            .where(places.c.asset_id.in_(page))
            .order_by(places.c.id.desc())
        )
        found |= {row.asset_id: row.uri for row in rows}
    return found


def _by_number(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    numbers = {name: int(name) for name in names if name.isdecimal() and len(name) < _DIGITS}
    known: set[int] = set()
    for page in in_pages(set(numbers.values())):
        known |= set(connection.execute(select(assets.c.id).where(assets.c.id.in_(page))).scalars())
    return {name: number for name, number in numbers.items() if number in known}


def _by_hash(
    connection: Connection, names: Sequence[str], pattern: re.Pattern[str], column: ColumnElement[str]
) -> dict[str, int]:
    hashes = [name for name in names if pattern.fullmatch(name)]
    return _single(_pairs(connection, column, assets.c.id, hashes))


def _pairs(
    connection: Connection, column: ColumnElement[str], number: ColumnElement[int], texts: Iterable[str]
) -> dict[str, set[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for page in in_pages(texts):
        for text, one in connection.execute(select(column, number).where(column.in_(page))).all():
            found[text].add(one)
    return found


def _single(found: Mapping[str, Collection[int]]) -> dict[str, int]:
    return {text: next(iter(numbers)) for text, numbers in found.items() if len(numbers) == 1}


def _by_path(connection: Connection, names: Sequence[str], bases: Sequence[Path]) -> dict[str, int]:
    """Paths and addresses as they are, then from the working folder, then below each base."""
    tried = {
        name: [name, str(Path(name).absolute()), *(str(base / name) for base in bases)] for name in names
    }
    known = _single(
        _pairs(connection, places.c.uri, places.c.asset_id, {uri for one in tried.values() for uri in one})
    )
    first = {name: next((known[uri] for uri in uris if uri in known), None) for name, uris in tried.items()}
    return {name: number for name, number in first.items() if number is not None}


def _by_ending(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    """Relative names that are the end of the paths of one picture only; one walk over all places."""
    wanted: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if name.strip("/"):
            wanted[Path(name).name].append(name)
    found: dict[str, set[int]] = defaultdict(set)
    rows = connection.execution_options(yield_per=5_000).execute(select(places.c.uri, places.c.asset_id))
    for uri, number in rows:
        for name in wanted.get(uri.rpartition("/")[2], ()):
            if uri.endswith(f"/{name}"):
                found[name].add(number)
    return _single(found)
