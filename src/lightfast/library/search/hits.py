"""Pictures that a search found, with what is to be shown of them, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, true

from lightfast.base.errors import SettingsError
from lightfast.library.library import Library
from lightfast.library.people.client_view import client_label_ids, shown_name
from lightfast.library.review.disagree import kept_from
from lightfast.library.schema import assets, labels, places, tags
from lightfast.library.search.conditions import compile_query
from lightfast.library.search.cursor import named_search, read_cursor, write_cursor

MOST_A_PAGE = 1_000
_SAMPLED = 1_000


@dataclass(frozen=True)
class HitTag:
    """A label of a picture that was found; `score` is 1 where it was confirmed, 0 where it was rejected."""

    label: str
    state: str
    score: float


@dataclass(frozen=True)
class SearchHit:
    """A picture that was found.

    Attributes:
        asset_id: its number.
        uri: where one of its files lies; for a client its name alone.
        taken_at: the date in the picture.
        tags: the most probable first; for a client its own, in its words.
        similarity: its cosine with what was liked, or how well a word fits; None where nothing was compared.
    """

    asset_id: int
    uri: str
    taken_at: datetime | None
    tags: tuple[HitTag, ...]
    similarity: float | None = None


@dataclass(frozen=True)
class SearchPage:
    """Some of what a search found.

    Attributes:
        hits: the pictures.
        cursor: gives the next page; None: there is no more.
        notes: how it was searched, where that matters, a sentence each.
    """

    hits: tuple[SearchHit, ...]
    cursor: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facets:
    """How often labels stand among the newest `sampled` pictures of a search; `whole`: those are all that
    there are.
    """

    counts: tuple[tuple[str, int], ...]
    sampled: int
    whole: bool


def search_tags(
    library: Library,
    query: str = "",
    *,
    client: str = "",
    limit: int = 50,
    cursor: str | None = None,
    blind_to: int | None = None,
) -> SearchPage:
    """The pictures that satisfy a query, the newest first.

    Args:
        library: is read.
        query: see `syntax`; "" finds every picture that can be seen.
        client: whose words the labels are in, and who sees no more than it may (`compile_query`); "": the
            library's own, and everything.
        limit: pictures a page, 1 to 1,000.
        cursor: of the page before.
        blind_to: a user who may not know what others said of some pictures (`compile_query`).

    Raises DataError for a query that cannot be understood and for a cursor of another search.
    """
    require_limit(limit)
    named = named_search(library, "tags", query, client)
    before = None if cursor is None else read_cursor(named, cursor)[0]
    with library.store.read() as connection:
        compiled = compile_query(connection, query, client, blind_to)
        ids = connection.execute(compiled.pages(connection, before, limit + 1)).scalars().all()
        shown = describe_assets(connection, ids[:limit], client)
    return SearchPage(shown, write_cursor(named, [ids[limit - 1]]) if len(ids) > limit else None)


def find_facets(
    library: Library, query: str = "", *, client: str = "", blind_to: int | None = None
) -> Facets:
    """Which labels stand how often among the newest 1,000 pictures of a search: nothing is counted beyond,
    and no tag of pictures of which the user `blind_to` may not know what others said.
    """
    shown = true() if blind_to is None else ~kept_from(tags.c.asset_id, blind_to)
    if client:
        shown &= tags.c.label_id.in_(client_label_ids(client))
    with library.store.read() as connection:
        compiled = compile_query(connection, query, client, blind_to)
        ids = connection.execute(compiled.pages(connection, None, _SAMPLED + 1)).scalars().all()
        rows = connection.execute(
            select(tags.c.label_id, func.count())
            .where(tags.c.asset_id.in_(ids[:_SAMPLED]), tags.c.state != "rejected", shown)
            .group_by(tags.c.label_id)
        ).all()
        names = _label_texts(connection, [number for number, _ in rows], client)
    counts = sorted(((names[number], count) for number, count in rows), key=lambda one: (-one[1], one[0]))
    return Facets(tuple(counts), min(len(ids), _SAMPLED), len(ids) <= _SAMPLED)


def require_limit(limit: int) -> None:
    """Raise SettingsError for a page of no or too many pictures."""
    if not 1 <= limit <= MOST_A_PAGE:
        raise SettingsError(f"`limit` {limit}", expected=f"1 to {MOST_A_PAGE:,}")


def describe_assets(
    connection: Connection, ids: Sequence[int], client: str = "", similarity: dict[int, float] | None = None
) -> tuple[SearchHit, ...]:
    """What is to be shown of some pictures, in the order given; for a `client` what it may see of them."""
    if not ids:
        return ()
    taken = {row.id: row.taken_at for row in connection.execute(_assets(ids))}
    first: dict[int, str] = {}
    rows = select(places.c.asset_id, places.c.uri, places.c.source).where(places.c.asset_id.in_(ids))
    for row in connection.execute(rows.order_by(places.c.id)):
        first.setdefault(row.asset_id, shown_name(row.uri, row.source) if client else row.uri)
    said = select(tags).where(tags.c.asset_id.in_(ids)).order_by(tags.c.score.desc(), tags.c.label_id)
    if client:
        said = said.where(tags.c.label_id.in_(client_label_ids(client)))
    given = connection.execute(said).all()
    names = _label_texts(connection, [row.label_id for row in given], client)
    of: dict[int, list[HitTag]] = {}
    for row in given:
        of.setdefault(row.asset_id, []).append(HitTag(names[row.label_id], row.state, row.score))
    return tuple(
        SearchHit(one, first.get(one, ""), taken[one], tuple(of.get(one, ())), (similarity or {}).get(one))
        for one in ids
    )


def _assets(ids: Sequence[int]) -> Any:
    return select(assets.c.id, assets.c.taken_at).where(assets.c.id.in_(ids))


def _label_texts(connection: Connection, numbers: Sequence[int], client: str) -> dict[int, str]:
    """number → name, the client's own where it has one for this label."""
    wanted = set(numbers)
    if not wanted:
        return {}
    rows = connection.execute(select(labels.c.id, labels.c.name).where(labels.c.id.in_(wanted)))
    names = {row.id: row.name for row in rows}
    if client:
        own = labels.c.same_as_id.in_(wanted) & (labels.c.client == client)
        for row in connection.execute(select(labels.c.same_as_id, labels.c.name).where(own)):
            names[row.same_as_id] = row.name
    return names
