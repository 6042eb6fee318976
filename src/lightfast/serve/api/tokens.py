"""`/api/tokens`: secrets for programs, shown once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy import Connection, Row, select, update

from lightfast.base.errors import NotFoundError, SettingsError
from lightfast.library.schema import tokens, users
from lightfast.library.store import now
from lightfast.serve.api.fields import PathId, RoleChoice, RowId, ShownName
from lightfast.serve.auth.audit import note_audit
from lightfast.serve.auth.person import Person, Viewer, require_unlimited
from lightfast.serve.auth.tokens import TokenLimits, issue_secret, lesser_role
from lightfast.serve.once import OnceRoute
from lightfast.serve.problems import HttpProblem
from lightfast.serve.service import Served

token_routes = APIRouter(prefix="/api/tokens", tags=["users"], route_class=OnceRoute)


class TokenRow(BaseModel):
    """A token without its secret."""

    id: int
    user_id: int
    user: str
    note: str
    role: RoleChoice | None = Field(description="What it may at most; null: what its user may.")
    client: str | None = Field(description="Whose labels and pictures alone it may see; null: as its user.")
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class TokenList(BaseModel):
    """Tokens, newest first."""

    items: list[TokenRow]


class NewToken(BaseModel):
    """A token to make: for oneself, or by an admin for a user; what it is for stands in `note`. It may what
    its user may, or less: at most what a `role` may, of one `client` alone (as a viewer), for some `days`.
    """

    note: Annotated[ShownName, Field(examples=["the shop's import"])]
    user_id: RowId | None = None
    days: Annotated[int, Field(ge=1, le=3_650)] | None = None
    role: RoleChoice | None = Field(None, examples=["viewer"])
    client: ShownName | None = None


class TokenSecret(BaseModel):
    """A new token with its secret, which nobody can see again."""

    id: int
    secret: str
    expires_at: datetime | None


@token_routes.get("")
def get_tokens(served: Served, person: Viewer) -> TokenList:
    """The own tokens; of an admin everybody's. A token that ends, or may less than its user, sees itself."""
    found = (
        select(tokens, users.c.name)
        .join(users, users.c.id == tokens.c.user_id)
        .where(tokens.c.kind == "token")
        .order_by(tokens.c.id.desc())
    )
    if person.limited:
        found = found.where(tokens.c.id == person.token_id)
    elif person.role != "admin":
        found = found.where(tokens.c.user_id == person.id)
    with served.library.store.read() as connection:
        rows = connection.execute(found).all()
    return TokenList(items=[_row(row) for row in rows])


@token_routes.post("", status_code=201)
def post_token(wanted: NewToken, request: Request, served: Served, person: Viewer) -> TokenSecret:
    """Make a token. Its secret is in this answer and nowhere else. One that may less than its user, or that
    ends, makes none.
    """
    require_unlimited(person)
    owner = wanted.user_id or person.id
    if owner != person.id and person.role != "admin":
        raise HttpProblem(403, "tokens of others are made by admins", cure="Leave `user_id` out.")
    request.state.shown_once = True
    ends = None if wanted.days is None else now() + timedelta(days=wanted.days)
    limits = TokenLimits(wanted.role, wanted.client, ends)
    with served.library.store.write() as connection:
        _require_within(connection, owner, limits)
        number, secret = issue_secret(connection, owner, "token", wanted.note, limits)
        said = {"owner": owner, "note": wanted.note, "role": wanted.role, "client": wanted.client}
        note_audit(connection, person.id, "token made", token=number, **said)
    return TokenSecret(id=number, secret=secret, expires_at=ends)


def _require_within(connection: Connection, owner: int, limits: TokenLimits) -> None:
    """Refuse a user who is not there, and limits that are none: beyond what the user may."""
    row = connection.execute(select(users.c.role, users.c.client).where(users.c.id == owner)).one_or_none()
    if row is None:
        raise NotFoundError(f"user {owner} is not there", cure="Load the list anew.")
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


@token_routes.delete("/{token_id}")
def delete_token(token_id: PathId, served: Served, person: Viewer) -> TokenRow:
    """Revoke a token, for good."""
    require_unlimited(person)
    with served.library.store.write() as connection:
        _require_own(connection, token_id, person)
        connection.execute(
            update(tokens)
            .where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
            .values(revoked_at=now())
        )
        note_audit(connection, person.id, "token revoked", token=token_id)
        found = select(tokens, users.c.name).join(users, users.c.id == tokens.c.user_id)
        return _row(connection.execute(found.where(tokens.c.id == token_id)).one())


def _require_own(connection: Connection, token_id: int, person: Person) -> None:
    found = select(tokens.c.user_id).where(tokens.c.id == token_id, tokens.c.kind == "token")
    owner = connection.execute(found).scalar()
    # Whether others have a token of this number is nobody's business.
    if owner is None or (owner != person.id and person.role != "admin"):
        raise NotFoundError(f"token {token_id} is not there", cure="Load the list anew.")


def _row(row: Row[Any]) -> TokenRow:
    names = ("id", "user_id", "note", "role", "client", "created_at", "expires_at", "revoked_at")
    return TokenRow(user=row.name, **{name: getattr(row, name) for name in names})
