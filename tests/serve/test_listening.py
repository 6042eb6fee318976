"""Where a server listens."""

from __future__ import annotations

import socket

from lightfast.serve.listening import listen
from lightfast.serve.settings import ServeSettings


def test_answers_do_not_wait_for_the_clients_acknowledgement():
    with listen(ServeSettings(port=0)) as listening, socket.create_connection(listening.getsockname()):
        connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
