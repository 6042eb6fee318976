"""How often somebody tried to log in lately, by any process of the service."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from sqlalchemy import BigInteger, Connection, cast, func, select

from lightfast.library.schema import audit, users
from lightfast.library.store import now

LOGIN, LOGIN_REFUSED = "login", "login refused"
_LATELY = timedelta(minutes=1)


def queue_logins(connection: Connection, name: str, address: str) -> None:
    """Let logins of one name or one address count and note one after the other, by whichever process, until
    the transaction of `connection` ends.

    On SQLite a writing transaction has the database to itself anyway. On PostgreSQL two do not see each
    other's lines before they are committed.
    """
    if connection.dialect.name == "postgresql":
        # In one order everywhere: two that wait for both locks never wait for each other.
        for key in sorted(map(_lock_key, (f"login name {name}", f"login address {address}"))):
            connection.execute(select(func.pg_advisory_xact_lock(cast(key, BigInteger))))


def _lock_key(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def logins_lately(connection: Connection, name: str, address: str) -> int:
    """The logins of the last minute, refused ones too, from this address or for this name: the larger."""
    rows = connection.execute(
        select(audit.c.detail, users.c.name)
        .outerjoin(users, users.c.id == audit.c.user_id)
        .where(audit.c.at > now() - _LATELY, audit.c.act.in_((LOGIN, LOGIN_REFUSED)))
    ).all()
    named = sum((row.name or row.detail.get("name")) == name for row in rows)
    return max(named, sum(row.detail.get("address") == address for row in rows))
