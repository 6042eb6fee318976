"""One at a time: a lock that the system takes back by itself when its process dies."""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from lightfast.base.errors import DataError
from lightfast.library.engine import described
from lightfast.library.library import Library

_LOOK_SECONDS = 0.25


@contextmanager
def exclusively(library: Library, work: str, wait: float = 0.0) -> Iterator[None]:
    """Hold the library's lock for `work` ("retrain" …); `wait` seconds for somebody who holds it.

    On PostgreSQL an advisory lock of a connection of its own, seen by every machine; beside an SQLite
    database a transaction on a file of its own. Neither outlives its process.

    Raises DataError where somebody else holds it.
    """
    hold = _file_lock if library.store.is_sqlite else _advisory_lock
    end = time.monotonic() + wait
    while True:
        with hold(library, work) as free:
            if free:
                yield
                return
        if time.monotonic() >= end:
            raise DataError(
                f"another {work} of this library is running",
                cure="Wait for its end; one that was killed holds nothing up.",
            )
        time.sleep(_LOOK_SECONDS)


@contextmanager
def _file_lock(library: Library, work: str) -> Iterator[bool]:
    connection = sqlite3.connect(library.folder / f"{work}.lock", timeout=0, isolation_level=None)
    try:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            yield False
            return
        yield True
    finally:
        connection.close()


@contextmanager
def _advisory_lock(library: Library, work: str) -> Iterator[bool]:
    key = zlib.crc32(f"lightfast {work}".encode())
    with described(library.store.name):
        connection = library.store.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        free = bool(connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar())
    try:
        yield free
    finally:
        # Given back by name: a server notices only a moment later that a connection is gone, and would refuse
        # whoever comes next. Where it went away itself, the lock went with it.
        with suppress(DBAPIError):
            if free:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})
        # Closed for good: a pooled connection would keep a lock that could not be given back.
        connection.invalidate()
        connection.close()
