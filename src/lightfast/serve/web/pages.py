"""The pages: a shell of HTML a page; what stands in it comes from the REST, by the modules in `static/`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import func, select

from lightfast.base.errors import LightfastError
from lightfast.library.browse import AssetCard, asset_cards, client_asset_ids
from lightfast.library.people.users import ROLES
from lightfast.library.promote import promoted_number
from lightfast.library.schema import assets
from lightfast.library.search.hits import search_tags
from lightfast.library.summary import LibrarySummary, summarise
from lightfast.serve.auth.person import COOKIE, Person, identify
from lightfast.serve.auth.tokens import csrf_token
from lightfast.serve.service import Served, Service

page_routes = APIRouter()
_HERE = Path(__file__).parent
STATIC_FOLDER = _HERE / "static"
_NAMES = {
    "/review": ("Review", "reviewer"),
    "/library": ("Library", "viewer"),
    "/map": ("Groups", "reviewer"),
    "/labels": ("Labels", "viewer"),
    "/models": ("Models", "viewer"),
    "/jobs": ("Jobs", "reviewer"),
    "/draw": ("Draw", "viewer"),
    "/human": ("Blind test", "reviewer"),
    "/people": ("People", "admin"),
}
"""Address → what a page is called, and the least role that can do there what it is for. Their own account, at
/people, everybody finds under their name.
"""
_WITHOUT_SCRIPT = 60


class PageFiles(StaticFiles):
    """Files that a browser asks for again each time, mostly to hear that they are unchanged: after an upgrade
    no old module meets a new one.
    """

    def file_response(self, *args: Any, **named: Any) -> Response:
        """The file, or that it is unchanged."""
        response = super().file_response(*args, **named)
        response.headers["Cache-Control"] = "no-cache"
        return response


@page_routes.get("/")
def start_page(request: Request, served: Served) -> Response:
    """What the library holds, and what to do next; empty: a place to drop pictures on."""
    return _page(request, served, "start", counts=lambda: _counts(served, request))


@page_routes.get("/review")
def review_page(request: Request, served: Served) -> Response:
    """The pictures that wait for a person, one by one or many at a time."""
    return _page(request, served, "review")


@page_routes.get("/library")
def library_page(request: Request, served: Served, q: str = "") -> Response:
    """All pictures: search, narrow, choose, label many."""
    return _page(request, served, "library", query=q, first=lambda: _first_pictures(served, request, q))


@page_routes.get("/assets/{asset_id}")
def asset_page(request: Request, served: Served, asset_id: int) -> Response:
    """One picture with all that is known of it."""
    return _page(request, served, "asset", asset_id=asset_id)


@page_routes.get("/map")
def map_page(request: Request, served: Served) -> Response:
    """Groups of pictures that look alike, on a map."""
    return _page(request, served, "map")


@page_routes.get("/labels")
def labels_page(request: Request, served: Served) -> Response:
    """The labels: their tree, and clients' names for them."""
    return _page(request, served, "labels")


@page_routes.get("/models")
def models_page(request: Request, served: Served) -> Response:
    """Models: which is in use, what each training brought."""
    return _page(request, served, "models")


@page_routes.get("/jobs")
def jobs_page(request: Request, served: Served) -> Response:
    """What runs, and what has run."""
    return _page(request, served, "jobs")


@page_routes.get("/draw")
def draw_page(request: Request, served: Served) -> Response:
    """A drawing board with the model's guesses; without a model what to do."""
    return _page(request, served, "draw", model=lambda: bool(served.settings.model) or _is_promoted(served))


@page_routes.get("/human")
def human_page(request: Request, served: Served) -> Response:
    """Blinded tests: how far one is, starting one, results."""
    return _page(request, served, "human")


@page_routes.get("/human/{test_id}")
def human_test_page(request: Request, served: Served, test_id: str) -> Response:
    """One picture of a blinded test after the other."""
    return _page(request, served, "human_test", test_id=test_id)


@page_routes.get("/login")
def login_page(request: Request, served: Served) -> Response:
    """Where a browser logs in."""
    return rendered(request, served, "login", identify(request), {})


@page_routes.get("/static/tokens.css")
def get_design_tokens() -> Response:
    """The colours, type and space that reports and pages share."""
    return _shared(("tokens.css",), "text/css")


@page_routes.get("/static/picture_map.css")
def get_map_style() -> Response:
    """How the map of the reports looks."""
    return _shared(("map.css.jinja",), "text/css")


@page_routes.get("/static/picture_map.js")
def get_map_module() -> Response:
    """The map of the reports as a module."""
    return _shared(("map_paint.js.jinja", "map.js.jinja"), "text/javascript", "export { PictureMap };\n")


def _first_pictures(served: Service, request: Request, query: str) -> tuple[AssetCard, ...]:
    """What somebody without JavaScript sees of a search; nothing where it cannot be read."""
    person = identify(request)
    if person is None:
        return ()
    client, blind = person.client, person.blind_to
    try:
        found = search_tags(served.library, query, client=client or "", limit=_WITHOUT_SCRIPT, blind_to=blind)
    except LightfastError:
        return ()
    with served.library.store.read() as connection:
        return asset_cards(connection, [one.asset_id for one in found.hits], client, blind_to=blind)


def _counts(served: Service, request: Request) -> LibrarySummary | dict[str, int]:
    """What the library holds; for a client how many pictures it may see, and nothing else."""
    person = identify(request)
    if person is None or person.client is None:
        return summarise(served.library)
    own = client_asset_ids(person.client).where(assets.c.unreadable.is_(None)).subquery()
    with served.library.store.read() as connection:
        return {"pictures": connection.execute(select(func.count()).select_from(own)).scalar_one()}


def _is_promoted(served: Service) -> bool:
    with served.library.store.read() as connection:
        return promoted_number(connection) is not None


def _shared(names: tuple[str, ...], kind: str, ends: str = "") -> Response:
    """Files of the report's kit, one after the other."""
    folder = _HERE.parents[1] / "report"
    text = "\n".join((folder / name).read_text(encoding="utf-8") for name in names)
    return Response(f"{text}\n{ends}", media_type=kind, headers={"Cache-Control": "no-cache"})


def _page(request: Request, served: Service, name: str, **more: Any) -> Response:
    """A page for whoever is logged in; others are sent to the login. A function in `more` is called then."""
    person = identify(request)
    if person is None:
        return RedirectResponse(f"/login?next={request.url.path}", 303)
    called, role = _NAMES.get("/" + request.url.path.split("/")[1], ("", "viewer"))
    if not _may(person, role):
        response = rendered(request, served, "refused", person, {"called": called, "role": role})
        response.status_code = 403
        return response
    return rendered(request, served, name, person, more)


def _may(person: Person, role: str) -> bool:
    return ROLES.index(person.role) >= ROLES.index(role)


def rendered(
    request: Request, served: Service, name: str, person: Person | None, more: dict[str, Any]
) -> Response:
    """The page called `name` for this person (None: for nobody); what stands in `more` goes into its
    template, of a function what it returns.
    """
    secret = request.cookies.get(COOKIE)
    named = {key: value() if callable(value) else value for key, value in more.items()}
    shown = [(path, text) for path, (text, role) in _NAMES.items() if person and _may(person, role)]
    text = (
        _templates()
        .get_template(f"{name}.html.jinja")
        .render(
            pages=shown,
            here=f"/{name}",
            user=person,
            csrf=csrf_token(secret) if secret else "none",
            library=served.library.folder.name,
            **named,
        )
    )
    return HTMLResponse(text, headers={"Cache-Control": "no-store"})


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
