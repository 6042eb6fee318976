"""A server that listens until it is stopped."""

from __future__ import annotations

import socket
import sys

import uvicorn
from fastapi import FastAPI

from lightfast.base.errors import SettingsError
from lightfast.serve.settings import ServeSettings

_SECONDS_TO_END = 10
_KEPT_SECONDS = 65
"""For so long a connection stays open while nobody asks: a person looks at a picture for longer than the five
seconds of uvicorn, and the next decision would have to connect first.
"""
_SWITCH_SECONDS = 0.0005
"""A thread that computes lets another one in after so long. By Python's 5 ms a decision, which gives the
interpreter away at every statement to the database, would wait that long each time.
"""


def listen(settings: ServeSettings) -> socket.socket:
    """A socket at the host and port of the settings; port 0 takes a free one.

    Raises SettingsError where that cannot be listened at.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        made = socket.create_server((settings.host.strip("[]"), settings.port), family=family, backlog=512)
    except (OSError, OverflowError) as error:
        raise SettingsError(
            f"cannot listen at {settings.host} port {settings.port} ({error})",
            cure="Choose another `port`, or end the program that listens there.",
        ) from error
    # Connections inherit it. asyncio sets it only on sockets that name TCP as their protocol, which
    # `create_server` does not: every answer's second packet then waits 40 ms for the client's delayed ACK.
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def address_of(listening: socket.socket) -> str:
    """What to open in a browser."""
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


class EndingServer(uvicorn.Server):
    """Answers requests: `run(sockets=[...])` does until Ctrl-C or SIGTERM. It ends the streams of its
    application before it waits for its connections.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_keep_alive=_KEPT_SECONDS,
                timeout_graceful_shutdown=_SECONDS_TO_END,
            )
        )

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer requests until the end; meanwhile the threads of this process take turns more often."""
        before = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        try:
            super().run(sockets)
        finally:
            sys.setswitchinterval(before)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish requests under work, for some seconds."""
        self._app.state.service.closing.set()
        await super().shutdown(sockets)
