"""Acts taken back and done again, each reviewer's own, in the order of the hand; nothing is removed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from lightfast.library.decide import Acted, settle
from lightfast.library.disagree import withdraw_disagreements
from lightfast.library.lease import DISAGREEMENT
from lightfast.library.schema import decision_table, queue_table
from lightfast.library.store import Store, now
from lightfast.library.tag_states import live_decisions, rebuild_tags

_MOVES = ("undo", "redo")
_KEPT_STEPS = 2_000
"""Acts of one reviewer that are looked through: so far back goes undo."""


def undo(store: Store, user_id: int, *, key: str | None = None) -> Acted:
    """Take back the reviewer's last act that holds, a whole batch at once; nothing where there is none.
    With a `key` that was used before, what was done then.
    """
    return store.act(lambda connection: _move(connection, user_id, "undo", key))


def redo(store: Store, user_id: int, *, key: str | None = None) -> Acted:
    """Do again what the reviewer took back last; nothing where a new act came after."""
    return store.act(lambda connection: _move(connection, user_id, "redo", key))


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
        # A move is one row a decision of its batch: the first one moves it.
        source, target = (done, taken) if row.act == "undo" else (taken, done)
        if batch in source:
            source.remove(batch)
            target.append(batch)
    return done, taken


def _move(connection: Connection, user_id: int, act: str, key: str | None) -> Acted:
    if key is not None:
        before = connection.execute(select(decision_table.c.id).where(decision_table.c.key == key)).scalar()
        if before is not None:
            return Acted((before,))
    batches = steps(_own(connection, user_id))[0 if act == "undo" else 1]
    if not batches:
        return Acted()
    batch = decision_table.c.batch_id == batches[-1]
    rows = connection.execute(select(decision_table).where(batch, decision_table.c.act.notin_(_MOVES))).all()
    numbers = [_add(connection, user_id, act, row, key if row is rows[0] else None) for row in rows]
    rebuild_tags(connection, {row.asset_id for row in rows})
    if act == "redo":
        settle(connection, user_id, rows)
    else:
        _unsettle(connection, rows)
    return Acted(tuple(numbers), batch_id=batches[-1])


def _own(connection: Connection, user_id: int) -> Sequence[Row[Any, Any, Any]]:
    own = select(decision_table.c.id, decision_table.c.act, decision_table.c.batch_id).where(
        decision_table.c.user_id == user_id
    )
    return connection.execute(own.order_by(decision_table.c.id.desc()).limit(_KEPT_STEPS)).all()


def _add(connection: Connection, user_id: int, act: str, about: Row[Any], key: str | None) -> int:
    row = {"asset_id": about.asset_id, "about_id": about.id, "batch_id": about.batch_id}
    result = connection.execute(
        insert(decision_table).values(user_id=user_id, at=now(), act=act, key=key, **row)
    )
    return int(result.inserted_primary_key[0])  # pyright: ignore[reportOptionalSubscript]


def _unsettle(connection: Connection, rows: Iterable[Row[Any]]) -> None:
    """Bring the queue to where it was before the acts."""
    for row in rows:
        here = update(queue_table).where(queue_table.c.asset_id == row.asset_id)
        if row.act == "skip":
            connection.execute(
                here.where(queue_table.c.skipped > 0).values(skipped=queue_table.c.skipped - 1)
            )
        elif row.act == "second_opinion":
            connection.execute(here.values(not_user_id=None))
        elif row.act == "send_back" or _decided(connection, row.asset_id):
            # What this answer had settled between two others is open again.
            settled = (queue_table.c.source == DISAGREEMENT) & (queue_table.c.done_at >= row.at)
            connection.execute(here.where(settled).values(state="open", done_at=None))
            here = here.where(queue_table.c.source != DISAGREEMENT)
            connection.execute(here.where(queue_table.c.state == "open").values(state="done", done_at=now()))
        else:
            withdraw_disagreements(connection, [row.asset_id])
            connection.execute(here.where(queue_table.c.state == "done").values(state="open", done_at=None))


def _decided(connection: Connection, asset_id: int) -> bool:
    rows = connection.execute(select(decision_table).where(decision_table.c.asset_id == asset_id)).all()
    return bool(live_decisions(rows))
