"""The queue of pictures to look at, and leases on them: nobody is shown what another person has in hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from lightfast.base.errors import SettingsError
from lightfast.library.schema import assets, decision_table, leases, queue_table
from lightfast.library.store import Store, now

MINUTES = 10.0
MOST = 500
DISAGREEMENT = "disagreement"
"""What queues pictures of which two people say different things."""
REQUEST = queue_table.alias("request")
"""The queue beside itself, for `has_asked`."""
Order = Literal["uncertainty", "label", "cluster", "newest"]
_ORDERS = {
    "uncertainty": (queue_table.c.skipped, queue_table.c.uncertainty.desc(), queue_table.c.id),
    "label": (
        queue_table.c.skipped,
        queue_table.c.label_id,
        queue_table.c.uncertainty.desc(),
        queue_table.c.id,
    ),
    "cluster": (
        queue_table.c.skipped,
        queue_table.c.cluster,
        queue_table.c.uncertainty.desc(),
        queue_table.c.id,
    ),
    "newest": (queue_table.c.skipped, queue_table.c.id.desc()),
}


@dataclass(frozen=True)
class QueueEntry:
    """A picture to look at.

    Attributes:
        id: of the entry.
        asset_id: the picture.
        label_id: the label that is asked about; None: any.
        reason: why a person should look, in words.
        source: what asked: tag, repair, curate, select, disagreement, person.
        uncertainty: 0..1, larger is sooner.
        cluster: pictures with the same number look alike; None where nobody looked.
    """

    id: int
    asset_id: int
    label_id: int | None
    reason: str
    source: str
    uncertainty: float
    cluster: int | None = None


def enqueue(connection: Connection, entries: Iterable[Mapping[str, Any]]) -> int:
    """Queue pictures, in the transaction of `connection`: mappings with asset_id, source, reason, uncertainty
    and, where known, label_id and cluster. A picture that waits for the same question already keeps its
    place. Gives how many are new.
    """
    rows = [{"label_id": None, "cluster": None, "added_at": now(), **one} for one in entries]
    if not rows:
        return 0
    numbers = [row["asset_id"] for row in rows]
    waiting = select(queue_table.c.asset_id, queue_table.c.label_id, queue_table.c.source).where(
        queue_table.c.asset_id.in_(numbers), queue_table.c.state == "open"
    )
    seen = {tuple(row) for row in connection.execute(waiting).all()}
    fresh: list[dict[str, Any]] = []
    for row in rows:
        question = (row["asset_id"], row["label_id"], row["source"])
        if question not in seen:
            seen.add(question)
            fresh.append(row)
    if fresh:
        connection.execute(insert(queue_table), fresh)
    return len(fresh)


def lease_next(
    store: Store, user_id: int, count: int = 1, *, order: Order = "uncertainty", minutes: float = MINUTES
) -> tuple[QueueEntry, ...]:
    """The next pictures for this person, nobody else's until the lease ends.

    What the person had in hand before (a closed browser) comes first, with a lease that begins anew. Pictures
    of which somebody asked for a second opinion go to others only; those on which two people disagree to a
    third.

    Raises SettingsError for a count outside 1..500 and for an unknown order.
    """
    if not 1 <= count <= MOST:
        raise SettingsError(f"`count` {count}", expected=f"1 to {MOST}")
    if order not in _ORDERS:
        raise SettingsError(f"`order` {order!r}", expected=" or ".join(_ORDERS))

    return store.act(lambda connection: hand_of(connection, user_id, count, order=order, minutes=minutes))


def hand_of(
    connection: Connection,
    user_id: int,
    count: int,
    *,
    order: Order = "uncertainty",
    minutes: float = MINUTES,
) -> tuple[QueueEntry, ...]:
    """`lease_next` in the transaction of `connection`."""
    end = now() + timedelta(minutes=minutes)
    held = _in_hand(connection, user_id, order, end)[:count]
    return (*held, *_take_next(connection, user_id, count - len(held), order, end))


def lease_assets(
    store: Store, user_id: int, asset_ids: Iterable[int], *, minutes: float = MINUTES
) -> tuple[QueueEntry, ...]:
    """These pictures for this person, as far as they wait and nobody else has them: what was just taken back
    comes again at once. At most 500; the others are left out.
    """
    wanted = list(dict.fromkeys(asset_ids))[:MOST]

    return store.act(lambda connection: take_assets(connection, user_id, wanted, minutes=minutes))


def take_assets(
    connection: Connection, user_id: int, asset_ids: Sequence[int], *, minutes: float = MINUTES
) -> tuple[QueueEntry, ...]:
    """`lease_assets` in the transaction of `connection`."""
    moment = now()
    connection.execute(_END, {"moment": moment})
    hands = hands_on(connection, asset_ids)
    own = {row.asset_id for row in hands if row.user_id == user_id}
    others = {row.asset_id for row in hands} - own
    given = {"user": user_id, "assets": sorted({*asset_ids} - others)}
    entries = _one_each(_entries(connection, _those_waiting("uncertainty"), given), set())
    end = moment + timedelta(minutes=minutes)
    held = sorted(own & {one.asset_id for one in entries})
    if held:
        connection.execute(_AGAIN, {"assets": held, "user": user_id, "end": end})
    # Somebody else may have taken one of them since the hands were read.
    taken = _take(connection, user_id, [one for one in entries if one.asset_id not in own], end)
    by_asset = {one.asset_id: one for one in entries if one.asset_id in taken | own}
    return tuple(by_asset[number] for number in asset_ids if number in by_asset)


def release(store: Store, user_id: int, asset_ids: Iterable[int] | None = None) -> int:
    """Give pictures back before their lease ends; without numbers all that the person has. How many."""
    wanted = None if asset_ids is None else list(asset_ids)
    return store.act(lambda connection: give_back(connection, user_id, wanted))


def give_back(connection: Connection, user_id: int, asset_ids: Sequence[int] | None = None) -> int:
    """`release` in the transaction of `connection`."""
    own = delete(leases).where(leases.c.user_id == user_id)
    if asset_ids is not None:
        own = own.where(leases.c.asset_id.in_(asset_ids))
    return connection.execute(own).rowcount


_FEW = select(literal_column("1")).where(queue_table.c.state == "open").limit(bindparam("most")).subquery()
_COUNT = select(func.count()).select_from(_FEW)


def count_waiting(connection: Connection, most: int = 10_000) -> int:
    """How many pictures wait, counted no further than `most`."""
    return connection.execute(_COUNT, {"most": most}).scalar_one()


def is_open() -> ColumnElement[bool]:
    """The condition on entries of chosen pictures that they are open: found by their pictures, where SQLite
    would read all that waits.
    """
    return queue_table.c.state.concat("") == "open"


_THESE_OPEN = queue_table.c.asset_id.in_(bindparam("assets", expanding=True)) & is_open()
_OPEN = select(queue_table).where(_THESE_OPEN)
_HANDS = select(leases).where(leases.c.asset_id.in_(bindparam("assets", expanding=True)))


def open_entries(connection: Connection, asset_ids: Iterable[int]) -> Sequence[Row[Any]]:
    """The rows of the queue by which these pictures wait."""
    wanted = sorted(set(asset_ids))
    return connection.execute(_OPEN, {"assets": wanted}).all() if wanted else []


def hands_on(connection: Connection, asset_ids: Iterable[int]) -> Sequence[Row[Any]]:
    """The leases on these pictures, those that have ended too."""
    wanted = sorted(set(asset_ids))
    return connection.execute(_HANDS, {"assets": wanted}).all() if wanted else []


def _take_next(
    connection: Connection, user_id: int, count: int, order: str, end: datetime
) -> list[QueueEntry]:
    """So many more pictures for this person, of those that nobody has in hand."""
    connection.execute(_END, {"moment": now()})
    locked = connection.dialect.name != "sqlite"
    entries: list[QueueEntry] = []
    while len(entries) < count:
        most = count - len(entries)
        given = {"user": user_id, "most": 4 * most}
        seen = {one.asset_id for one in entries}
        found = _one_each(_entries(connection, _those_free(order, locked), given), seen)
        taken = _take(connection, user_id, found[:most], end)
        entries += [one for one in found if one.asset_id in taken]
        if not taken:
            break
    return entries


_END = delete(leases).where(leases.c.expires_at <= bindparam("moment"))
_OWN = select(leases.c.asset_id).where(
    leases.c.user_id == bindparam("user"), leases.c.expires_at > bindparam("moment")
)
_AGAIN = (
    update(leases)
    .where(leases.c.asset_id.in_(bindparam("assets", expanding=True)), leases.c.user_id == bindparam("user"))
    .values(expires_at=bindparam("end"))
)


def _in_hand(connection: Connection, user_id: int, order: str, end: datetime) -> list[QueueEntry]:
    """What the person has in hand, each picture with one of its questions; the leases begin anew."""
    own = connection.execute(_OWN, {"user": user_id, "moment": now()}).scalars().all()
    if not own:
        return []
    given = {"user": user_id, "assets": list(own)}
    entries = _one_each(_entries(connection, _those_waiting(order), given), set())
    held = [one.asset_id for one in entries]
    connection.execute(_AGAIN, {"assets": held, "user": user_id, "end": end})
    return entries


@cache
def _those_waiting(order: str) -> Select[Any]:
    """The open entries of some pictures that `user` may be asked about."""
    return _waiting(order).where(_THESE_OPEN)


@cache
def _those_free(order: str, locked: bool) -> Select[Any]:
    """The first `most` open entries of pictures that nobody has in hand, and that `user` may be asked about;
    `locked`: those that no other transaction is taking.
    """
    taken = select(leases.c.asset_id).where(leases.c.asset_id == queue_table.c.asset_id).exists()
    found = _waiting(order).where(queue_table.c.state == "open", ~taken).limit(bindparam("most"))
    return found.with_for_update(skip_locked=True, of=queue_table) if locked else found


def _waiting(order: str) -> Select[Any]:
    columns = [queue_table.c[name] for name in QueueEntry.__dataclass_fields__]
    user = bindparam("user")
    return (
        select(*columns)
        .join(assets, assets.c.id == queue_table.c.asset_id)
        .where(assets.c.deleted_at.is_(None))
        .where(~has_asked(user))
        .where(or_(queue_table.c.source != DISAGREEMENT, ~said_before(user)))
        .order_by(*_ORDERS[order])
    )


def has_asked(user: ColumnElement[int] | int, *more: ColumnElement[bool]) -> ColumnElement[bool]:
    """The condition on an entry of the queue that this person asks for a second opinion of its picture, by
    this open entry or by another one for which `more` (over `REQUEST`) holds.
    """
    return exists().where(
        REQUEST.c.asset_id == queue_table.c.asset_id,
        REQUEST.c.state.concat("") == "open",
        REQUEST.c.not_user_id == user,
        *more,
    )


def said_before(user: ColumnElement[int] | int, *more: ColumnElement[bool]) -> ColumnElement[bool]:
    """The condition on an entry of the queue that this person has answered about its picture, by a decision
    for which `more` holds. Who asks for a second opinion while the entry waits has not.
    """
    act = decision_table.c.act
    asked = (act == "second_opinion") & (decision_table.c.at <= queue_table.c.added_at)
    return exists().where(
        decision_table.c.asset_id == queue_table.c.asset_id,
        decision_table.c.user_id == user,
        act.in_(("confirm", "reject")) | asked,
        *more,
    )


def _entries(connection: Connection, wanted: Select[Any], given: Mapping[str, Any]) -> list[QueueEntry]:
    return [QueueEntry(*row) for row in connection.execute(wanted, dict(given))]


def _one_each(entries: Iterable[QueueEntry], seen: set[int]) -> list[QueueEntry]:
    """The first entry of every picture that is not in `seen`: one picture is asked about once at a time."""
    first = {one.asset_id: one for one in reversed(list(entries)) if one.asset_id not in seen}
    return list(reversed(first.values()))


def _take(connection: Connection, user_id: int, entries: Iterable[QueueEntry], end: datetime) -> set[int]:
    rows = [{"asset_id": one.asset_id, "user_id": user_id, "expires_at": end} for one in entries]
    if not rows:
        return set()
    kind = sqlite if connection.dialect.name == "sqlite" else postgresql
    put = kind.insert(leases).on_conflict_do_nothing(index_elements=["asset_id"])
    return set(connection.execute(put.returning(leases.c.asset_id), rows).scalars())
