"""The database brought to the tables of this version, by alembic's numbered steps."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from lightfast.base.errors import DataError
from lightfast.library.store import Store


def upgrade_library(store: Store) -> None:
    """Create the tables, or change those of an older version.

    Raises DataError for a database that a newer version has written.
    """
    config = _config()
    with store.write() as connection:
        before = MigrationContext.configure(connection).get_current_revision()
        _require_known(store, before)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def require_current(store: Store) -> None:
    """Raise DataError unless the tables are those of this version."""
    with store.read() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found is None:
        raise DataError(f"{store.name} holds no library", cure="Make one with lightfast library init.")
    _require_known(store, found)
    if found != _scripts().get_current_head():
        raise DataError(
            f"{store.name} was written by an older version",
            cure="Run lightfast library init on the same folder: it brings the tables up to date.",
        )


def known_revisions() -> set[str]:
    """The versions of the tables that this version of lightfast knows."""
    return {step.revision for step in _scripts().walk_revisions()}


def _require_known(store: Store, revision: str | None) -> None:
    if revision is not None and revision not in known_revisions():
        raise DataError(
            f"{store.name} was written by a newer version of lightfast (tables {revision})",
            cure="Update lightfast; nothing was changed.",
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())
