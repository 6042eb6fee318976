"""A library in one file: every row as JSON with its checksum, its runs, its kept pictures; plain to read by
anything that reads ZIP, and restored to either database.

BACKUP.zip/backup.json         format, version of the tables, and of every other member its SHA-256 and rows
    tables/NAME.jsonl          a row a line, moments as ISO 8601 in UTC
    runs/…, kept/…, human/…    files of the library's folder
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Table, select

from lightfast.base.files import atomic
from lightfast.base.progress import Reporter, silent
from lightfast.library.engine import connect, sqlite_url
from lightfast.library.export_tags import require_new_file
from lightfast.library.library import DATABASE, Library
from lightfast.library.schema import METADATA
from lightfast.library.store import Store, now

BACKUP_FILE, BACKUP_FORMAT = "backup.json", 1
LEFT_OUT = frozenset({"leases", "embeddings"})
"""Tables that are not kept: leases end by themselves, features are computed again (`library embed`)."""
_PAGE = 2_000
_BLOCK = 2**20


@dataclass(frozen=True)
class BackupResult:
    """What a backup holds: rows of the tables, files, bytes of the archive."""

    out: Path
    rows: int
    files: int
    bytes: int


@dataclass(eq=False)
class _Archive:
    """An archive that is being written, with what is known of its members so far."""

    file: zipfile.ZipFile
    members: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add_rows(self, name: str, lines: Iterator[bytes]) -> int:
        """A member of lines; how many."""
        digest, count = hashlib.sha256(), 0
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED
        with self.file.open(info, "w", force_zip64=True) as stream:
            for count, line in enumerate(lines, start=1):  # noqa: B007  the number of the last one is kept
                digest.update(line)
                stream.write(line)
        self.members[name] = {"sha256": digest.hexdigest(), "rows": count}
        return count

    def add_file(self, name: str, path: Path) -> None:
        """A file as it is: pictures and weights do not shrink."""
        digest = hashlib.sha256()
        with (
            path.open("rb") as source,
            self.file.open(zipfile.ZipInfo(name), "w", force_zip64=True) as stream,
        ):
            while block := source.read(_BLOCK):
                digest.update(block)
                stream.write(block)
        self.members[name] = {"sha256": digest.hexdigest()}


def backup_library(
    library: Library, out: Path, *, pictures: bool = False, runs: bool = True, report: Reporter = silent
) -> BackupResult:
    """Write the library as it is at this moment into one new .zip; others may go on writing meanwhile.

    Args:
        library: is read.
        out: the file; it appears whole or not at all, and nothing is overwritten.
        pictures: also the pictures that were copied into the library. Those that lie elsewhere stay there.
        runs: also the models that lie inside the library.
        report: told of every table and file.

    Blinded tests of people are always kept, with their answers. Thumbnails and features are left out: they
    are made again.
    """
    require_new_file(out, (".zip",))
    folders = [library.human_tests] + [library.runs] * runs + [library.kept] * pictures
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    with atomic(out) as temporary, zipfile.ZipFile(temporary, "w") as zipped:
        archive, rows = _Archive(zipped), 0
        with _snapshot(library) as connection:
            revision = MigrationContext.configure(connection).get_current_revision()
            tables = [table for table in METADATA.sorted_tables if table.name not in LEFT_OUT]
            for done, table in enumerate(tables):
                report("tables", done, len(tables))
                rows += archive.add_rows(f"tables/{table.name}.jsonl", _lines(connection, table))
        for done, path in enumerate(files):
            report("files", done, len(files))
            archive.add_file(path.relative_to(library.folder).as_posix(), path)
        said = {"format": BACKUP_FORMAT, "tables": revision, "made_at": now().isoformat(timespec="seconds")}
        zipped.writestr(BACKUP_FILE, json.dumps({**said, "members": archive.members}, indent=1))
    return BackupResult(out, rows, len(files), out.stat().st_size)


@contextmanager
def _snapshot(library: Library) -> Iterator[Connection]:
    """One state of the database: of SQLite a copy by its online backup, of PostgreSQL one transaction."""
    if not library.store.is_sqlite:
        engine = library.store.engine.execution_options(isolation_level="REPEATABLE READ")
        with Store(engine, library.store.name).read() as connection:
            yield connection
        return
    with tempfile.TemporaryDirectory(dir=library.folder, prefix=".backup-") as folder:
        copy = Path(folder) / DATABASE
        source, target = sqlite3.connect(library.folder / DATABASE), sqlite3.connect(copy)
        try:
            source.backup(target)
        finally:
            source.close()
            target.close()
        store = Store(connect(sqlite_url(copy)), str(copy))
        try:
            with store.read() as connection:
                yield connection
        finally:
            store.close()


def _lines(connection: Connection, table: Table) -> Iterator[bytes]:
    rows = connection.execution_options(yield_per=_PAGE).execute(
        select(table).order_by(*table.primary_key.columns)
    )
    for row in rows.mappings():
        plain = {name: _plain(value) for name, value in row.items()}
        yield json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _plain(value: Any) -> Any:
    return value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value
