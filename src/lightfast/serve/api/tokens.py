"""`/api/tokens`: secrets for programs, shown once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from lightfast.library.store import now
from lightfast.serve.api.fields import PathId, RoleChoice, RowId, ShownName
from lightfast.serve.auth.person import Viewer, require_unlimited
from lightfast.serve.auth.tokens import TokenLimits, list_tokens, make_token, revoke_token
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
    owner = None if person.role == "admin" else person.id
    with served.library.store.read() as connection:
        found = list_tokens(connection, owner, person.token_id if person.limited else None)
    return TokenList(items=[TokenRow(**vars(one)) for one in found])


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
        number, secret = make_token(connection, person.id, owner, wanted.note, limits)
    return TokenSecret(id=number, secret=secret, expires_at=ends)


@token_routes.delete("/{token_id}")
def delete_token(token_id: PathId, served: Served, person: Viewer) -> TokenRow:
    """Revoke a token, for good."""
    require_unlimited(person)
    owner = None if person.role == "admin" else person.id
    with served.library.store.write() as connection:
        revoked = revoke_token(connection, person.id, token_id, owner)
    served.people.forget()
    return TokenRow(**vars(revoked))
