"""A library of the first version is brought to the tables of today with all that is in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, MetaData, create_engine, select

from lightfast.base.errors import DataError
from lightfast.library import library as rooms
from lightfast.library.library import create_library, open_library
from lightfast.library.migrate import _config
from lightfast.library.store import Store

FIRST = "0001"


def _first_tables(store: Store) -> None:
    config = _config()
    with store.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, FIRST)


def _value(column: Any, row: int) -> Any:
    """A value that fits the column, of its own for each row; the first row's numbers are 1."""
    words = {"state": "open", "act": "confirm", "role": "admin"}
    kind = column.type.python_type
    if column.foreign_keys:
        return 1
    if column.name in words:
        return words[column.name]
    return {str: f"{column.name} {row}", float: row + 0.5, bool: True, dict: {"n": row}}.get(kind, row)


def _filled(connection: Connection, tables: MetaData) -> dict[str, list[dict[str, Any]]]:
    written: dict[str, list[dict[str, Any]]] = {}
    states = {"tags": "confirmed", "jobs": "done", "queue": "open"}
    for table in tables.sorted_tables:
        if table.name == "alembic_version":
            continue
        row = {column.name: _value(column, 1) for column in table.columns}
        if table.name in states:
            row["state"] = states[table.name]
        connection.execute(table.insert().values(row))
        written[table.name] = [dict(one) for one in connection.execute(select(table)).mappings()]
    return written


@pytest.fixture
def old(tmp_path: Path, database: str | None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a library of the first version."""
    with monkeypatch.context() as patch:
        patch.setattr(rooms, "upgrade_library", _first_tables)
        create_library(tmp_path / "library", database).close()
    return tmp_path / "library"


def _engine(folder: Path) -> Any:
    address = rooms.load_json(folder / rooms.LIBRARY_FILE)["database"]
    url = rooms.checked_url(address) if address else rooms.sqlite_url(folder / rooms.DATABASE)
    return create_engine(url)


def test_every_row_of_the_first_version_is_there_after_the_steps(old: Path):
    engine, before = _engine(old), MetaData()
    with engine.begin() as connection:
        before.reflect(connection)
        written = _filled(connection, before)
    with pytest.raises(DataError, match="older version"):
        open_library(old)
    create_library(old).close()
    with engine.connect() as connection:
        for name, rows in written.items():
            kept = connection.execute(select(*before.tables[name].columns)).mappings()
            assert [dict(row) for row in kept] == rows, name
    engine.dispose()
    open_library(old).close()


def test_a_step_that_fails_leaves_the_tables_as_they_were(old: Path, monkeypatch: pytest.MonkeyPatch):
    from alembic.operations import Operations

    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Operations, "create_index", fails)
    with pytest.raises(ZeroDivisionError):
        create_library(old)
    monkeypatch.undo()
    engine, tables = _engine(old), MetaData()
    with engine.connect() as connection:
        tables.reflect(connection)
    engine.dispose()
    assert "worker" not in tables.tables["jobs"].columns
    create_library(old).close()
