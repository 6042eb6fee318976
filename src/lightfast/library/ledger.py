"""The repair ledger: what each retraining cost people, and what it brought on the untouched part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, func, insert, select

from lightfast.library.schema import decision_table, ledger
from lightfast.library.store import Store, now
from lightfast.statistics.intervals import Interval

RetrainVerdict = Literal["first", "better", "no gain shown", "worse"]
LEDGER_MARGIN = 0.02
"""How much worse than the present one a new model may turn out to be, at the lower end of the interval."""


@dataclass(frozen=True)
class Spent:
    """What people did since the last retraining: decisions, minutes that they took, and the last one's
    number.
    """

    decisions: int
    minutes: float
    last_decision: int


@dataclass(frozen=True)
class RetrainEntry:
    """One retraining.

    Attributes:
        id, at: its number, and when.
        before_model_id, after_model_id: what was compared; None: there was no model before.
        decisions, minutes: of people, since the retraining before.
        figures: paired, on the untouched part; see `PairedTest`.
        verdict: "first", "better", "no gain shown" or "worse".
    """

    id: int
    at: datetime
    before_model_id: int | None
    after_model_id: int | None
    decisions: int
    minutes: float
    figures: Mapping[str, Any]
    verdict: str


def verdict_of(interval: Interval) -> RetrainVerdict:
    """What the 95 % interval of accuracy(after) − accuracy(before) allows to say."""
    if interval.low > 0:
        return "better"
    return "worse" if interval.high < 0 else "no gain shown"


def not_worse(interval: Interval, margin: float) -> bool:
    """Whether a new model may be used: the lower end of the interval is at least −`margin`, so that it is
    not worse by more than that.
    """
    return interval.low >= -margin


def spent_since_last(connection: Connection) -> Spent:
    """What people decided since the last entry of the ledger."""
    last = connection.execute(select(ledger.c.figures).order_by(ledger.c.id.desc()).limit(1)).scalar()
    since = decision_table.c.id > (0 if last is None else last["last_decision"])
    about = decision_table.c.act.in_(("confirm", "reject"))
    count, seconds = connection.execute(
        select(func.count(), func.coalesce(func.sum(decision_table.c.seconds), 0)).where(since, about)
    ).one()
    newest = connection.execute(select(func.coalesce(func.max(decision_table.c.id), 0))).scalar_one()
    return Spent(count, float(seconds) / 60, newest)


def write_ledger(
    connection: Connection,
    models_: tuple[int | None, int],
    spent: Spent,
    figures: Mapping[str, Any],
    verdict: RetrainVerdict,
) -> None:
    """Add an entry about the models (before, after), inside a transaction. `figures` may hold `order`, what
    was ordered, and `answer`, what came of it: see `answer_to`.
    """
    row = {
        "before_model_id": models_[0],
        "after_model_id": models_[1],
        "decisions": spent.decisions,
        "minutes": spent.minutes,
        "figures": {**figures, "last_decision": spent.last_decision},
        "verdict": verdict,
    }
    connection.execute(insert(ledger).values(at=now(), **row))


def answer_to(connection: Connection, order: str) -> Mapping[str, Any] | None:
    """What came of a retraining that was ordered as `order` and is in the ledger; None where it is not."""
    rows = connection.execute(select(ledger.c.figures).order_by(ledger.c.id.desc())).scalars()
    return next((one["answer"] for one in rows if one.get("order") == order), None)


def read_ledger(store: Store) -> tuple[RetrainEntry, ...]:
    """Every retraining, the oldest first."""
    with store.read() as connection:
        rows = connection.execute(select(ledger).order_by(ledger.c.id)).all()
    return tuple(RetrainEntry(**{**row._mapping, "figures": _told(row.figures)}) for row in rows)


def _told(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in figures.items() if name not in ("order", "answer")}
