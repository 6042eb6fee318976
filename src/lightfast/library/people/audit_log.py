"""What happened in a library, newest first: what the table `audit` says of people and rights, and every
decision, which is its own log.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, and_, not_, or_, select
from sqlalchemy.orm import aliased

from lightfast.library.schema import audit, decision_table, labels, users

AuditKind = Literal[
    "login", "decision", "token", "user", "model", "label", "picture", "human", "job", "other"
]
_FIRST_WORDS: Mapping[str, tuple[str, ...]] = {
    "login": ("login", "logout"),
    **{name: (name,) for name in ("token", "user", "model", "label", "picture", "human", "job")},
}
"""Kind → how its acts begin."""
_LATEST = 2**63 - 1


@dataclass(frozen=True)
class AuditLine:
    """One thing that happened.

    Attributes:
        id: unique: "decision 12", "audit 7".
        at: when.
        person: who did it, or ordered the job that did; on the command line whom this machine calls its user;
            None: nobody who was known (a refused login, a program that calls the functions below).
        kind: see `AuditKind`.
        act: what, as it was noted: "login", "token made", "confirm" …
        detail: about what, as plain JSON; never a secret.
    """

    id: str
    at: datetime
    person: str | None
    kind: AuditKind
    act: str
    detail: Mapping[str, Any]


@dataclass(frozen=True)
class AuditFilter:
    """Which lines are wanted: of one person (by name, refused logins under that name among them), of one
    kind; None: all.
    """

    person: str | None = None
    kind: AuditKind | None = None


Before = tuple[int, int]
"""Where a page begins: the rows of `audit` and of `decisions` that were shown last."""


def read_audit(
    connection: Connection, wanted: AuditFilter, *, before: Before | None = None, limit: int = 50
) -> tuple[tuple[AuditLine, ...], Before | None]:
    """(at most `limit` lines, newest first; where the next page begins, None on the last).

    Both logs are paged by their own numbers, so that what happens meanwhile shifts nothing.
    """
    first, second = before or (_LATEST, _LATEST)
    streams = [_noted(connection, wanted, first, limit + 1), _decided(connection, wanted, second, limit + 1)]
    merged = heapq.merge(*streams, key=lambda one: one[1].at, reverse=True)
    found = [line for line, _ in zip(merged, range(limit + 1), strict=False)]
    last = {"audit": first, "decision": second}
    for (name, number), _ in found[:limit]:
        last[name] = number
    ahead = (last["audit"], last["decision"]) if len(found) > limit else None
    return tuple(line for _, line in found[:limit]), ahead


_Placed = tuple[tuple[str, int], AuditLine]


def _noted(connection: Connection, wanted: AuditFilter, before: int, limit: int) -> Iterator[_Placed]:
    if wanted.kind == "decision":
        return
    rows = select(audit, users.c.name).outerjoin(users, users.c.id == audit.c.user_id)
    rows = rows.where(audit.c.id < before).order_by(audit.c.id.desc()).limit(limit)
    if wanted.person is not None:
        refused = and_(audit.c.user_id.is_(None), audit.c.detail["name"].as_string() == wanted.person)
        rows = rows.where(or_(users.c.name == wanted.person, refused))
    if wanted.kind is not None:
        rows = rows.where(_of_kind(wanted.kind))
    for row in connection.execute(rows):
        line = AuditLine(f"audit {row.id}", row.at, row.name, _kind_of(row.act), row.act, row.detail)
        yield ("audit", row.id), line


def _decided(connection: Connection, wanted: AuditFilter, before: int, limit: int) -> Iterator[_Placed]:
    if wanted.kind not in (None, "decision"):
        return
    was, table = aliased(labels), decision_table
    rows = (
        select(table, users.c.name.label("person"), labels.c.name.label("label"), was.c.name.label("was"))
        .join(users, users.c.id == table.c.user_id)
        .outerjoin(labels, labels.c.id == table.c.label_id)
        .outerjoin(was, was.c.id == table.c.from_label_id)
        .where(table.c.id < before)
        .order_by(table.c.id.desc())
        .limit(limit)
    )
    if wanted.person is not None:
        rows = rows.where(users.c.name == wanted.person)
    for row in connection.execute(rows):
        yield (
            ("decision", row.id),
            AuditLine(f"decision {row.id}", row.at, row.person, "decision", row.act, _about(row)),
        )


def _about(row: Row[Any]) -> dict[str, Any]:
    """What a decision is about, without what it does not say."""
    said = {"asset_id": row.asset_id, "label": row.label, "from_label": row.was, "reason": row.reason}
    said |= {"about_decision": row.about_id, "batch_id": row.batch_id}
    return {name: value for name, value in said.items() if value not in (None, "")}


def _of_kind(kind: str) -> ColumnElement[bool]:
    if kind == "other":
        return not_(or_(*(_of_kind(one) for one in _FIRST_WORDS)))
    words = _FIRST_WORDS[kind]
    return or_(*(or_(audit.c.act == word, audit.c.act.startswith(f"{word} ")) for word in words))


def _kind_of(act: str) -> Any:
    first = act.partition(" ")[0]
    return next((kind for kind, words in _FIRST_WORDS.items() if first in words), "other")
