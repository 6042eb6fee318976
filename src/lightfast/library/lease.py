"""The queue of pictures to look at, and leases on them: nobody is shown what another person has in hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, delete, exists, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from lightfast.base.errors import SettingsError
from lightfast.library.schema import assets, decision_table, leases, queue_table
from lightfast.library.store import Store, now

MINUTES = 10.0
MOST = 500
DISAGREEMENT = "disagreement"
"""What queues pictures of which two people say different things."""
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
    return store.act(lambda connection: _lease(connection, user_id, count, order, minutes))


def lease_assets(
    store: Store, user_id: int, asset_ids: Iterable[int], *, minutes: float = MINUTES
) -> tuple[QueueEntry, ...]:
    """These pictures for this person, as far as they wait and nobody else has them: what was just taken back
    comes again at once. At most 500; the others are left out.
    """
    wanted = list(dict.fromkeys(asset_ids))[:MOST]

    def lease(connection: Connection) -> tuple[QueueEntry, ...]:
        moment = now()
        connection.execute(delete(leases).where(leases.c.expires_at <= moment))
        waiting = _waiting(user_id, "uncertainty").where(queue_table.c.asset_id.in_(wanted))
        others = select(leases.c.asset_id).where(leases.c.user_id != user_id)
        entries = _one_each(_entries(connection, waiting.where(queue_table.c.asset_id.notin_(others))), set())
        _take(connection, user_id, entries, moment + timedelta(minutes=minutes))
        by_asset = {one.asset_id: one for one in entries}
        return tuple(by_asset[number] for number in wanted if number in by_asset)

    return store.act(lease)


def release(store: Store, user_id: int, asset_ids: Iterable[int] | None = None) -> int:
    """Give pictures back before their lease ends; without numbers all that the person has. How many."""

    def give_back(connection: Connection) -> int:
        own = delete(leases).where(leases.c.user_id == user_id)
        if asset_ids is not None:
            own = own.where(leases.c.asset_id.in_(list(asset_ids)))
        return connection.execute(own).rowcount

    return store.act(give_back)


def count_waiting(connection: Connection, most: int = 10_000) -> int:
    """How many pictures wait, counted no further than `most`."""
    few = select(queue_table.c.id).where(queue_table.c.state == "open").limit(most).subquery()
    return connection.execute(select(func.count()).select_from(few)).scalar_one()


def _lease(
    connection: Connection, user_id: int, count: int, order: str, minutes: float
) -> tuple[QueueEntry, ...]:
    moment = now()
    end = moment + timedelta(minutes=minutes)
    connection.execute(delete(leases).where(leases.c.expires_at <= moment))
    # Without a limit: a picture may wait with several questions, and comes with one.
    in_hand = _waiting(user_id, order).join(leases, _mine(user_id))
    entries = _one_each(_entries(connection, in_hand), set())[:count]
    held = [one.asset_id for one in entries]
    connection.execute(
        update(leases).where(leases.c.asset_id.in_(held), leases.c.user_id == user_id).values(expires_at=end)
    )
    free = _waiting(user_id, order).where(
        ~select(leases.c.asset_id).where(leases.c.asset_id == queue_table.c.asset_id).exists()
    )
    while len(entries) < count:
        wanted = free.limit(4 * (count - len(entries)))
        if connection.dialect.name != "sqlite":
            wanted = wanted.with_for_update(skip_locked=True, of=queue_table)
        found = _one_each(_entries(connection, wanted), {one.asset_id for one in entries})
        taken = _take(connection, user_id, found[: count - len(entries)], end)
        entries += [one for one in found if one.asset_id in taken]
        if not taken:
            break
    return tuple(entries)


def _waiting(user_id: int, order: str) -> Select[Any]:
    columns = [queue_table.c[name] for name in QueueEntry.__dataclass_fields__]
    return (
        select(*columns)
        .join(assets, assets.c.id == queue_table.c.asset_id)
        .where(queue_table.c.state == "open", assets.c.deleted_at.is_(None))
        .where(or_(queue_table.c.not_user_id.is_(None), queue_table.c.not_user_id != user_id))
        .where(or_(queue_table.c.source != DISAGREEMENT, ~_said_before(user_id)))
        .order_by(*_ORDERS[order])
    )


def _said_before(user_id: int) -> ColumnElement[bool]:
    """The condition on an entry of the queue that this person has answered about its picture."""
    return exists().where(
        decision_table.c.asset_id == queue_table.c.asset_id,
        decision_table.c.user_id == user_id,
        decision_table.c.act.in_(("confirm", "reject", "second_opinion")),
    )


def _mine(user_id: int) -> Any:
    return (leases.c.asset_id == queue_table.c.asset_id) & (leases.c.user_id == user_id)


def _entries(connection: Connection, wanted: Select[Any]) -> list[QueueEntry]:
    return [QueueEntry(**row._mapping) for row in connection.execute(wanted)]


def _one_each(entries: Iterable[QueueEntry], seen: set[int]) -> list[QueueEntry]:
    """The first entry of every picture that is not in `seen`: one picture is asked about once at a time."""
    first = {one.asset_id: one for one in reversed(list(entries)) if one.asset_id not in seen}
    return list(reversed(first.values()))


def _take(connection: Connection, user_id: int, entries: Iterable[QueueEntry], end: Any) -> set[int]:
    rows = [{"asset_id": one.asset_id, "user_id": user_id, "expires_at": end} for one in entries]
    if not rows:
        return set()
    kind = sqlite if connection.dialect.name == "sqlite" else postgresql
    put = kind.insert(leases).on_conflict_do_nothing(index_elements=["asset_id"])
    return set(connection.execute(put.returning(leases.c.asset_id), rows).scalars())
