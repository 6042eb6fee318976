"""Acts taken back and done again, each reviewer's own, in the order of the hand; nothing is removed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from sqlalchemy import Connection, Row, or_, select

from lightfast.library.review.decide import Acted, add_decisions, lock_pictures, new_key
from lightfast.library.review.disagree import disagreements
from lightfast.library.review.lease import enqueue, open_entries
from lightfast.library.review.settle import settle, unsettle
from lightfast.library.review.tag_states import rebuild_tags
from lightfast.library.schema import decision_table, users
from lightfast.library.store import Store, now

_MOVES = ("undo", "redo")
_KEPT_STEPS = 2_000
"""Acts of one reviewer that are looked through: so far back goes undo."""


def undo(store: Store, user_id: int, *, key: str | None = None) -> Acted:
    """Take back the reviewer's last act that holds, a whole batch at once; nothing where there is none.
    With a `key` that was used before, what was done then.
    """
    name = key or new_key(user_id)
    return store.act(lambda connection: apply_move(connection, user_id, "undo", name))


def redo(store: Store, user_id: int, *, key: str | None = None) -> Acted:
    """Do again what the reviewer took back last; nothing where a new act came after."""
    name = key or new_key(user_id)
    return store.act(lambda connection: apply_move(connection, user_id, "redo", name))


def steps(rows: Iterable[Row[Any, Any, Any]]) -> tuple[list[int], list[int]]:
    """(batches that can be undone, batches that can be redone) of one reviewer's acts, the next one last."""
    done: list[int] = []
    taken: list[int] = []
    for row in sorted(rows, key=lambda row: row.id):
        batch = int(row.batch_id)
        if row.act not in _MOVES:
            if batch not in done:
                done.append(batch)
                taken.clear()
            continue
        # Where a move is given with one row a decision of its batch, the first one moves it.
        source, target = (done, taken) if row.act == "undo" else (taken, done)
        if batch in source:
            source.remove(batch)
            target.append(batch)
    return done, taken


def apply_move(connection: Connection, user_id: int, act: Literal["undo", "redo"], key: str) -> Acted:
    """`undo` or `redo` in the transaction of `connection`; the key makes that it may be tried again."""
    # One move of a person at a time: each begins where the one before ended.
    connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True)).all()
    if before := _moved_before(connection, key):
        return before
    batches = steps(_own(connection, user_id))[0 if act == "undo" else 1]
    if not batches:
        return Acted()
    batch = decision_table.c.batch_id == batches[-1]
    wanted = select(decision_table).where(batch, decision_table.c.act.notin_(_MOVES))
    rows = connection.execute(wanted.order_by(decision_table.c.id)).all()
    lock_pictures(connection, {row.asset_id for row in rows})
    made = {"user_id": user_id, "at": now(), "act": act}
    moves = [
        {**made, "asset_id": row.asset_id, "about_id": row.id, "batch_id": row.batch_id, "key": None}
        for row in rows
    ]
    numbers = add_decisions(connection, [{**moves[0], "key": key}, *moves[1:]])
    rebuild_tags(connection, {row.asset_id for row in rows})
    if act == "redo":
        waiting = open_entries(connection, (row.asset_id for row in rows))
        disagreed = disagreements(connection, user_id, rows, waiting)
        settle(connection, user_id, rows, waiting)
        enqueue(connection, disagreed)
    else:
        unsettle(connection, rows)
    return Acted(tuple(numbers), batch_id=batches[-1])


def _moved_before(connection: Connection, key: str) -> Acted | None:
    """What the move with this key did; None where there was none. Only its first row carries the key."""
    first = connection.execute(select(decision_table).where(decision_table.c.key == key)).one_or_none()
    if first is None:
        return None
    alike = [decision_table.c[name] == getattr(first, name) for name in ("user_id", "act", "batch_id", "at")]
    rows = select(decision_table.c.id).where(*alike).order_by(decision_table.c.id)
    return Acted(tuple(connection.execute(rows).scalars()), batch_id=first.batch_id)


def _own(connection: Connection, user_id: int) -> Sequence[Row[Any, Any, Any]]:
    """One row a step: a batch is told by its first decision, a move by what it says about that one."""
    first = decision_table.c.batch_id
    own = select(decision_table.c.id, decision_table.c.act, first).where(
        decision_table.c.user_id == user_id,
        or_(decision_table.c.id == first, decision_table.c.about_id == first),
    )
    return connection.execute(own.order_by(decision_table.c.id.desc()).limit(_KEPT_STEPS)).all()
