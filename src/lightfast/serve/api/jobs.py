"""`/api/jobs`: work that takes minutes, with its progress as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from lightfast.base.plain import as_json
from lightfast.library.job_progress import log_path
from lightfast.library.jobs import ENDED, Job, JobState, job, list_jobs
from lightfast.library.ledger import LEDGER_MARGIN
from lightfast.runs.library.jobs import named_kind
from lightfast.serve.api.fields import IdempotencyKey, PageSize, PlainArguments
from lightfast.serve.auth.person import Person, Reviewer
from lightfast.serve.once import OnceRoute
from lightfast.serve.places import shown, without_places
from lightfast.serve.problems import HttpProblem
from lightfast.serve.service import Served, Service

job_routes = APIRouter(prefix="/api/jobs", tags=["jobs"], route_class=OnceRoute)
JobId = Annotated[str, Path(pattern="^[0-9a-f]{10,40}$", examples=["0006447f5cd0d2a1b2c3"])]
_LOOK_SECONDS, _ALIVE_SECONDS = 0.5, 15.0
_LOG_BYTES = 1_000_000
_FOR_ADMINS = frozenset({"add", "export", "human_test"})


class JobQuery(BaseModel):
    """Which jobs are wanted."""

    state: list[JobState] = []
    kind: Annotated[str | None, Field(pattern="^[a-z_-]{1,40}$")] = None
    cursor: Annotated[
        str | None, Field(pattern="^[0-9a-f]{10,40}$", description="`next` of the page before.")
    ] = None
    limit: PageSize = 50


class JobPage(BaseModel):
    """A page of jobs, newest first; `next` leads to the one after, null on the last."""

    items: list[Job]
    next: str | None


class NewJob(BaseModel):
    """A job to order: its kind and the arguments of that kind."""

    kind: Annotated[str, Field(pattern="^[a-z_-]{1,40}$", examples=["embed"])]
    arguments: PlainArguments = {}


@job_routes.get("")
def get_jobs(query: Annotated[JobQuery, Query()], served: Served, person: Reviewer) -> JobPage:
    """A page of jobs, newest first."""
    with served.library.store.read() as connection:
        found = list_jobs(
            connection,
            states=query.state,
            kind=None if query.kind is None else named_kind(query.kind),
            before=query.cursor,
            count=min(500, query.limit + 1),
        )
    items = [_told(one, person) for one in found[: query.limit]]
    return JobPage(items=items, next=items[-1].id if len(found) > query.limit else None)


@job_routes.post("", status_code=202)
def post_job(wanted: NewJob, served: Served, person: Reviewer, idempotency_key: IdempotencyKey = None) -> Job:
    """Order a job. Acknowledged, it is done whatever dies meanwhile. Only admins name files of the server."""
    return order_job(served, person, wanted.kind, wanted.arguments, idempotency_key)


@job_routes.get("/{job_id}")
def get_job(job_id: JobId, served: Served, person: Reviewer) -> Job:
    """One job as it stands; where files of the server lie is told to admins."""
    return _told(_known(served, job_id), person)


@job_routes.post("/{job_id}/cancel")
def cancel_one_job(job_id: JobId, served: Served, person: Reviewer) -> Job:
    """Ask a job to stop: one that waits is cancelled, one that runs stops at its next step."""
    _known(served, job_id)
    return _told(served.jobs.cancel(job_id, person.id), person)


@job_routes.post("/{job_id}/retry")
def retry_job(job_id: JobId, served: Served, person: Reviewer) -> Job:
    """Begin a job again that failed or was cancelled; what only admins may order, only they begin again."""
    before = _known(served, job_id)
    _require_allowed(person, before.kind, before.arguments)
    served.jobs.retry(job_id, person.id)
    return _told(_known(served, job_id), person)


@job_routes.get("/{job_id}/log", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def get_job_log(job_id: JobId, served: Served, person: Reviewer) -> Response:
    """The end of the job's log, at most a megabyte; where files of the server lie is told to admins."""
    _known(served, job_id)
    path = log_path(served.library, job_id)
    text = b""
    if path.is_file():
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - _LOG_BYTES))
            text = stream.read()
    if not person.sees_places:
        text = without_places(text.decode("utf-8", "replace")).encode()
    return Response(text, media_type="text/plain; charset=utf-8")


@job_routes.get(
    "/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "A job in each event, until its end."}
    },
)
async def get_job_events(
    job_id: JobId, request: Request, served: Served, person: Reviewer
) -> StreamingResponse:
    """The job whenever it changes, as server-sent events, until it has ended."""
    await run_in_threadpool(_known, served, job_id)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        _events(request, served, job_id, person), media_type="text/event-stream", headers=headers
    )


def order_job(
    served: Service, person: Person, kind: str, arguments: dict[str, Any], key: str | None = None
) -> Job:
    """Order a job for this person. Raises HttpProblem 403 for one that names files of the server, and for a
    retraining that lets a worse model be used than usual, unless the person is an admin.
    """
    kind = named_kind(kind)
    _require_allowed(person, kind, arguments)
    number = served.jobs.submit(kind, arguments, person.id, key)
    return _told(_known(served, number), person)


def _require_allowed(person: Person, kind: str, arguments: Mapping[str, Any]) -> None:
    if person.role == "admin":
        return
    if kind in _FOR_ADMINS or arguments.get("run") is not None:
        raise HttpProblem(403, "files of the server are named by admins", cure="Upload the pictures instead.")
    if kind == "retrain" and _number(arguments.get("margin", LEDGER_MARGIN)) > LEDGER_MARGIN:
        # With a margin of nearly one every model is put to use, which is for admins.
        cure = f"Order it with a margin of at most {LEDGER_MARGIN}, or ask an admin."
        raise HttpProblem(403, "larger margins are for admins", cure=cure)


def _number(given: object) -> float:
    """As the arguments of jobs are read, "0.5" too; 0 for what they refuse."""
    try:
        return float(given) if isinstance(given, int | float | str) else 0.0
    except ValueError:
        return 0.0


def _known(served: Service, job_id: str) -> Job:
    with served.library.store.read() as connection:
        return job(connection, job_id)


def _told(found: Job, person: Person) -> Job:
    """The job as this person is told of it."""
    texts = {name: getattr(found, name) for name in ("arguments", "said", "result", "error")}
    return replace(found, **shown(texts, places=person.sees_places))


async def _events(request: Request, served: Service, job_id: str, person: Person) -> AsyncIterator[str]:
    before, quiet = "", 0.0
    while not served.closing.is_set() and not await request.is_disconnected():
        found = await run_in_threadpool(_known, served, job_id)
        text = json.dumps(as_json(_told(found, person)))
        if text != before:
            before, quiet = text, 0.0
            yield f"event: job\ndata: {text}\n\n"
        elif quiet >= _ALIVE_SECONDS:
            quiet = 0.0
            yield ": alive\n\n"
        if found.state in ENDED:
            return
        await asyncio.sleep(_LOOK_SECONDS)
        quiet += _LOOK_SECONDS
