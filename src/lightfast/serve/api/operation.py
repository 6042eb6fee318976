"""`/healthz`, `/readyz`, `/metrics`: whether the process lives, whether it can work, and how much it does."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from sqlalchemy import text

from lightfast.library.store import Store
from lightfast.serve.auth.person import Viewer, require_unscoped
from lightfast.serve.service import Served

operation_routes = APIRouter(tags=["operation"])


class Health(BaseModel):
    """The state of the server, in a word."""

    status: str


@operation_routes.get("/healthz")
async def get_health() -> Health:
    """The process answers."""
    return Health(status="alive")


@operation_routes.get("/readyz")
def get_readiness(served: Served) -> Health:
    """The database answers; problem 503 where it does not."""
    store = served.library.store
    # Whoever asks wants to know now, not when it has come back.
    with Store(store.engine, store.name, patience=0).read() as connection:
        connection.execute(text("SELECT 1"))
    return Health(status="ready")


@operation_routes.get("/metrics", response_class=Response)
async def get_metrics(served: Served, person: Viewer) -> Response:
    """Counters and times in Prometheus's text format. They count everybody's work: a client's viewer is
    refused.
    """
    require_unscoped(person)
    return Response(served.metrics.text(), media_type=CONTENT_TYPE_LATEST)
