"""A library: a folder with its settings, cached pictures and models, and the database that knows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL

from lightfast.base.errors import DataError
from lightfast.base.files import load_json, make_folder, require_writable, write_json
from lightfast.library.engine import WAIT_SECONDS, checked_url, connect, sqlite_url
from lightfast.library.migrate import require_current, upgrade_library
from lightfast.library.store import Store

LIBRARY_FILE = "library.json"
DATABASE = "library.db"
_FORMAT = 1


@dataclass(frozen=True, eq=False)
class Library:
    """An open library.

    Attributes:
        folder: holds settings, thumbnails, kept pictures, features and runs.
        store: its database.
    """

    folder: Path
    store: Store

    @property
    def thumbnails(self) -> Path:
        """Small and middle views, by content."""
        return self.folder / "views"

    @property
    def kept(self) -> Path:
        """Pictures that were copied in, by the hash of their bytes."""
        return self.folder / "kept"

    @property
    def features(self) -> Path:
        """Features of pictures, by network."""
        return self.folder / "features"

    @property
    def runs(self) -> Path:
        """Runs that were trained here."""
        return self.folder / "runs"

    @property
    def human_tests(self) -> Path:
        """Blinded tests of people with their answers, a folder each."""
        return self.folder / "human"

    @property
    def exports(self) -> Path:
        """Tables that jobs wrote."""
        return self.folder / "exports"

    @property
    def logs(self) -> Path:
        """What jobs did, a file each."""
        return self.folder / "logs"

    @property
    def workers(self) -> Path:
        """A locked file for every process that works on jobs."""
        return self.folder / "workers"

    def close(self) -> None:
        """Give back the database."""
        self.store.close()


def create_library(folder: Path | str, database: str | None = None) -> Library:
    """Make a library in `folder`, or bring the one that stands there up to date.

    Args:
        folder: new, empty, or a library.
        database: the address of a PostgreSQL database; None keeps everything in one SQLite file in `folder`.

    Raises:
        DataError: for a folder that holds something else, and for one that has another database.
    """
    folder = Path(folder).absolute()
    settings = folder / LIBRARY_FILE
    if settings.is_file():
        known = load_json(settings).get("database")
        if database is not None and known != database:
            raise DataError(f"{folder} is a library with another database", cure="Leave `database` out.")
        database = known
    elif folder.is_dir() and any(folder.iterdir()):
        raise DataError(
            f"{folder} is not empty and no library", cure="Name a new folder; pictures are added to it later."
        )
    url = checked_url(database) if database else sqlite_url(folder / DATABASE)
    require_writable(make_folder(folder), folder=True)
    store = _opened(folder, url, upgrade_library)
    if not settings.is_file():
        write_json(settings, {"format": _FORMAT, "database": database})
        # An address may carry a password.
        settings.chmod(0o600)
    return Library(folder, store)


def open_library(folder: Path | str) -> Library:
    """The library in `folder`; raises DataError where there is none, or one of another version."""
    folder = Path(folder).absolute()
    settings = folder / LIBRARY_FILE
    if not settings.is_file():
        raise DataError(f"{folder} is no library", cure=f"Make one: lightfast library init {folder}")
    database = load_json(settings).get("database")
    if not database and not (folder / DATABASE).is_file():
        raise DataError(f"{folder / DATABASE} is gone", cure="Restore a backup of the library.")
    url = checked_url(database) if database else sqlite_url(folder / DATABASE)
    return Library(folder, _opened(folder, url, require_current))


def _opened(folder: Path, url: URL, check: Callable[[Store], None]) -> Store:
    name = str(folder / DATABASE) if url.get_backend_name() == "sqlite" else url.render_as_string()
    # Who opens a library is told at once where its database is away; who has it open waits.
    store = Store(connect(url), name, patience=0)
    try:
        check(store)
    except BaseException:
        store.close()
        raise
    store.patience = WAIT_SECONDS
    return store
