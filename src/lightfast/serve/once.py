"""Writes that are sent again are not done again: `Idempotency-Key` for everything but decisions, which keep
their keys in their own table. A route that answers with a secret sets `request.state.shown_once`: it is not
kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from sqlalchemy import Connection, Row, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from starlette.concurrency import run_in_threadpool

from lightfast.library.schema import written_table
from lightfast.library.store import Store, now
from lightfast.serve.auth.person import COOKIE, SAFE, identify
from lightfast.serve.problems import HttpProblem
from lightfast.serve.service import Service

HEADER, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
_KEPT, _UNDER_WORK = timedelta(days=7), timedelta(minutes=10)
_PARAMETER = {
    "name": HEADER.lower(),
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    "description": "The same write sent again under the same key is not done again.",
}
_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class OnceRoute(APIRoute):
    """A route whose writes with an Idempotency-Key answer a second time what they answered the first; the
    description of the service says so where the route itself does not.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        super().__init__(path, endpoint, **more)
        if not (self.methods or set()) <= SAFE and not self._keeps_keys():
            extra = dict(self.openapi_extra or {})
            self.openapi_extra = {**extra, "parameters": [*extra.get("parameters", []), _PARAMETER]}

    def _keeps_keys(self) -> bool:
        """Whether what the route orders is named by the key: begun again, it is the same order."""
        return HEADER.lower() in {one.alias.lower() for one in self.dependant.header_params}

    def get_route_handler(self) -> _Handler:
        """The handler, with the look at the table around it."""
        handle, again = super().get_route_handler(), self._keeps_keys()

        async def once(request: Request) -> Response:
            key = request.headers.get(HEADER)
            if key is None or request.method in SAFE:
                return await handle(request)
            if not 1 <= len(key) <= 200:
                raise HttpProblem(422, f"{HEADER} has {len(key)} signs", cure="Send 1 to 200.")
            return await _once(request, handle, key, again=again)

        return once


async def _once(request: Request, handle: _Handler, key: str, *, again: bool) -> Response:
    """`again`: one that is under work may be handled again, as after a kill of the server that had it."""
    service: Service = request.app.state.service
    store = service.library.store
    # Before an earlier answer is given or anything is written: a token may have been revoked since, and who
    # is nobody fills no table.
    if await run_in_threadpool(identify, request) is None:
        return await handle(request)
    name, body = _digest(request, key), hashlib.sha256(await request.body()).hexdigest()
    before = await run_in_threadpool(store.act, lambda connection: _begun(connection, name, body))
    if before is not None and not (again and before.status is None and before.body == body):
        return _again(before, body)
    try:
        response = await handle(request)
    except BaseException:
        await run_in_threadpool(_forget, store, name)
        raise
    text = None if getattr(request.state, "shown_once", False) else bytes(response.body).decode()
    await run_in_threadpool(_done, store, name, response.status_code, text)
    return response


def _digest(request: Request, key: str) -> str:
    """Who, what and the key: a key of one person never meets another's, and none is kept as it is."""
    who = request.headers.get("authorization") or request.cookies.get(COOKIE) or "local"
    text = "\0".join((who, request.method, request.url.path, key))
    return hashlib.sha256(text.encode()).hexdigest()


def _begun(connection: Connection, name: str, body: str) -> Row[Any] | None:
    """The row of an earlier request with this key; None: this is the first, and is noted."""
    moment, table = now(), written_table
    stale = (table.c.status.is_(None) & (table.c.at < moment - _UNDER_WORK)) | (table.c.at < moment - _KEPT)
    connection.execute(delete(table).where(stale))
    kind = sqlite if connection.dialect.name == "sqlite" else postgresql
    put = kind.insert(table).values(key=name, body=body, at=moment).on_conflict_do_nothing()
    if connection.execute(put.returning(table.c.key)).scalar() is not None:
        return None
    return connection.execute(select(table).where(table.c.key == name)).one()


def _again(before: Row[Any], body: str) -> Response:
    if before.body != body:
        raise HttpProblem(422, f"this {HEADER} was sent with another request", cure="Take a new key.")
    if before.status is None:
        raise HttpProblem(409, "the same request is under work", cure="Wait for its answer, or ask again.")
    if before.answer is None:
        raise HttpProblem(
            409, "this was done, and its secret was shown once", cure="Revoke it and make a new one."
        )
    kind = None if before.status == 204 else "application/json"
    return Response(before.answer, before.status, {REPLAYED: "true"}, kind)


def _done(store: Store, name: str, status: int, text: str | None) -> None:
    def write(connection: Connection) -> None:
        row = update(written_table).where(written_table.c.key == name)
        connection.execute(row.values(status=status, answer=text))

    store.act(write)


def _forget(store: Store, name: str) -> None:
    """A refusal changed nothing: the key may be used again."""
    store.act(lambda connection: connection.execute(delete(written_table).where(written_table.c.key == name)))
