"""Secrets of browsers and programs: shown once, kept as hashes."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, bindparam, insert, or_, select, update

from lightfast.library.schema import tokens, users
from lightfast.library.store import now
from lightfast.library.users import ROLES

Kind = Literal["session", "token"]
_PREFIX = {"session": "lfs_", "token": "lft_"}


@dataclass(frozen=True)
class TokenLimits:
    """What a token may at most, where that is less than its user may.

    Attributes:
        role: viewer, reviewer or admin; None: as the user.
        client: whose labels and pictures alone it may see, as a viewer; None: as the user.
        expires_at: when it ends; None: when it is revoked.
    """

    role: str | None = None
    client: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Holder:
    """Whose secret it is, and what it may: `role` and `client` are those of the user, or less; `limited`: the
    secret is a token with `TokenLimits`; `of_client`: the user belongs to a client, whatever the token says;
    `token_id`: the row of the secret.
    """

    id: int
    name: str
    role: str
    client: str | None
    limited: bool
    of_client: bool
    token_id: int


NO_LIMITS = TokenLimits()


def issue_secret(
    connection: Connection, user_id: int, kind: Kind, note: str = "", limits: TokenLimits = NO_LIMITS
) -> tuple[int, str]:
    """(number, secret) of a new session or token of the user; only its SHA-256 is kept, which is enough for
    256 random bits. What a token may is looked at where it is used: the least of its user and itself.
    """
    secret = _PREFIX[kind] + secrets.token_urlsafe(32)
    row = {"user_id": user_id, "hash": secret_digest(secret), "note": note, "kind": kind}
    most = {"role": limits.role, "client": limits.client, "expires_at": limits.expires_at}
    made = connection.execute(insert(tokens).values(created_at=now(), **row, **most))
    return int(made.inserted_primary_key[0]), secret  # pyright: ignore[reportOptionalSubscript]


_HOLDER = (
    select(users.c.id, users.c.name, users.c.role, users.c.client)
    .add_columns(tokens.c.role.label("most"), tokens.c.client.label("only"), tokens.c.expires_at)
    .add_columns(tokens.c.id.label("token_id"))
    .join(tokens, tokens.c.user_id == users.c.id)
    .where(tokens.c.hash == bindparam("digest"), tokens.c.kind == bindparam("kind"))
    .where(tokens.c.revoked_at.is_(None), users.c.disabled_at.is_(None))
    .where(or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > bindparam("moment")))
)


def secret_holder(connection: Connection, secret: str, kind: Kind) -> Holder | None:
    """Whose secret this is, while it holds and the user is not disabled. A token of another client than its
    user's holds no more.
    """
    given = {"digest": secret_digest(secret), "kind": kind, "moment": now()}
    row = connection.execute(_HOLDER, given).one_or_none()
    if row is None or (row.client is not None and row.only not in (None, row.client)):
        return None
    limits = TokenLimits(row.most, row.only, row.expires_at if kind == "token" else None)
    role = "viewer" if row.only is not None else lesser_role(row.role, row.most or row.role)
    known = (limits != NO_LIMITS, row.client is not None, row.token_id)
    return Holder(row.id, row.name, role, row.only or row.client, *known)


def lesser_role(one: str, other: str) -> str:
    """The one of two roles that may less."""
    return min(one, other, key=ROLES.index)


def revoke_secret(connection: Connection, secret: str) -> None:
    """End a session or token."""
    connection.execute(update(tokens).where(tokens.c.hash == secret_digest(secret)).values(revoked_at=now()))


def csrf_token(secret: str) -> str:
    """What a page of this session sends with every write: derived, so that nothing more is kept."""
    return hmac.new(secret.encode(), b"csrf", hashlib.sha256).hexdigest()


def csrf_fits(secret: str, given: str) -> bool:
    """Whether `given` is the session's own token."""
    return hmac.compare_digest(csrf_token(secret).encode(), given.encode())


def secret_digest(secret: str) -> str:
    """The SHA-256 by which a secret is kept."""
    return hashlib.sha256(secret.encode()).hexdigest()
