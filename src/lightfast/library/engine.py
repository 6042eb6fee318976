"""Connections to a library's database: SQLite in one file, PostgreSQL by its address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from lightfast.base.errors import InputError, LightfastError, SettingsError, StorageError

WAIT_SECONDS = 30.0
"""How long a writer waits for another one, and for a database that went away."""


def sqlite_url(path: Path) -> URL:
    """The address of an SQLite file."""
    return URL.create("sqlite", database=str(path))


def checked_url(address: str) -> URL:
    """The address of a database, with the driver that is used here.

    Raises SettingsError for an address of neither kind; no password is repeated in the message.
    """
    try:
        url = make_url(address)
    except ArgumentError:
        url = None
    if url is None or url.get_backend_name() not in ("sqlite", "postgresql"):
        raise SettingsError(
            "`database`",
            expected="an address such as postgresql://user@host/name or sqlite:///library.db",
            got="something else" if url is None else repr(url.get_backend_name()),
        )
    return url.set(drivername="postgresql+psycopg") if url.get_backend_name() == "postgresql" else url


def connect(url: URL) -> Engine:
    """An engine for the address; connects when first used."""
    try:
        if url.get_backend_name() == "sqlite":
            return _sqlite(url)
        return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 5})
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise SettingsError(
            f"`database` {url.render_as_string()}",
            expected="the PostgreSQL driver",
            cure="Install lightfast[postgresql].",
        ) from error


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": WAIT_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _opened(connection: Any, _record: object) -> None:
        # The driver begins no transaction by itself: `_begun` says which kind.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-65536"):
            try:
                connection.execute(f"PRAGMA {pragma}")
            except Exception as error:
                # A file on a read-only folder keeps the journal that it has, and can still be read.
                if "readonly" not in str(error) and "read-only" not in str(error):
                    raise

    @event.listens_for(engine, "begin")
    def _begun(connection: Any) -> None:
        # A reader that turns into a writer would have to fail where another wrote in between.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


_FIRST = ("uq_decisions_key", "unique constraint failed: decisions.key", "ix_jobs_key", "failed: jobs.key")
"""What is said where another writer was first with the same key."""


def lost(error: DBAPIError) -> bool:
    """Whether the database was away or busy, or another writer was first with the same key, so that the same
    transaction may be tried again.
    """
    text = str(error.orig).lower()
    if any(words in text for words in _FIRST):
        return True
    busy = ("database is locked", "deadlock", "could not serialize", "server closed the connection")
    away = ("connection refused", "connection failed", "connection is bad", "connection timeout expired")
    ending = ("the database system is", "terminating connection")
    return error.connection_invalidated or any(words in text for words in (*busy, *away, *ending))


@contextmanager
def described(name: str) -> Iterator[None]:
    """Turn a database's failures into one line that says what to do."""
    try:
        yield
    except LightfastError:
        raise
    except DBAPIError as error:
        raise _said(name, error) from error


def _said(name: str, error: DBAPIError) -> InputError:
    reason = (str(error.orig).strip() or type(error.orig).__name__).splitlines()[0]
    text = reason.lower()
    if lost(error) and "locked" not in text:
        text = f"away: {text}"
    for words, what, cure in _SAYINGS:
        if any(word in text for word in words):
            return StorageError(what.format(name=name, reason=reason), cure=cure)
    return StorageError(f"{name}: {reason}", cure="See the database's own log.")


_SAYINGS = (
    (("readonly", "read-only"), "{name} cannot be written ({reason})", "Make it writable; reading works."),
    (
        ("disk is full", "no space left", "database or disk"),
        "{name}: the disk is full",
        "Make room; nothing half-written stays behind.",
    ),
    (("locked",), "{name} is being written by another program", "Try again in a moment."),
    (("away: ", "timeout"), "{name} cannot be reached ({reason})", "Start the database and try again."),
    (
        ("not a database", "malformed", "unable to open"),
        "{name} cannot be read ({reason})",
        "Restore a backup of the library.",
    ),
)
"""Words in what a driver says, and what that means for people."""
