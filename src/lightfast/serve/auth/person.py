"""Who sends a request, and what that person may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Request
from sqlalchemy import Connection

from lightfast.library.users import ROLES
from lightfast.serve.auth.tokens import Kind, csrf_fits, secret_holder
from lightfast.serve.problems import HttpProblem
from lightfast.serve.service import Service

COOKIE, CSRF_HEADER = "lightfast_session", "X-CSRF-Token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_LOG_IN = "Log in at POST /api/session, or send a token: Authorization: Bearer …"


@dataclass(frozen=True)
class Person:
    """Who sends the request.

    Attributes:
        id, name: in the table of users.
        role: viewer, reviewer or admin; each may what those before it may.
        client: whose labels and pictures the person may see; None: all.
        by: how that is known: this machine's own person, a browser's session, a program's token.
    """

    id: int
    name: str
    role: str
    client: str | None
    by: Literal["local", "session", "token"]


def identify(request: Request) -> Person | None:
    """Who sends the request, None for nobody. Raises HttpProblem 401 for a token that does not hold, and 403
    for a write of a browser without the token of its page.
    """
    service: Service = request.app.state.service
    bearer = request.headers.get("authorization")
    cookie = request.cookies.get(COOKIE)
    with service.library.store.read() as connection:
        if bearer is not None:
            found = _by_secret(connection, _bearer(bearer), "token")
            if found is None:
                raise HttpProblem(
                    401, "this token does not hold (any more)", cure=_LOG_IN, headers=_CHALLENGE
                )
            return found
        found = _by_secret(connection, cookie, "session") if cookie else None
        if found is None and service.is_local(connection):
            owner = service.owner(connection, write=request.method not in SAFE)
            return Person(owner, service.settings.local_user, "admin", None, "local")
    if found is not None and cookie is not None and request.method not in SAFE:
        _require_csrf(cookie, request.headers.get(CSRF_HEADER, ""))
    return found


class Needs:
    """A dependency: the person who sends the request, with at least this role."""

    def __init__(self, role: str) -> None:
        self.rank = ROLES.index(role)

    def __call__(self, request: Request) -> Person:
        """The person; raises HttpProblem 401 for nobody and 403 for somebody who may not."""
        person = identify(request)
        if person is None:
            raise HttpProblem(401, "nobody is logged in", cure=_LOG_IN, headers=_CHALLENGE)
        if ROLES.index(person.role) < self.rank:
            wanted = ROLES[self.rank]
            raise HttpProblem(
                403, f"this needs the role {wanted}", cure=f"Ask an admin; {person.name} is {person.role}."
            )
        return person


_CHALLENGE = {"WWW-Authenticate": "Bearer"}
Viewer = Annotated[Person, Depends(Needs("viewer"))]
Reviewer = Annotated[Person, Depends(Needs("reviewer"))]
Admin = Annotated[Person, Depends(Needs("admin"))]


def _bearer(header: str) -> str:
    kind, _, secret = header.partition(" ")
    if kind.lower() != "bearer" or not secret.strip():
        raise HttpProblem(401, "Authorization is no bearer token", cure=_LOG_IN, headers=_CHALLENGE)
    return secret.strip()


def _by_secret(connection: Connection, secret: str, kind: Kind) -> Person | None:
    row = secret_holder(connection, secret, kind)
    return None if row is None else Person(row.id, row.name, row.role, row.client, kind)


def _require_csrf(secret: str, given: str) -> None:
    if not csrf_fits(secret, given):
        raise HttpProblem(
            403,
            f"a write of a browser needs the header {CSRF_HEADER}",
            cure="Send the `csrf` of GET /api/session.",
        )
