"""`Store`: a library's database, in transactions that happen once or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from lightfast.library.engine import WAIT_SECONDS, described, lost

Result = TypeVar("Result")
One = TypeVar("One")
_PAGE = 500


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


def in_pages(numbers: Iterable[One]) -> Iterator[Sequence[One]]:
    """Numbers or texts in pages that one question to the database can hold."""
    whole = list(numbers)
    return (whole[start : start + _PAGE] for start in range(0, len(whole), _PAGE))


class Store:
    """Reads and writes of one database; `name` is what messages call it, `patience` how many seconds one that
    is away or busy is waited for.
    """

    def __init__(self, engine: Engine, name: str, patience: float = WAIT_SECONDS) -> None:
        self.engine, self.name, self.patience = engine, name, patience
        # SQLite has one writer, and its own waiting is a poll in no order: of many somebody waits too long.
        self._turn = threading.Lock()

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is one file of this machine."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one state of the database throughout; writes on it are undone. A database
        that is away is waited for before anything is read, for at most `patience` seconds.
        """
        with described(self.name), self._connected() as connection:
            yield connection
            connection.rollback()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: everything inside happens, durably, or nothing does. Waits as `read` does."""
        with (
            described(self.name),
            self._in_turn(),
            self._connected().execution_options(writes=True) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """One writer of this process at a time on SQLite; after `patience` the database itself says no."""
        got = self.is_sqlite and self._turn.acquire(timeout=self.patience)
        try:
            yield
        finally:
            if got:
                self._turn.release()

    def _connected(self) -> Connection:
        end, pause = time.monotonic() + self.patience, 0.05
        while True:
            try:
                return self.engine.connect()
            except DBAPIError as error:
                if not lost(error) or time.monotonic() + pause > end:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, 1.0)

    def act(self, transaction: Callable[[Connection], Result], *, seconds: float | None = None) -> Result:
        """Run `transaction` in one transaction, again where the database was away or busy, for at most
        `seconds` (default: `patience`).

        What it writes has to be safe to try twice (a unique key, or an update to a fixed value): a commit
        whose acknowledgement was lost may have happened.
        """
        end = time.monotonic() + (self.patience if seconds is None else seconds)
        pause = 0.05
        while True:
            try:
                # Outside `described`: the driver's own error says whether another try makes sense.
                with (
                    self._in_turn(),
                    self.engine.connect().execution_options(writes=True) as connection,
                    connection.begin(),
                ):
                    return transaction(connection)
            except DBAPIError as error:
                if not lost(error) or time.monotonic() + pause > end:
                    with described(self.name):
                        raise
            time.sleep(pause)
            pause = min(2 * pause, 1.0)

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()
