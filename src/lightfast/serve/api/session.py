"""`/api/session`: who am I, log in, log out."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, SecretStr
from sqlalchemy import Connection, select

from lightfast import __version__
from lightfast.library.people.noting import note_audit
from lightfast.library.schema import users
from lightfast.library.store import now
from lightfast.serve.api.fields import ShownName
from lightfast.serve.auth.accounts import alter_account
from lightfast.serve.auth.attempts import LOGIN, LOGIN_REFUSED, logins_lately, queue_logins
from lightfast.serve.auth.passwords import NewPassword, hash_password, password_fits
from lightfast.serve.auth.person import COOKIE, Person, Viewer, identify
from lightfast.serve.auth.tokens import TokenLimits, csrf_token, issue_secret, revoke_secret
from lightfast.serve.problems import HttpProblem
from lightfast.serve.security import too_often
from lightfast.serve.service import Served, Service

session_routes = APIRouter(prefix="/api/session", tags=["session"])


class Login(BaseModel):
    """A name with its password."""

    name: ShownName = Field(examples=["ada"])
    password: Annotated[SecretStr, Field(max_length=1_000)] = Field(examples=["correct horse battery"])


class PasswordChange(BaseModel):
    """The present password, and the one to come."""

    password: Annotated[SecretStr, Field(max_length=1_000, examples=["correct horse battery"])]
    new_password: Annotated[NewPassword, Field(examples=["another horse, another battery"])]


class SessionUser(BaseModel):
    """Who is logged in."""

    id: int
    name: str
    role: Literal["viewer", "reviewer", "admin"]
    client: str | None = None


class SessionAnswer(BaseModel):
    """Who sends the request: `user` is null where nobody is logged in. `csrf` goes with every write, in the
    header X-CSRF-Token. `local`: everyone here is the owner, nobody has to log in.
    """

    user: SessionUser | None
    csrf: str
    local: bool
    library: str = Field(description="The name of the library.")
    version: str


@session_routes.get("")
def get_session(request: Request, served: Served) -> SessionAnswer:
    """Who am I, and what goes with my writes."""
    return _answer(served, identify(request), request.cookies.get(COOKIE))


@session_routes.post("")
def log_in(login: Login, request: Request, response: Response, served: Served) -> SessionAnswer:
    """Log in: sets the cookie of the session."""
    address = _address(request)
    for name in (f"address {address}", f"name {login.name}"):
        if wait := served.logins.wait_for(name):
            raise too_often(wait)
    person = _checked(served, login, address)
    with served.library.store.write() as connection:
        queue_logins(connection, login.name, address)
        _require_calm(served, connection, login.name, address)
        secret = _begun(served, connection, person)
        note_audit(connection, person.id, LOGIN, address=address)
    _set_cookie(served, response, secret)
    return _answer(served, person, secret)


@session_routes.put("/password")
def change_password(
    wanted: PasswordChange, request: Request, response: Response, served: Served, person: Viewer
) -> SessionAnswer:
    """Change the own password, which the present one allows: tokens and sessions end, and a new session is
    set as the cookie. Wrong ones count as logins.
    """
    if person.by != "session":
        why = "a password is changed by whoever logged in with it"
        raise HttpProblem(403, why, cure="Log in, or ask an admin: PATCH /api/users/ID.")
    address = _address(request)
    try:
        _checked(served, Login(name=person.name, password=wanted.password), address)
    except HttpProblem as problem:
        if problem.status != 401:
            raise
        cure = "Type it again, or ask an admin for a new one."
        raise HttpProblem(422, "the present password is wrong", cure=cure) from problem
    kept = hash_password(wanted.new_password.get_secret_value())
    with served.library.store.write() as connection:
        queue_logins(connection, person.name, address)
        _require_calm(served, connection, person.name, address)
        alter_account(connection, person.id, person.id, {"password_hash": kept})
        secret = _begun(served, connection, person)
    served.people.forget()
    _set_cookie(served, response, secret)
    return _answer(served, person, secret)


@session_routes.delete("", status_code=204)
def log_out(request: Request, response: Response, served: Served, person: Viewer) -> None:
    """Log out: the session ends for good."""
    secret = request.cookies.get(COOKIE)
    if person.by == "session" and secret is not None:
        with served.library.store.write() as connection:
            revoke_secret(connection, secret)
            note_audit(connection, person.id, "logout")
        served.people.forget()
    response.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=served.settings.https)


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _begun(served: Service, connection: Connection, person: Person) -> str:
    """The secret of a new session."""
    ends = now() + timedelta(days=served.settings.limits.session_days)
    return issue_secret(connection, person.id, "session", limits=TokenLimits(expires_at=ends))[1]


def _set_cookie(served: Service, response: Response, secret: str) -> None:
    days, secure = served.settings.limits.session_days, served.settings.https
    response.set_cookie(COOKIE, secret, max_age=days * 86_400, httponly=True, samesite="lax", secure=secure)


def _checked(served: Service, login: Login, address: str) -> Person:
    store = served.library.store
    with store.read() as connection:
        _require_calm(served, connection, login.name, address)
        row = connection.execute(select(users).where(users.c.name == login.name)).one_or_none()
    kept = None if row is None or row.disabled_at is not None else row.password_hash
    if row is None or not password_fits(login.password.get_secret_value(), kept):
        with store.write() as connection:
            queue_logins(connection, login.name, address)
            _require_calm(served, connection, login.name, address)
            note_audit(connection, None, LOGIN_REFUSED, name=login.name, address=address)
        raise HttpProblem(
            401, "name or password is wrong", cure="Try again, or ask an admin for a new password."
        )
    return Person(row.id, row.name, row.role, row.client, "session")


def _require_calm(served: Service, connection: Connection, name: str, address: str) -> None:
    """Refuse one login too many, whichever process the others came to: asked again where it is noted, behind
    `queue_logins`, so that those that come at once are counted, too.
    """
    if logins_lately(connection, name, address) >= served.settings.limits.logins_a_minute:
        raise too_often(60)


def _answer(served: Service, person: Person | None, secret: str | None) -> SessionAnswer:
    user = None
    if person is not None:
        user = SessionUser(id=person.id, name=person.name, role=person.role, client=person.client)  # pyright: ignore[reportArgumentType]
    return SessionAnswer(
        user=user,
        # Programs and the owner need none; something is given so that pages need not tell them apart.
        csrf=csrf_token(secret) if secret else "none",
        local=person is not None and person.by == "local",
        library=served.library.folder.name,
        version=__version__,
    )
