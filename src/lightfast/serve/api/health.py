"""`/healthz` and `/readyz`: whether the process lives, and whether it can work."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import text

from lightfast.serve.service import Served

health_routes = APIRouter(tags=["operation"])


class Health(BaseModel):
    """The state of the server, in a word."""

    status: str


@health_routes.get("/healthz")
async def get_health() -> Health:
    """The process answers."""
    return Health(status="alive")


@health_routes.get("/readyz")
def get_readiness(served: Served) -> Health:
    """The database answers; problem 503 where it does not."""
    with served.library.store.read() as connection:
        connection.execute(text("SELECT 1"))
    return Health(status="ready")
