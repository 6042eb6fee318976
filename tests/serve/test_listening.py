"""Where a server listens."""

from __future__ import annotations

import socket
import sys

from fastapi import FastAPI

from lightfast.serve.listening import EndingServer, listen
from lightfast.serve.settings import ServeSettings


def test_answers_do_not_wait_for_the_clients_acknowledgement():
    with listen(ServeSettings(port=0)) as listening, socket.create_connection(listening.getsockname()):
        connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_threads_take_turns_more_often_while_it_runs(monkeypatch):
    before, seen = sys.getswitchinterval(), []
    monkeypatch.setattr("uvicorn.Server.run", lambda *_: seen.append(sys.getswitchinterval()))
    server = EndingServer(FastAPI())
    server.run()
    assert seen[0] < before == sys.getswitchinterval()
    # A person looks at a picture for longer than the usual five seconds.
    assert server.config.timeout_keep_alive > 60
