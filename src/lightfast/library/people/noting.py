"""What happened to people, rights, labels, models and jobs, as the table `audit` keeps it; `audit_log` reads
it. Decisions are their own log.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, select

from lightfast.library.schema import audit
from lightfast.library.store import now


def note_audit(connection: Connection, user_id: int | None, act: str, **detail: Any) -> None:
    """Write one line, in the transaction of `connection`; never a secret."""
    connection.execute(insert(audit).values(at=now(), user_id=user_id, act=act, detail=detail))


def has_noted(connection: Connection, user_id: int, act: str, **detail: Any) -> bool:
    """Whether a line about this act of this user holds all of `detail`."""
    lines = select(audit.c.detail).where(audit.c.user_id == user_id, audit.c.act == act)
    return any(detail.items() <= line.items() for line in connection.execute(lines).scalars())
