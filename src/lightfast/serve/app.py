"""The application: a library behind REST, with the pages that use it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.concurrency import run_in_threadpool

from lightfast import __version__
from lightfast.library.library import Library
from lightfast.serve.api.assets import asset_routes
from lightfast.serve.api.audit import audit_routes
from lightfast.serve.api.cluster_members import cluster_member_routes
from lightfast.serve.api.explain import explain_routes
from lightfast.serve.api.human import human_routes
from lightfast.serve.api.jobs import job_routes
from lightfast.serve.api.labels import label_routes
from lightfast.serve.api.layouts import layout_routes
from lightfast.serve.api.model_cards import model_card_routes
from lightfast.serve.api.model_measures import model_measure_routes
from lightfast.serve.api.models import model_routes
from lightfast.serve.api.neighbours import neighbour_routes
from lightfast.serve.api.operation import operation_routes
from lightfast.serve.api.predict import predict_asset_routes, predict_routes
from lightfast.serve.api.repair import repair_routes
from lightfast.serve.api.review import review_routes
from lightfast.serve.api.search import search_routes
from lightfast.serve.api.session import session_routes
from lightfast.serve.api.tags import tag_routes
from lightfast.serve.api.take import take_routes
from lightfast.serve.api.tokens import token_routes
from lightfast.serve.api.users import user_routes
from lightfast.serve.auth.person import COOKIE
from lightfast.serve.metrics import MeasuredApp
from lightfast.serve.problems import MEDIA_TYPE, add_problem_handlers
from lightfast.serve.security import Guard
from lightfast.serve.service import Service
from lightfast.serve.settings import ServeSettings
from lightfast.serve.web.forms import form_routes
from lightfast.serve.web.pages import STATIC_FOLDER, PageFiles, page_routes

API = (
    # The first, since routes are looked through in order, and this one is asked the most.
    predict_routes,
    session_routes,
    predict_asset_routes,
    asset_routes,
    label_routes,
    tag_routes,
    search_routes,
    explain_routes,
    repair_routes,
    model_routes,
    model_card_routes,
    model_measure_routes,
    job_routes,
    # Before the routes of one cluster, whose number would be "members".
    cluster_member_routes,
    layout_routes,
    review_routes,
    take_routes,
    neighbour_routes,
    human_routes,
    user_routes,
    token_routes,
    audit_routes,
    operation_routes,
)
_PROBLEM = {
    "description": "A refusal, with what to do.",
    "content": {MEDIA_TYPE: {"schema": {"type": "object", "properties": {}}}},
}
_SECURED = [
    Depends(HTTPBearer(auto_error=False, description="A token of POST /api/tokens.")),
    Depends(APIKeyCookie(name=COOKIE, auto_error=False, description="The session of POST /api/session.")),
]


def create_app(
    library: Library, settings: ServeSettings | None = None, pictures: Sequence[str] = ()
) -> FastAPI:
    """The application over an open library, which the caller closes; `pictures` (folders, files) are added
    once it runs, in the background.

    Raises SettingsError where other machines would reach it and nobody has a password.
    """
    service = Service(library, settings or ServeSettings())
    service.require_users()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(service.start, pictures)
        yield
        await run_in_threadpool(service.close)

    app = FastAPI(
        title="Lightfast",
        version=__version__,
        summary="An image classifier with its library: predict, search, review, retrain.",
        openapi_url="/api/openapi.json",
        # What generated clients call their functions.
        generate_unique_id_function=lambda route: route.name,
        # Its pages load scripts from elsewhere, which the content security policy forbids.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    for routes in API:
        app.include_router(routes, dependencies=_SECURED, responses={"4XX": _PROBLEM})
    app.include_router(page_routes, include_in_schema=False)
    app.include_router(form_routes, include_in_schema=False)
    app.mount("/static", PageFiles(directory=STATIC_FOLDER), name="static")
    _build_routes(app)
    add_problem_handlers(app)
    app.add_middleware(Guard, service=service)
    app.add_middleware(MeasuredApp, metrics=service.metrics)
    return app


def _build_routes(app: FastAPI) -> None:
    """FastAPI builds its routes when the first request comes: that one would wait for it, and two servers of
    one process would build at once, which it is not made for.
    """
    asked = {"type": "http", "method": "GET", "path": "/", "root_path": "", "headers": []}
    for route in app.routes:
        route.matches(asked)
