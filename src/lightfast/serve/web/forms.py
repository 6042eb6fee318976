"""Forms of the people page for browsers without script: what its module does by the REST, with the same
checks. The token against forged requests stands in a field of the form, where a module sends a header.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from lightfast.base.errors import LightfastError
from lightfast.library.people.accounts import list_accounts
from lightfast.library.people.users import ROLES
from lightfast.library.schema import labels
from lightfast.serve.api.fields import PathId
from lightfast.serve.api.session import PasswordChange, change_password, log_out
from lightfast.serve.api.tokens import NewToken, delete_token, get_tokens, post_token
from lightfast.serve.auth.person import Person, identify, require_role
from lightfast.serve.problems import HttpProblem, problem_of
from lightfast.serve.service import Served, Service
from lightfast.serve.web.pages import rendered

form_routes = APIRouter()
_CLIENTS = select(labels.c.client).where(labels.c.client != "").distinct().order_by(labels.c.client)
_FIELDS = ("note", "user_id", "role", "client", "days")


@form_routes.get("/people")
def people_page(request: Request, served: Served) -> Response:
    """Who may do what."""
    person = identify(request)
    if person is None:
        return RedirectResponse(f"/login?next={request.url.path}", 303)
    return _page(request, served, person, _Shown(changed="changed" in request.query_params))


@form_routes.post("/people/tokens")
async def make_token_by_form(request: Request, served: Served) -> Response:
    """Make a token; the page that comes back shows its secret, or the refusal beside what was typed."""
    said = {name: str(value) for name, value in (await request.form()).items()}
    return await run_in_threadpool(_made, request, served, said)


@form_routes.post("/people/tokens/{token_id}/revoke")
async def revoke_token_by_form(token_id: PathId, request: Request, served: Served) -> Response:
    """Revoke a token, and show the page again."""
    said = {name: str(value) for name, value in (await request.form()).items()}

    def revoke() -> Response:
        delete_token(token_id, served, _sender(request, said))
        return RedirectResponse("/people", 303)

    return await run_in_threadpool(revoke)


@form_routes.post("/people/password")
async def change_password_by_form(request: Request, served: Served) -> Response:
    """Change the own password; the page that comes back says so, or why not."""
    said = {name: str(value) for name, value in (await request.form()).items()}
    return await run_in_threadpool(_changed, request, served, said)


@form_routes.post("/people/log-out")
async def log_out_by_form(request: Request, served: Served) -> Response:
    """Log out here."""
    said = {name: str(value) for name, value in (await request.form()).items()}

    def leave() -> Response:
        response = RedirectResponse("/login", 303)
        log_out(request, response, served, _sender(request, said))
        return response

    return await run_in_threadpool(leave)


def _changed(request: Request, served: Service, said: Mapping[str, str]) -> Response:
    person, page = _sender(request, said), Response()
    try:
        given = {name: said.get(name, "") for name in PasswordChange.model_fields}
        change_password(PasswordChange.model_validate(given), request, page, served, person)
    except ValidationError as error:
        return _page(request, served, person, _Shown(mistaken=f"The new one: {error.errors()[0]['msg']}"))
    except HttpProblem as problem:
        return _page(request, served, person, _Shown(mistaken=f"{problem.detail}. {problem.cure}".strip()))
    # The page has to have the token of the new session, which the browser gets with it.
    response = RedirectResponse("/people?changed=1", 303)
    response.headers["set-cookie"] = page.headers["set-cookie"]
    return response


def _made(request: Request, served: Service, said: Mapping[str, str]) -> Response:
    person = _sender(request, said)
    given = {name: text for name in _FIELDS if (text := said.get(name, "").strip())}
    try:
        made = post_token(NewToken.model_validate(given), request, served, person)
    except ValidationError as error:
        first = error.errors()[0]
        refused = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    except HttpProblem as problem:
        refused = f"{problem.detail}. {problem.cure}".strip()
    except LightfastError as error:
        refusal = problem_of(error, places=person.sees_places)
        refused = f"{refusal.detail}. {refusal.cure}".strip()
    else:
        return _page(request, served, person, _Shown(secret=made.secret))
    return _page(request, served, person, _Shown(said, refused))


def _sender(request: Request, said: Mapping[str, str]) -> Person:
    """Who sends the form; raises HttpProblem 401 for nobody, and 403 without the token of the page."""
    return require_role(identify(request, csrf=said.get("csrf", "")), "viewer")


@dataclass(frozen=True)
class _Shown:
    """What a page says of the form before it: what was typed and why a token was refused, or its secret; why
    the password was not changed, or that it was.
    """

    said: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""
    secret: str = ""
    mistaken: str = ""
    changed: bool = False


def _page(request: Request, served: Service, person: Person, after: _Shown) -> Response:
    """The page; only an admin is told who else there is. A refusal has the status 422."""
    admin = person.role == "admin"
    with served.library.store.read() as connection:
        clients = tuple(connection.execute(_CLIENTS).scalars()) if admin else ()
        accounts = list_accounts(connection) if admin else ()
    parts: dict[str, Any] = {
        "accounts": [one for one in accounts if one.disabled_at is None],
        "clients": clients,
        "tokens": [one for one in get_tokens(served, person).items if one.revoked_at is None],
        "admin": admin,
        "roles": ROLES[: ROLES.index(person.role) + 1],
        **vars(after),
    }
    response = rendered(request, served, "people", person, parts)
    if after.refused or after.mistaken:
        response.status_code = 422
    return response
