"""A search as conditions of the database, and how the database finds the pictures without reading all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    union,
)

from lightfast.base.errors import DataError
from lightfast.library.people.client_view import client_label_ids, named_like, seen_by_client
from lightfast.library.review.disagree import kept_from
from lightfast.library.schema import assets, decision_table, places, queue_table, tags, users
from lightfast.library.search.label_names import LabelNames, load_label_names, nearest_names
from lightfast.library.search.syntax import (
    AndTerm,
    DateTerm,
    FieldTerm,
    LabelTerm,
    NotTerm,
    OrTerm,
    Term,
    parse_query,
)

RARE = 10_000
"""What fewer pictures than this can satisfy is looked up first; counts end here."""
QUICKLY_SORTED = 1_000
"""Fewer than this are looked up and sorted rather than found along a label's index."""
_COMPARE: dict[str, Callable[[Any, float], ColumnElement[bool]]] = {
    ">=": lambda column, value: column >= value,
    ">": lambda column, value: column > value,
    "<=": lambda column, value: column <= value,
    "<": lambda column, value: column < value,
    "=": lambda column, value: column == value,
}


@dataclass(frozen=True, eq=False)
class CompiledQuery:
    """A search, ready for the database.

    Attributes:
        term: what it means.
        names: the labels that it may name.
        users: name → number of everybody.
        condition: over the columns of `assets`, all of it.
        around: of it what holds beside `term`: deleted and unreadable pictures are left out where the search
            does not ask for them, and what the searcher may not know.
        plain: whether it asks for nothing: every picture that can be seen.
        client: of whose pictures and labels alone it speaks; "": of all.
    """

    term: Term
    names: LabelNames
    users: dict[str, int]
    condition: ColumnElement[bool]
    around: ColumnElement[bool]
    plain: bool
    client: str = ""

    def pages(self, connection: Connection, before: int | None, limit: int) -> Select[Any]:
        """The ids of at most `limit` pictures, the newest first, those before the id `before`.

        A label that must be there is walked along its index; what few can satisfy is looked up first; else
        pictures are tried from the newest on.
        """
        few = self._few(connection, RARE)
        # A walk ends when the page is full: only a handful is quicker sorted than that.
        driven = self._driven(connection, RARE if few[0] >= QUICKLY_SORTED else few[0], RARE)
        if driven is not None:
            return _before(*driven, before, limit)
        if few[1] is not None:
            rows = few[1].cte("few")
            own = select(assets.c.id).select_from(rows.join(assets, assets.c.id == rows.c.asset_id))
            return _before(own.where(self.condition), assets.c.id, before, limit)
        return _before(select(assets.c.id).where(self.condition), assets.c.id, before, limit)

    def few(self, connection: Connection, most: int) -> FromClause | None:
        """A table with a column `asset_id` that holds every picture that can satisfy the search (and
        others), where these are fewer than `most`; else None.
        """
        rows = self._few(connection, most)[1]
        return None if rows is None else rows.subquery()

    def matching(self, connection: Connection, most: int | None = None) -> Select[Any]:
        """The ids of all pictures that satisfy the search, in no order; fewer than `most` (None: RARE) are
        looked up.
        """
        most = RARE if most is None else most
        bound, few = self._few(connection, most)
        driven = self._driven(connection, bound, most)
        if driven is not None:
            return driven[0]
        own = select(assets.c.id).where(self.condition)
        if few is None:
            return own
        rows = few.subquery()
        return own.join(rows, rows.c.asset_id == assets.c.id)

    def _few(self, connection: Connection, most: int) -> tuple[int, Select[Any] | None]:
        """(how many pictures can satisfy the search, counted to `most`; a table of them, None for more)."""
        bound, rows = _candidates(self, connection, self.term, most)
        if self.client:
            own = select(tags.c.asset_id).where(tags.c.label_id.in_(client_label_ids(self.client))).distinct()
            bound, rows = min((bound, rows), (_capped(connection, own, most), own), key=lambda one: one[0])
        return bound, rows if bound < most else None

    def _driven(
        self, connection: Connection, bound: int, most: int
    ) -> tuple[Select[Any], ColumnElement[int]] | None:
        """The ids of all pictures that satisfy the search, along the index of the rarest label without others
        below it that must be there, and the column that orders them; None where there is no such label, and
        where it has more than the `bound` that is known otherwise; all counted to `most`.
        """
        found: list[tuple[int, int, LabelTerm]] = []
        required = list(_required(self.term))
        for term in required:
            if isinstance(term, LabelTerm):
                numbers = _numbers(self, term)
                if len(numbers) == 1:
                    found.append((_count_tags(connection, numbers, most), numbers[0], term))
        found = [one for one in found if one[0] <= bound]
        if not found:
            return None
        _, number, driver = min(found, key=lambda one: one[0])
        rows = tags.alias("driver")
        own = select(assets.c.id).select_from(rows.join(assets, assets.c.id == rows.c.asset_id))
        # What the index has said already is not asked again.
        rest = [_condition(self, term) for term in required if term is not driver]
        own = own.where(rows.c.label_id == number, _held(driver, rows), *rest, self.around)
        return own, rows.c.asset_id


def compile_query(
    connection: Connection, text: str, client: str = "", blind_to: int | None = None
) -> CompiledQuery:
    """Understand a search (see `syntax`), its labels in the library's own words. A search of a `client` is in
    the client's words and finds what its users may see (`client_view`): no picture without a label of the
    client's, none by what stands on it besides or by the folder of its file, and no search by people, sources
    or what waits. A search by labels or fields leaves out pictures of which the user `blind_to` may not know
    what others said (`disagree.kept_from`).

    Raises DataError with the character for what cannot be understood, for labels and people that are not
    there, with the nearest names; of a client for what it may not ask, whatever the answer were.
    """
    term = parse_query(text)
    if client:
        _require_client_terms(term)
        people = {}
    else:
        people = {row.name: row.id for row in connection.execute(select(users.c.id, users.c.name))}
    names = load_label_names(connection, client)
    start = CompiledQuery(term, names, people, true(), true(), plain=term == AndTerm(()), client=client)
    around = and_(true(), *_usual(term))
    if client:
        around &= seen_by_client(client)
    told = any(isinstance(one, LabelTerm | FieldTerm) for one in _all_terms(term))
    if blind_to is not None and told:
        around &= ~kept_from(assets.c.id, blind_to)
    return replace(start, condition=and_(_condition(start, term), around), around=around)


def _require_client_terms(term: Term) -> None:
    """Refuse a search by what a client does not see: who decided, folders, what is queued; in the same words
    whatever is asked for.
    """
    for one in _all_terms(term):
        if isinstance(one, FieldTerm) and (
            one.field in ("by", "source") or (one.field, one.value) == ("is", "waiting")
        ):
            what = "is:waiting" if one.field == "is" else f"{one.field}:"
            raise DataError(
                f"{what} at character {one.at} is not for viewers of a client",
                cure="Search by labels, dates and names.",
            )


def _usual(term: Term) -> Iterator[ColumnElement[bool]]:
    """What is left out where the search does not speak of it."""
    asked = {one.value for one in _all_terms(term) if isinstance(one, FieldTerm) and one.field == "is"}
    if "deleted" not in asked:
        yield assets.c.deleted_at.is_(None)
    if "unreadable" not in asked:
        yield assets.c.unreadable.is_(None)


def _all_terms(term: Term) -> Iterator[Term]:
    yield term
    if isinstance(term, NotTerm):
        yield from _all_terms(term.term)
    elif isinstance(term, AndTerm | OrTerm):
        for one in term.terms:
            yield from _all_terms(one)


def _required(term: Term) -> Iterator[Term]:
    """The conditions that must all hold."""
    if isinstance(term, AndTerm):
        for one in term.terms:
            yield from _required(one)
    else:
        yield term


def _condition(query: CompiledQuery, term: Term) -> ColumnElement[bool]:
    match term:
        case AndTerm():
            return and_(true(), *(_condition(query, one) for one in term.terms))
        case OrTerm():
            return or_(false(), *(_condition(query, one) for one in term.terms))
        case NotTerm():
            return not_(_condition(query, term.term))
        case LabelTerm():
            return _has_tag(tags.c.label_id.in_(_numbers(query, term)), _held(term, tags))
        case DateTerm():
            return _dated(term)
        case FieldTerm():
            return _FIELDS[term.field](query, term)


def _numbers(query: CompiledQuery, term: LabelTerm) -> tuple[int, ...]:
    # "Not an animal" says nothing of dogs; the label itself was rejected.
    return query.names.numbers(term.name, term.at, below=term.state != "rejected")


def _held(term: LabelTerm, rows: Any) -> ColumnElement[bool]:
    """How a row of tags must be to count as the label."""
    if term.state is not None:
        return rows.c.state == term.state
    held = rows.c.state != "rejected"
    return held if term.compare is None else held & _COMPARE[term.compare](rows.c.score, term.value)


def _any_tag(query: CompiledQuery, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Some tag of which the search may speak."""
    own = (tags.c.label_id.in_(client_label_ids(query.client)),) if query.client else ()
    return _has_tag(*conditions, *own)


def _has_tag(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(literal(1)).where(tags.c.asset_id == assets.c.id, *conditions).correlate(assets).exists()


def _dated(term: DateTerm) -> ColumnElement[bool]:
    column = assets.c.taken_at if term.field == "taken" else assets.c.added_at
    if term.first is None and term.end is None:
        return column.is_(None)
    # A picture without a date lies in no range, and outside of every one: NULL must not travel through NOT.
    known: list[ColumnElement[bool]] = [column.isnot(None)]
    if term.first is not None:
        known.append(column >= term.first)
    if term.end is not None:
        known.append(column < term.end)
    return and_(*known)


def _in_state(query: CompiledQuery, term: FieldTerm) -> ColumnElement[bool]:
    return _any_tag(query, tags.c.state == term.value)


def _by(query: CompiledQuery, term: FieldTerm) -> ColumnElement[bool]:
    if term.value == "*":
        return _has_tag(tags.c.decision_id.isnot(None))
    if term.value not in query.users:
        near = nearest_names(term.value, query.users)
        raise DataError(
            f"nobody is called {term.value!r} (character {term.at})",
            cure=f"Did you mean {' or '.join(near)}?" if near else "by:* finds what anybody decided.",
        )
    own = (
        select(literal(1))
        .select_from(tags.join(decision_table, decision_table.c.id == tags.c.decision_id))
        .where(tags.c.asset_id == assets.c.id, decision_table.c.user_id == query.users[term.value])
    )
    return own.correlate(assets).exists()


def _in_place(query: CompiledQuery, term: FieldTerm) -> ColumnElement[bool]:
    if query.client:
        return named_like(term.value)
    column = places.c.uri if term.field == "name" else places.c.source
    # SQLite makes only the letters of English small.
    held = func.lower(column).contains(term.value.lower(), autoescape=True)
    held |= column.contains(term.value, autoescape=True)
    return select(literal(1)).where(places.c.asset_id == assets.c.id, held).correlate(assets).exists()


def _is(query: CompiledQuery, term: FieldTerm) -> ColumnElement[bool]:
    match term.value:
        case "deleted":
            return assets.c.deleted_at.isnot(None)
        case "unreadable":
            return assets.c.unreadable.isnot(None)
        case "untagged":
            return not_(_any_tag(query, tags.c.state != "rejected"))
    waiting = (queue_table.c.asset_id == assets.c.id) & (queue_table.c.state == "open")
    return select(literal(1)).where(waiting).correlate(assets).exists()


def _id(query: CompiledQuery, term: FieldTerm) -> ColumnElement[bool]:
    if not term.value.isdecimal() or len(term.value) > 18:
        raise DataError(f"id:{term.value} at character {term.at}", expected="a whole number")
    return assets.c.id == int(term.value)


_FIELDS: dict[str, Callable[[CompiledQuery, FieldTerm], ColumnElement[bool]]] = {
    "state": _in_state,
    "by": _by,
    "name": _in_place,
    "source": _in_place,
    "is": _is,
    "id": _id,
}


def _candidates(
    query: CompiledQuery, connection: Connection, term: Term, most: int
) -> tuple[int, Select[Any] | None]:
    """(how many pictures can satisfy the term at most, counted to `most`; a table of them, None for all)."""
    match term:
        case LabelTerm():
            numbers = _numbers(query, term)
            rows = select(tags.c.asset_id).where(tags.c.label_id.in_(numbers), _held(term, tags)).distinct()
            return _count_tags(connection, numbers, most), rows
        case FieldTerm(field="id"):
            return 1, select(assets.c.id.label("asset_id")).where(_id(query, term))
        case DateTerm(field="taken") if term != DateTerm("taken", None, None):
            rows = select(assets.c.id.label("asset_id")).where(_dated(term))
            return _capped(connection, rows, most), rows
        case AndTerm() if term.terms:
            each = (_candidates(query, connection, one, most) for one in term.terms)
            return min(each, key=lambda one: one[0])
        case OrTerm():
            return _candidates_of_any(query, connection, term.terms, most)
    return most, None


def _candidates_of_any(
    query: CompiledQuery, connection: Connection, terms: tuple[Term, ...], most: int
) -> tuple[int, Select[Any] | None]:
    each = [_candidates(query, connection, one, most) for one in terms]
    tables, bound = [rows for _, rows in each if rows is not None], sum(bound for bound, _ in each)
    if len(tables) < len(each) or bound >= most:
        return most, None
    joined = union(*tables).subquery()
    return bound, select(joined.c.asset_id)


def _count_tags(connection: Connection, numbers: tuple[int, ...], most: int) -> int:
    return _capped(connection, select(tags.c.asset_id).where(tags.c.label_id.in_(numbers)), most)


def _capped(connection: Connection, rows: Select[Any], most: int) -> int:
    """How many rows there are, counted up to `most`."""
    some = rows.limit(most).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one()


def _before(rows: Select[Any], column: Any, before: int | None, limit: int) -> Select[Any]:
    rows = rows if before is None else rows.where(column < before)
    return rows.order_by(column.desc()).limit(limit)
