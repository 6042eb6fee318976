"""Who sends a request, and what that person may do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from fastapi import Depends, Request
from sqlalchemy import Connection

from lightfast.base.errors import StorageError
from lightfast.library.people.users import ROLES
from lightfast.serve.auth.tokens import Kind, csrf_fits, secret_digest, secret_holder
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
        limited: by a token that ends, or that may less than its user.
        of_client: whether the user, and not only the token, belongs to a client.
        token_id: of the session or token; None for this machine's own person.
    """

    id: int
    name: str
    role: str
    client: str | None
    by: Literal["local", "session", "token"]
    limited: bool = False
    of_client: bool = False
    token_id: int | None = None

    @property
    def sees_places(self) -> bool:
        """Whether the person is told where things lie on the server: admins are."""
        return self.role == "admin"

    @property
    def blind_to(self) -> int | None:
        """The person, where what others said of a picture that waits for a second opinion is kept from it;
        None for admins, and for a client's own users, who are never asked. Nobody gets round it by a token.
        """
        return None if self.role == "admin" or self.of_client else self.id


@dataclass(frozen=True)
class Sender:
    """What a request says of who sends it, before anybody looks whether that holds.

    Attributes:
        token: of a program; None where it sends none.
        session: of a browser; None where it sends none.
        csrf: what goes with the writes of a page.
        writes: whether the request is a write.
    """

    token: str | None
    session: str | None
    csrf: str
    writes: bool

    @property
    def digest(self) -> str:
        """By which the same sender is known again."""
        return secret_digest(f"{self.token}\0{self.session}")


def sender_of(request: Request) -> Sender:
    """What the request says; raises HttpProblem 401 for an Authorization that is no bearer token."""
    headers = request.headers
    header = headers.get("authorization")
    token = None if header is None else _bearer(header)
    csrf = headers.get(CSRF_HEADER, "")
    return Sender(token, request.cookies.get(COOKIE), csrf, request.method not in SAFE)


def look_up(service: Service, connection: Connection, sender: Sender) -> Person | None:
    """Who the sender is, None for nobody. The owner of this machine has the number 0 before its first write.

    Raises HttpProblem 401 for a token that does not hold, and 403 for a write of a browser without the token
    of its page.
    """
    if sender.token is not None:
        found = _by_secret(connection, sender.token, "token")
        if found is None:
            raise HttpProblem(401, "this token does not hold (any more)", cure=_LOG_IN, headers=_CHALLENGE)
        return found
    found = _by_secret(connection, sender.session, "session") if sender.session else None
    if found is None and service.is_local(connection):
        owner = service.owner(connection, writes=sender.writes)
        return Person(owner, service.settings.local_user, "admin", None, "local")
    if found is not None:
        require_page(sender)
    return found


def identify(request: Request, csrf: str | None = None) -> Person | None:
    """Who sends a request, None for nobody; raises HttpProblem as `look_up` does. `csrf`: what a form sends
    in place of the header.
    """
    service: Service = request.app.state.service
    sender = sender_of(request)
    if csrf is not None:
        sender = replace(sender, csrf=csrf)
    with service.library.store.read() as connection:
        found = look_up(service, connection, sender)
    # For what a refusal may say; see `problems`.
    request.state.sees_places = found is not None and found.sees_places
    if found is not None and not found.id and sender.writes:
        return replace(found, id=_owner(service))
    return found


def _owner(service: Service) -> int:
    """The number of the owner, made an admin. In a library that cannot be written the number that is known:
    what writes nothing, such as a prediction, is answered there.
    """
    try:
        return service.library.store.act(service.make_owner)
    except StorageError:
        with service.library.store.read() as connection:
            if number := service.owner(connection):
                return number
        raise


class Needs:
    """A dependency: the person who sends the request, with at least this role."""

    def __init__(self, role: str) -> None:
        self.role = role

    def __call__(self, request: Request) -> Person:
        """The person; raises HttpProblem 401 for nobody and 403 for somebody who may not."""
        return require_role(identify(request), self.role)


def require_role(person: Person | None, role: str) -> Person:
    """The person; raises HttpProblem 401 for nobody and 403 for somebody who may less than `role`."""
    if person is None:
        raise HttpProblem(401, "nobody is logged in", cure=_LOG_IN, headers=_CHALLENGE)
    if ROLES.index(person.role) < ROLES.index(role):
        raise HttpProblem(
            403, f"this needs the role {role}", cure=f"Ask an admin; {person.name} is {person.role}."
        )
    return person


def require_unlimited(person: Person) -> None:
    """Raise HttpProblem 403 for a token with limits, which gives nobody rights that outlast or exceed it."""
    if person.limited:
        why = "a token that ends, or may less than its user, changes neither tokens nor users"
        raise HttpProblem(403, why, cure="Log in, or use a token without limits.")


def require_unscoped(person: Person) -> None:
    """Raise HttpProblem 403 for somebody who sees one client's pictures alone."""
    if person.client is not None:
        why = "this is about everybody's pictures, and you see one client's"
        raise HttpProblem(403, why, cure="Ask somebody who is not limited to a client.")


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
    held = secret_holder(connection, secret, kind)
    if held is None:
        return None
    known = (held.limited, held.of_client, held.token_id)
    return Person(held.id, held.name, held.role, held.client, kind, *known)


def require_page(sender: Sender) -> None:
    """Raise HttpProblem 403 for a write of a browser's session without the token of its page."""
    if sender.session is not None and sender.writes and not csrf_fits(sender.session, sender.csrf):
        raise HttpProblem(
            403,
            f"a write of a browser needs the header {CSRF_HEADER}",
            cure="Send the `csrf` of GET /api/session.",
        )
