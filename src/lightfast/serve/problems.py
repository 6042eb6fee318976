"""What goes wrong, as `application/problem+json` (RFC 9457) with a cure. Where things lie on the server
is said to admins alone; the log has it for whoever looks after the server.
"""

from __future__ import annotations

import http
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from lightfast.base.errors import (
    ConflictError,
    InputError,
    LightfastError,
    NotFoundError,
    StorageError,
    UnknownName,
)
from lightfast.serve.places import without_places

MEDIA_TYPE = "application/problem+json"
_LOG = logging.getLogger("lightfast.serve")
_RETRY = {"Retry-After": "5"}
_FITTING = "See /api/openapi.json for what fits."
_NO_JSON = "the body is no JSON object, or is not sent as one"
_JSON_CURE = "Send a JSON object, with Content-Type: application/json."
_CURES = {
    400: "Send what /api/openapi.json describes: a form with its parts, or a JSON object.",
    404: "See /api/openapi.json for what there is.",
    405: "See /api/openapi.json for the methods of this address.",
}


class HttpProblem(Exception):
    """A refusal with its HTTP status; `cure` says what to do."""

    def __init__(
        self, status: int, detail: str, *, cure: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.cure, self.headers = status, detail, cure, dict(headers or {})

    def response(self, **more: Any) -> JSONResponse:
        """The answer that says it."""
        body = {"type": "about:blank", "title": _title(self.status), "status": self.status}
        body |= {"detail": self.detail, "cure": self.cure, **more}
        return JSONResponse(body, self.status, self.headers, MEDIA_TYPE)


def problem_of(error: LightfastError, *, places: bool) -> HttpProblem:
    """An error of the rooms below as a refusal: what the caller can mend is 4xx. `places`: whether the caller
    is told where things lie on the server.
    """
    detail, cure = error.without_cure, error.cure
    if not places and (plain := (without_places(detail), without_places(cure))) != (detail, cure):
        _LOG.warning("refused: %s", error)
        detail, cure = plain
    if isinstance(error, StorageError):
        full = "full" in detail or "quota" in detail
        return HttpProblem(507 if full else 503, detail, cure=cure, headers={} if full else _RETRY)
    kinds = ((NotFoundError, 404), (UnknownName, 404), (ConflictError, 409), (InputError, 422))
    status = next((number for kind, number in kinds if isinstance(error, kind)), 500)
    return HttpProblem(status, detail, cure=cure or _FITTING)


def add_problem_handlers(app: FastAPI) -> None:
    """Let every refusal and failure leave `app` as problem+json."""

    @app.exception_handler(HttpProblem)
    async def _refused(_request: Request, error: HttpProblem) -> JSONResponse:
        return error.response()

    @app.exception_handler(LightfastError)
    async def _failed(request: Request, error: LightfastError) -> JSONResponse:
        return problem_of(error, places=getattr(request.state, "sees_places", False)).response()

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        found = [{"where": ".".join(map(str, one["loc"])), "says": _says(one)} for one in error.errors()[:20]]
        first = found[0] if found else {"where": "request", "says": "it does not fit"}
        no_json = _is_no_json(error)
        detail = _NO_JSON if no_json else f"{first['where']}: {first['says']}"
        problem = HttpProblem(422, detail, cure=_JSON_CURE if no_json else _FITTING)
        return problem.response(errors=found)

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: HTTPException) -> JSONResponse:
        cure = _CURES.get(error.status_code, "")
        return HttpProblem(error.status_code, str(error.detail), cure=cure, headers=error.headers).response()


def _is_no_json(error: RequestValidationError) -> bool:
    """Whether the whole body cannot be taken for an object, as where a form's type was sent with JSON."""
    kinds = {one["type"] for one in error.errors() if one["loc"] == ("body",)}
    broken = any(one["type"] == "json_invalid" for one in error.errors())
    return broken or bool(kinds & {"model_attributes_type", "dict_type", "model_type"})


def _says(wrong: Mapping[str, Any]) -> str:
    """What is wrong with a value, never the value. Of a secret's length pydantic speaks as of a list's."""
    said, about = str(wrong["msg"]), wrong.get("ctx", {})
    if wrong["type"] in ("too_short", "too_long") and isinstance(wrong.get("input"), str):
        most = wrong["type"] == "too_long"
        bound = f"at most {about['max_length']}" if most else f"at least {about['min_length']}"
        return f"it has {about['actual_length']} signs, expected {bound}"
    return said.removeprefix("Value error, ")


def failure(error: BaseException) -> HttpProblem:
    """What a client is told of an error that nobody foresaw; the log keeps the traceback."""
    _LOG.error("unforeseen failure", exc_info=error)
    return HttpProblem(500, "the server failed on this request", cure="Its log says why; please report it.")


def _title(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Problem"
