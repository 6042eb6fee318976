"""Clients of a service that cost little: whole requests made before the clock starts, sent over sockets by
one thread, so that what is measured on the same cores is the service.
"""

from __future__ import annotations

import itertools
import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field


@dataclass
class _Line:
    """A connection: when what it sent was due, and what came back so far."""

    due: float = 0.0
    answer: bytes = b""


@dataclass
class Load:
    """`count` connections to a service at (host, port), each sending one picture at a time to /api/predict.

    Attributes:
        processor_seconds: of this thread, in all calls so far.
    """

    host: str
    port: int
    pictures: Sequence[bytes]
    count: int
    processor_seconds: float = 0.0
    _requests: Iterator[bytes] = field(init=False)
    _selector: selectors.DefaultSelector = field(init=False)

    def __post_init__(self) -> None:
        head = (
            "POST /api/predict?top=1 HTTP/1.1\r\nHost: {}\r\nContent-Type: image/jpeg\r\nContent-Length: {}"
        )
        made = [f"{head.format(self.host, len(data))}\r\n\r\n".encode() + data for data in self.pictures]
        self._requests = itertools.cycle(made)

    @contextmanager
    def _connected(self) -> Iterator[list[socket.socket]]:
        """Fresh connections: the service ends those that are idle for some seconds."""
        with ExitStack() as stack:
            self._selector = stack.enter_context(selectors.DefaultSelector())
            stack.callback(self._close)
            yield [self._connect() for _ in range(self.count)]

    def _connect(self) -> socket.socket:
        line = socket.create_connection((self.host, self.port), timeout=120)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(line, selectors.EVENT_READ, _Line())
        return line

    def _close(self) -> None:
        for key in list(self._selector.get_map().values()):
            _socket(key).close()

    def at_once(self, seconds: float) -> tuple[float, list[float]]:
        """(pictures a second, seconds of each call) of all connections without a pause."""
        with self._connected() as lines:
            start = time.perf_counter()
            found = self._until(start + seconds, None, lines)
            return len(found) / (time.perf_counter() - start), found

    def evenly(self, rate: float, seconds: float) -> list[float]:
        """Seconds of each call from the moment at which it was due, `rate` a second."""
        with self._connected() as lines:
            return self._until(time.perf_counter() + seconds, rate, lines)

    def _until(self, end: float, rate: float | None, free: list[socket.socket]) -> list[float]:
        used, start = time.thread_time(), time.perf_counter()
        due = (start + number / rate if rate else time.perf_counter() for number in itertools.count())
        busy, found, coming = 0, list[float](), next(due)
        while busy or coming < end:
            while free and coming < end and coming <= time.perf_counter():
                self._send(free.pop(0), coming)
                busy, coming = busy + 1, next(due)
            wait = max(0.0, coming - time.perf_counter()) if free and coming < end else None
            for line in self._answered(wait, free):
                found.append(time.perf_counter() - self._selector.get_key(line).data.due)
                free.append(line)
                busy -= 1
                if rate is None:
                    coming = time.perf_counter()
        self.processor_seconds += time.thread_time() - used
        return found

    def _send(self, line: socket.socket, due: float) -> None:
        data = self._selector.get_key(line).data
        data.due, data.answer = due, b""
        line.sendall(next(self._requests))

    def _answered(self, wait: float | None, free: list[socket.socket]) -> Iterator[socket.socket]:
        """The connections whose whole answer has come, which has to be a success. Of those that are `free`
        one that the service has ended is made anew.
        """
        for key, _ in self._selector.select(wait):
            line = _socket(key)
            came = line.recv(1 << 16)
            if not came:
                free[free.index(line)] = self._connect()
                self._selector.unregister(line)
                line.close()
                continue
            key.data.answer += came
            if _whole(key.data.answer):
                assert key.data.answer.startswith(b"HTTP/1.1 200 "), key.data.answer
                yield _socket(key)


def _socket(key: selectors.SelectorKey) -> socket.socket:
    assert isinstance(key.fileobj, socket.socket)
    return key.fileobj


def _whole(answer: bytes) -> bool:
    head, between, body = answer.partition(b"\r\n\r\n")
    if not between:
        return False
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return len(body) >= int(length)
