"""`/api/tokens`: secrets for programs, shown once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy import Connection, Row, select, update

from lightfast.base.errors import NotFoundError
from lightfast.library.schema import tokens, users
from lightfast.library.store import now
from lightfast.serve.api.fields import PathId, RowId, ShownName
from lightfast.serve.auth.audit import note_audit
from lightfast.serve.auth.person import Person, Viewer
from lightfast.serve.auth.tokens import issue_secret
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
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class TokenList(BaseModel):
    """Tokens, newest first."""

    items: list[TokenRow]


class NewToken(BaseModel):
    """A token to make: for oneself, or by an admin for a user; what it is for stands in `note`."""

    note: Annotated[ShownName, Field(examples=["the shop's import"])]
    user_id: RowId | None = None
    days: Annotated[int, Field(ge=1, le=3_650)] | None = None


class TokenSecret(BaseModel):
    """A new token with its secret, which nobody can see again."""

    id: int
    secret: str
    expires_at: datetime | None


@token_routes.get("")
def get_tokens(served: Served, person: Viewer) -> TokenList:
    """The own tokens; of an admin everybody's."""
    found = (
        select(tokens, users.c.name)
        .join(users, users.c.id == tokens.c.user_id)
        .where(tokens.c.kind == "token")
        .order_by(tokens.c.id.desc())
    )
    if person.role != "admin":
        found = found.where(tokens.c.user_id == person.id)
    with served.library.store.read() as connection:
        rows = connection.execute(found).all()
    return TokenList(items=[_row(row) for row in rows])


@token_routes.post("", status_code=201)
def post_token(wanted: NewToken, request: Request, served: Served, person: Viewer) -> TokenSecret:
    """Make a token. Its secret is in this answer and nowhere else."""
    owner = wanted.user_id or person.id
    if owner != person.id and person.role != "admin":
        raise HttpProblem(403, "tokens of others are made by admins", cure="Leave `user_id` out.")
    request.state.shown_once = True
    ends = None if wanted.days is None else now() + timedelta(days=wanted.days)
    with served.library.store.write() as connection:
        if connection.execute(select(users.c.id).where(users.c.id == owner)).scalar() is None:
            raise NotFoundError(f"user {owner} is not there", cure="Load the list anew.")
        number, secret = issue_secret(connection, owner, "token", wanted.note, ends)
        note_audit(connection, person.id, "token made", token=number, owner=owner, note=wanted.note)
    return TokenSecret(id=number, secret=secret, expires_at=ends)


@token_routes.delete("/{token_id}")
def delete_token(token_id: PathId, served: Served, person: Viewer) -> TokenRow:
    """Revoke a token, for good."""
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
    names = ("id", "user_id", "note", "created_at", "expires_at", "revoked_at")
    return TokenRow(user=row.name, **{name: getattr(row, name) for name in names})
