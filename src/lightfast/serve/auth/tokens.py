"""Secrets of browsers and programs: shown once, kept as hashes."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, bindparam, insert, or_, select, update

from lightfast.base.errors import NotFoundError, SettingsError
from lightfast.library.people.noting import note_audit
from lightfast.library.people.users import ROLES
from lightfast.library.schema import tokens, users
from lightfast.library.store import now

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


@dataclass(frozen=True)
class KeptToken:
    """A program's token without its secret; `user` is the name of the one with the number `user_id`, the rest
    as in `TokenLimits` and the columns of `tokens`.
    """

    id: int
    user_id: int
    user: str
    note: str
    role: str | None
    client: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        """Its fields, with moments as ISO texts."""
        found = dict(vars(self))
        moments = ("created_at", "expires_at", "revoked_at")
        return found | {name: found[name] and found[name].isoformat() for name in moments}


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


def make_token(
    connection: Connection, by: int | None, owner: int, note: str, limits: TokenLimits
) -> tuple[int, str]:
    """(number, secret) of a token for a program of the user `owner`, noted as made by the user `by`.

    Raises NotFoundError for a user who is not there, SettingsError for limits beyond what the user may.
    """
    _require_within(connection, owner, limits)
    number, secret = issue_secret(connection, owner, "token", note, limits)
    said = {"owner": owner, "note": note, "role": limits.role, "client": limits.client}
    note_audit(connection, by, "token made", token=number, **said)
    return number, secret


def list_tokens(
    connection: Connection, user_id: int | None = None, token_id: int | None = None
) -> tuple[KeptToken, ...]:
    """Tokens of programs, the newest first: of one user, or the one with this number; None: all."""
    found = _KEPT
    if user_id is not None:
        found = found.where(tokens.c.user_id == user_id)
    if token_id is not None:
        found = found.where(tokens.c.id == token_id)
    return tuple(map(_kept, connection.execute(found)))


def revoke_token(
    connection: Connection, by: int | None, token_id: int, owner: int | None = None
) -> KeptToken:
    """End a token for good, noted as wanted by the user `by`.

    Raises NotFoundError where there is none of this number, and, with `owner`, where it is somebody else's:
    whether others have one is nobody's business.
    """
    if not list_tokens(connection, owner, token_id):
        raise NotFoundError(f"token {token_id} is not there", cure="Load the list anew.")
    here = update(tokens).where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
    connection.execute(here.values(revoked_at=now()))
    note_audit(connection, by, "token revoked", token=token_id)
    return list_tokens(connection, token_id=token_id)[0]


_KEPT: Select[Any] = (
    select(tokens, users.c.name.label("user"))
    .join(users, users.c.id == tokens.c.user_id)
    .where(tokens.c.kind == "token")
    .order_by(tokens.c.id.desc())
)


def _kept(row: Row[Any]) -> KeptToken:
    return KeptToken(**{name: getattr(row, name) for name in KeptToken.__dataclass_fields__})


def _require_within(connection: Connection, owner: int, limits: TokenLimits) -> None:
    """Refuse a user who is not there, and limits that are none: beyond what the user may."""
    row = connection.execute(select(users.c.role, users.c.client).where(users.c.id == owner)).one_or_none()
    if row is None:
        raise NotFoundError(f"user {owner} is not there", cure="Load the list anew.")
    if limits.role is not None and limits.role not in ROLES:
        raise SettingsError(f"`role` {limits.role!r}", expected=" or ".join(ROLES))
    if limits.role is not None and lesser_role(limits.role, row.role) != limits.role:
        raise SettingsError(f"`role` {limits.role} of a token", expected=f"at most {row.role}, as its user")
    if limits.client is None:
        return
    if limits.role not in (None, "viewer"):
        raise SettingsError(
            f"`client` of a token with the role {limits.role}",
            expected="none",
            cure="Leave `role` out: who belongs to a client is a viewer.",
        )
    if row.client not in (None, limits.client):
        raise SettingsError(f"`client` {limits.client!r} of a token", expected=f"{row.client!r}, as its user")


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
