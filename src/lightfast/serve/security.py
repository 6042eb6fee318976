"""What every request passes before the application sees it, and what every answer carries."""

from __future__ import annotations

import math
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lightfast.serve.auth.person import SAFE
from lightfast.serve.problems import HttpProblem, failure
from lightfast.serve.service import Service

HEADERS = {
    # No inline script, no eval, nothing from elsewhere; pictures of an upload are shown before it is sent.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_PAGE_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
_API_HEADERS = [*_PAGE_HEADERS, (b"cache-control", b"no-store")]
_UPLOADS = ("multipart/", "image/", "application/octet-stream")
# The routes that take `Uploads`: others read what they are sent before they ask who sends it.
_UPLOAD_PATHS = frozenset({"/api/assets", "/api/predict", "/api/search"})


class Guard:
    """ASGI middleware: refuses strange hosts and sites, too many requests and too large ones; puts the
    security headers on every answer; turns unforeseen failures into problem+json.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _add_headers(message, scope)
            await send(message)

        try:
            self._require(scope)
            await self.app(scope, _bounded(receive, self._most_bytes(scope)), send_with_headers)
        except HttpProblem as problem:
            await problem.response()(scope, receive, send_with_headers)
        except Exception as error:
            if started:
                raise
            await failure(error).response()(scope, receive, send_with_headers)

    def _require(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        known = self.service.settings.known_hosts
        if known is not None and _bare_host(host) not in known:
            raise HttpProblem(
                421, "the server is not called so", cure="Call it by its own name, or add `hosts`."
            )
        if scope["method"] not in SAFE:
            _require_same_site(headers, host)
        address = (scope.get("client") or ("unknown", 0))[0]
        if wait := self.service.requests.wait_for(address):
            raise too_often(wait)
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > self._most_bytes(scope):
            raise HttpProblem(413, f"the request has {length} bytes", cure=self._size_cure(scope))

    def _most_bytes(self, scope: Scope) -> int:
        kind = Headers(scope=scope).get("content-type", "").lower()
        limits = self.service.settings.limits
        uploads = scope["path"] in _UPLOAD_PATHS and kind.startswith(_UPLOADS)
        return limits.request_bytes if uploads else limits.text_bytes

    def _size_cure(self, scope: Scope) -> str:
        return f"Send at most {self._most_bytes(scope)} bytes at a time."


def too_often(seconds: float) -> HttpProblem:
    """The refusal of somebody who asks too often."""
    wait = max(1, math.ceil(seconds))
    cure = f"Try again in {wait} s."
    return HttpProblem(429, "too many requests", cure=cure, headers={"Retry-After": str(wait)})


def _require_same_site(headers: Headers, host: str) -> None:
    """Browsers say where a write comes from; programs do not."""
    origin = headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc.lower() != host.lower()
    if foreign or headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise HttpProblem(
            403, "the request comes from a page of another site", cure="Use the server's own pages."
        )


def _bare_host(host: str) -> str:
    """The name without its port, in small letters."""
    name, _, port = host.lower().rpartition(":")
    return name if name and port.isdigit() else host.lower()


def _add_headers(message: MutableMapping[str, Any], scope: Scope) -> None:
    """Those that the answer does not have itself."""
    headers = message["headers"]
    known = {name.lower() for name, _ in headers}
    added = _API_HEADERS if str(scope["path"]).startswith("/api") else _PAGE_HEADERS
    message["headers"] = [*headers, *(one for one in added if one[0] not in known)]


def _bounded(receive: Receive, most: int) -> Receive:
    """`receive` that stops where a body without a length grows too large."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            # FastAPI lets this kind alone through where it reads a body.
            raise HTTPException(413, f"the request has more than {most} bytes")
        return message

    return counted
