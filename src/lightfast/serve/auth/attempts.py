"""How often somebody tried to log in lately, by any process of the service."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, select

from lightfast.library.schema import audit, users
from lightfast.library.store import now

LOGIN, LOGIN_REFUSED = "login", "login refused"
_LATELY = timedelta(minutes=1)


def logins_lately(connection: Connection, name: str, address: str) -> int:
    """The logins of the last minute, refused ones too, from this address or for this name: the larger."""
    rows = connection.execute(
        select(audit.c.detail, users.c.name)
        .outerjoin(users, users.c.id == audit.c.user_id)
        .where(audit.c.at > now() - _LATELY, audit.c.act.in_((LOGIN, LOGIN_REFUSED)))
    ).all()
    named = sum((row.name or row.detail.get("name")) == name for row in rows)
    return max(named, sum(row.detail.get("address") == address for row in rows))
