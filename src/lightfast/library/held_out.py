"""The untouched part: pictures that no training sees, chosen once each, on which models are compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from lightfast.library.review.tag_states import ABOUT_LABELS
from lightfast.library.schema import audit, decision_table, held_out_table, ledger
from lightfast.library.store import Store, now

_SCORED = "held-out scored"


def held_out_assets(connection: Connection) -> set[int]:
    """The pictures of the untouched part."""
    return set(connection.execute(select(held_out_table.c.asset_id)).scalars())


def hold_out(store: Store, asset_ids: Iterable[int]) -> None:
    """Put pictures into the untouched part, for good."""
    numbers = list(asset_ids)
    store.act(lambda connection: put_held_out(connection, numbers))


def put_held_out(connection: Connection, asset_ids: Iterable[int]) -> None:
    """`hold_out` inside a transaction."""
    rows = [{"asset_id": number, "chosen_at": now()} for number in asset_ids]
    if rows:
        kind = sqlite if connection.dialect.name == "sqlite" else postgresql
        put = kind.insert(held_out_table).on_conflict_do_nothing(index_elements=["asset_id"])
        connection.execute(put, rows)


def learned_from(connection: Connection) -> set[int]:
    """Pictures on which somebody had decided when the library last trained: a model may have learned from
    them, so that they cannot join the untouched part any more.
    """
    last = connection.execute(select(ledger.c.figures).order_by(ledger.c.id.desc()).limit(1)).scalar()
    if last is None:
        return set()
    about = decision_table.c.act.in_(ABOUT_LABELS) & (decision_table.c.id <= last["last_decision"])
    return set(connection.execute(select(decision_table.c.asset_id).where(about).distinct()).scalars())


def count_use(store: Store, detail: Mapping[str, Any]) -> int:
    """Note that the untouched part is about to be scored, and say how often it was before: each look wears it
    a little.
    """

    def write(connection: Connection) -> int:
        before = connection.execute(
            select(func.count()).select_from(audit).where(audit.c.act == _SCORED)
        ).scalar_one()
        connection.execute(insert(audit).values(at=now(), act=_SCORED, detail=dict(detail)))
        return before

    return store.act(write)
