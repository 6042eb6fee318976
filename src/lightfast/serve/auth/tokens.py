"""Secrets of browsers and programs: shown once, kept as hashes."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, or_, select, update

from lightfast.library.schema import tokens, users
from lightfast.library.store import now

Kind = Literal["session", "token"]
_PREFIX = {"session": "lfs_", "token": "lft_"}


def issue_secret(
    connection: Connection, user_id: int, kind: Kind, note: str = "", expires_at: datetime | None = None
) -> tuple[int, str]:
    """(number, secret) of a new session or token of the user; only its SHA-256 is kept, which is enough for
    256 random bits.
    """
    secret = _PREFIX[kind] + secrets.token_urlsafe(32)
    row = {"user_id": user_id, "hash": _hashed(secret), "note": note, "kind": kind}
    made = connection.execute(insert(tokens).values(created_at=now(), expires_at=expires_at, **row))
    return int(made.inserted_primary_key[0]), secret  # pyright: ignore[reportOptionalSubscript]


def secret_holder(connection: Connection, secret: str, kind: Kind) -> Row[Any, Any, Any, Any] | None:
    """The user (id, name, role, client) whose secret this is, while it holds and the user is not disabled."""
    held = or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now())
    return connection.execute(
        select(users.c.id, users.c.name, users.c.role, users.c.client)
        .join(tokens, tokens.c.user_id == users.c.id)
        .where(tokens.c.hash == _hashed(secret), tokens.c.kind == kind, tokens.c.revoked_at.is_(None), held)
        .where(users.c.disabled_at.is_(None))
    ).one_or_none()


def revoke_secret(connection: Connection, secret: str) -> None:
    """End a session or token."""
    connection.execute(update(tokens).where(tokens.c.hash == _hashed(secret)).values(revoked_at=now()))


def csrf_token(secret: str) -> str:
    """What a page of this session sends with every write: derived, so that nothing more is kept."""
    return hmac.new(secret.encode(), b"csrf", hashlib.sha256).hexdigest()


def csrf_fits(secret: str, given: str) -> bool:
    """Whether `given` is the session's own token."""
    return hmac.compare_digest(csrf_token(secret).encode(), given.encode())


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
