"""A library is made once, found again, and refused where it does not fit."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import OperationalError

from lightfast.base.errors import DataError, SettingsError, StorageError
from lightfast.library import schema
from lightfast.library.library import Library, create_library, open_library
from lightfast.library.migrate import upgrade_library
from lightfast.library.store import now

_USER = {"name": "ada", "created_at": datetime(2026, 3, 1, 12, tzinfo=UTC)}


def test_what_was_written_is_there_when_the_library_is_opened_again(library: Library):
    with library.store.write() as connection:
        connection.execute(insert(schema.users).values(_USER))
    again = open_library(library.folder)
    with again.store.read() as connection:
        row = connection.execute(select(schema.users)).one()
    again.close()
    assert (row.name, row.created_at, row.role) == ("ada", _USER["created_at"], "reviewer")


def test_the_steps_lead_to_the_tables_of_the_schema(library: Library):
    with library.store.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, schema.METADATA) == []


def test_making_a_library_twice_keeps_what_is_in_it(library: Library):
    with library.store.write() as connection:
        connection.execute(insert(schema.users).values(_USER))
    again = create_library(library.folder)
    with again.store.read() as connection:
        assert connection.execute(select(schema.users.c.name)).scalars().all() == ["ada"]
    again.close()


def test_a_transaction_that_fails_leaves_nothing(library: Library):
    def fails(connection: Connection) -> None:
        connection.execute(insert(schema.users).values(_USER))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        library.store.act(fails)
    with library.store.read() as connection:
        assert connection.execute(select(schema.users)).all() == []


def test_an_act_is_tried_again_while_the_database_is_away(library: Library):
    tries: list[int] = []

    def write(connection: Connection) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("insert", {}, Exception("database is locked"))
        connection.execute(insert(schema.users).values(_USER))

    library.store.act(write)
    with library.store.read() as connection:
        assert len(connection.execute(select(schema.users)).all()) == 1
    assert len(tries) == 3


def test_an_act_gives_up_in_one_line(library: Library):
    def locked(_connection: Connection) -> None:
        raise OperationalError("insert", {}, Exception("database is locked"))

    with pytest.raises(StorageError, match="being written by another program"):
        library.store.act(locked, seconds=0.1)


def test_a_database_of_a_newer_version_is_refused_and_left_alone(library: Library):
    with library.store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for opened in (open_library, create_library):
        with pytest.raises(DataError, match="newer version"):
            opened(library.folder)
    with pytest.raises(DataError, match="newer version"):
        upgrade_library(library.store)


def test_a_database_without_tables_is_refused(library: Library):
    with library.store.write() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    with pytest.raises(DataError, match="holds no library"):
        open_library(library.folder)


def test_a_folder_with_other_things_is_refused(tmp_path: Path):
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(DataError, match="not empty and no library"):
        create_library(tmp_path)


def test_a_folder_without_a_library_names_the_cure(tmp_path: Path):
    with pytest.raises(DataError, match="lightfast library init"):
        open_library(tmp_path)


def test_a_library_whose_database_is_gone_says_so(tmp_path: Path):
    create_library(tmp_path / "one").close()
    (tmp_path / "one" / "library.db").unlink()
    with pytest.raises(DataError, match="is gone"):
        open_library(tmp_path / "one")


def test_a_damaged_file_is_told_in_one_line(tmp_path: Path):
    create_library(tmp_path / "one").close()
    (tmp_path / "one" / "library.db").write_bytes(b"no database" * 1_000)
    for name in ("library.db-wal", "library.db-shm"):
        (tmp_path / "one" / name).unlink(missing_ok=True)
    with pytest.raises(StorageError, match="Restore a backup"):
        open_library(tmp_path / "one")


def test_another_database_for_a_library_is_refused(tmp_path: Path):
    create_library(tmp_path / "one").close()
    with pytest.raises(DataError, match="another database"):
        create_library(tmp_path / "one", "postgresql://host/name")


@pytest.mark.parametrize("address", ["mysql://host/name", "no address"])
def test_other_databases_are_refused(tmp_path: Path, address: str):
    with pytest.raises(SettingsError, match="expected an address"):
        create_library(tmp_path / "one", address)


def test_a_password_is_not_repeated(tmp_path: Path):
    with pytest.raises(StorageError, match="cannot be reached") as told:
        create_library(tmp_path / "one", "postgresql://ada:secret@127.0.0.1:1/none")
    assert "secret" not in str(told.value)


def test_a_folder_can_be_moved(tmp_path: Path):
    create_library(tmp_path / "one").close()
    shutil.move(tmp_path / "one", tmp_path / "two")
    open_library(tmp_path / "two").close()


def test_moments_are_in_utc_and_come_back_to_the_microsecond(library: Library):
    moment = now()
    with library.store.write() as connection:
        connection.execute(insert(schema.users).values(name="ada", created_at=moment))
    with library.store.read() as connection:
        assert connection.execute(select(schema.users.c.created_at)).scalar_one() == moment
