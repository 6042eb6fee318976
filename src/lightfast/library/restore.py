"""A library out of its backup: checked before anything is made, into an empty place only."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, insert, select, text, update

from lightfast.base.errors import DataError
from lightfast.base.files import make_folder, storage_errors
from lightfast.library.backup import BACKUP_FILE, BACKUP_FORMAT
from lightfast.library.library import create_library
from lightfast.library.migrate import known_revisions
from lightfast.library.schema import METADATA, Moment

_PAGE = 1_000
_BLOCK = 2**20
_FOLDERS = ("runs", "kept", "human")
_CURE = "Take another copy of the backup; nothing was made."


@dataclass(frozen=True)
class RestoreResult:
    """What was restored: the library's folder and database, how many rows and files."""

    folder: Path
    database: str
    rows: int
    files: int


def restore_library(file: Path, folder: Path, database: str | None = None) -> RestoreResult:
    """Make the library that `file` holds in `folder`, which is new or empty.

    Args:
        file: what `backup_library` wrote.
        folder: of the library. It appears when everything is there.
        database: an empty PostgreSQL database; None keeps the rows in an SQLite file, whatever they were
            kept in before.

    Raises DataError for a file that is damaged or none, one of a newer version, and a place that is not
    empty.
    """
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is not empty", cure="Name a new folder; nothing is overwritten.")
    with _opened(file) as archive:
        members = _checked(file, archive)
        make_folder(folder.parent)
        with (
            storage_errors(folder),
            tempfile.TemporaryDirectory(dir=folder.parent, prefix=".restore-") as place,
        ):
            made = create_library(Path(place) / folder.name, database)
            try:
                files = _write_files(archive, members, made.folder)
                rows = made.store.act(lambda connection: _fill(connection, archive, members))
                name = made.store.name
            finally:
                made.close()
            if folder.exists():
                folder.rmdir()
            shutil.move(made.folder, folder)
    return RestoreResult(folder, name if database else str(folder / Path(name).name), rows, files)


def _opened(file: Path) -> zipfile.ZipFile:
    if not file.is_file():
        raise DataError(f"no such file: {file}", cure="Name a file that library backup wrote.")
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{file} is no backup, or a damaged one ({error})", cure=_CURE) from error


def _checked(file: Path, archive: zipfile.ZipFile) -> Mapping[str, Mapping[str, Any]]:
    """The members by name, each compared with its checksum."""
    try:
        said = json.loads(archive.read(BACKUP_FILE))
        members = said["members"]
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{file} is no backup of a library", cure="Name a file of library backup.") from error
    if said["format"] > BACKUP_FORMAT or said["tables"] not in known_revisions():
        raise DataError(
            f"{file} was written by a newer version of lightfast (tables {said['tables']})",
            cure="Update lightfast; nothing was made.",
        )
    for name, facts in members.items():
        parts = PurePosixPath(name).parts
        if ".." in parts or parts[0] not in (*_FOLDERS, "tables"):
            raise DataError(f"{file} holds {name!r}, which is no part of a library", cure=_CURE)
        if _digest(archive, name) != facts["sha256"]:
            raise DataError(f"{file} is damaged: {name} is not what was written", cure=_CURE)
    unknown = {PurePosixPath(name).stem for name in members if name.startswith("tables/")} - {
        *METADATA.tables
    }
    if unknown:
        raise DataError(
            f"{file} holds a table {sorted(unknown)[0]!r} that this version does not know", cure=_CURE
        )
    return members


def _digest(archive: zipfile.ZipFile, name: str) -> str:
    digest = hashlib.sha256()
    try:
        with archive.open(name) as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except (KeyError, zipfile.BadZipFile, EOFError, OSError):
        return ""
    return digest.hexdigest()


def _write_files(archive: zipfile.ZipFile, members: Mapping[str, Any], folder: Path) -> int:
    names = [name for name in members if not name.startswith("tables/")]
    for name in names:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(name) as source, target.open("wb") as stream:
            shutil.copyfileobj(source, stream, _BLOCK)
    return len(names)


def _fill(connection: Connection, archive: zipfile.ZipFile, members: Mapping[str, Any]) -> int:
    count = 0
    for table in METADATA.sorted_tables:
        if connection.execute(select(func.count()).select_from(table)).scalar_one():
            raise DataError("the database is not empty", cure="Name an empty one; nothing is overwritten.")
        name = f"tables/{table.name}.jsonl"
        if name in members:
            count += _fill_table(connection, table, archive, name)
    _close_jobs(connection)
    return count


def _fill_table(connection: Connection, table: Table, archive: zipfile.ZipFile, name: str) -> int:
    """Insert the rows; what points at a later row of the same table is set when all are there."""
    inner = [key.parent.name for key in table.foreign_keys if key.column.table is table]
    pointing: list[dict[str, Any]] = []
    count = 0
    with archive.open(name) as stream:
        lines = iter(stream)
        while page := [_row(table, line) for line in islice(lines, _PAGE)]:
            pointing += [{"row_id": row["id"], **_of(row, inner)} for row in page if inner]
            connection.execute(insert(table), [row | dict.fromkeys(inner) for row in page])
            count += len(page)
    _point(connection, table, inner, pointing)
    if count:
        _continue_numbers(connection, table)
    return count


def _point(
    connection: Connection, table: Table, inner: Sequence[str], pointing: Sequence[Mapping[str, Any]]
) -> None:
    """Set the columns that lead to rows of the same table."""
    pointing = [row for row in pointing if any(row[f"to_{one}"] is not None for one in inner)]
    if pointing:
        values = {one: bindparam(f"to_{one}") for one in inner}
        connection.execute(update(table).where(table.c.id == bindparam("row_id")).values(values), pointing)


def _continue_numbers(connection: Connection, table: Table) -> None:
    """The next row gets a number behind all that are there; SQLite sees to that by itself."""
    if connection.dialect.name != "postgresql" or "id" not in table.c or table.c.id.identity is None:
        return
    number = f"pg_get_serial_sequence('{table.name}', 'id')"
    connection.execute(text(f"SELECT setval({number}, (SELECT max(id) FROM {table.name}))"))


def _of(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {f"to_{name}": row[name] for name in names}


def _row(table: Table, line: bytes) -> dict[str, Any]:
    said = json.loads(line)
    moments = {column.name for column in table.c if isinstance(column.type, Moment)}
    return {
        name: datetime.fromisoformat(value) if name in moments and value is not None else value
        for name, value in said.items()
    }


def _close_jobs(connection: Connection) -> None:
    """A job that was under way when the backup was made is under way no more."""
    jobs = METADATA.tables["jobs"]
    left = jobs.c.state.in_(("waiting", "running"))
    connection.execute(update(jobs).where(left).values(state="failed", error="the library was restored"))
