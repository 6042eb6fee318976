"""`Store`: a library's database, in transactions that happen once or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from lightfast.library.engine import WAIT_SECONDS, described, lost

Result = TypeVar("Result")


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


class Store:
    """Reads and writes of one database; `name` is what messages call it."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine, self.name = engine, name

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is one file of this machine."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one state of the database throughout; writes on it are undone."""
        with described(self.name), self.engine.connect() as connection:
            yield connection
            connection.rollback()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: everything inside happens, durably, or nothing does."""
        with (
            described(self.name),
            self.engine.connect().execution_options(writes=True) as connection,
            connection.begin(),
        ):
            yield connection

    def act(self, transaction: Callable[[Connection], Result], *, seconds: float = WAIT_SECONDS) -> Result:
        """Run `transaction` in one transaction, again where the database was away or busy, for at most
        `seconds`.

        What it writes has to be safe to try twice (a unique key, or an update to a fixed value): a commit
        whose acknowledgement was lost may have happened.
        """
        end, pause = time.monotonic() + seconds, 0.05
        while True:
            try:
                # Outside `described`: the driver's own error says whether another try makes sense.
                with self.engine.connect().execution_options(writes=True) as connection, connection.begin():
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
