"""Which model a library uses: promoted, taken back, listed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select, update

from lightfast.base.errors import ConflictError, NotFoundError, UnknownName
from lightfast.library.library import Library
from lightfast.library.people.noting import note_audit
from lightfast.library.schema import audit, models, users
from lightfast.library.store import Store, now

_PROMOTED = "model promoted"


@dataclass(frozen=True)
class LibraryModel:
    """A classifier that a library knows.

    Attributes:
        id, name: by which it is named.
        run: its run folder, relative to the library where it lies inside, or `hf-hub:ID`.
        class_names: what it can say.
        metrics: of its run.
        added_at, promoted_at, rolled_back_at: when; None: never.
        in_use: whether it is the one that `library tag` takes.
        promoted_by: the name of who promoted it last, or ordered the training that did; None: nobody did, or
            nobody who is known.
    """

    id: int
    name: str
    run: str
    class_names: tuple[str, ...]
    metrics: Mapping[str, Any]
    added_at: datetime
    promoted_at: datetime | None
    rolled_back_at: datetime | None
    in_use: bool = False
    promoted_by: str | None = None


def list_models(store: Store) -> tuple[LibraryModel, ...]:
    """Every model that the library knows, the oldest first."""
    with store.read() as connection:
        used, by = promoted_number(connection), _promoters(connection)
        rows = connection.execute(select(models).order_by(models.c.id)).all()
    return tuple(replace(_model(row, used), promoted_by=by.get(row.id)) for row in rows)


def _promoters(connection: Connection) -> dict[int, str | None]:
    """model → who promoted it last, as the audit has it."""
    noted = select(audit.c.detail, users.c.name).outerjoin(users, users.c.id == audit.c.user_id)
    rows = connection.execute(noted.where(audit.c.act == _PROMOTED).order_by(audit.c.id))
    return {row.detail["model_id"]: row.name for row in rows}


def library_model(store: Store, number: int) -> LibraryModel:
    """The model with this number; raises NotFoundError."""
    found = next((one for one in list_models(store) if one.id == number), None)
    if found is None:
        raise NotFoundError(f"model {number} is not in the library", cure="Load the list anew.")
    return found


def promoted_number(connection: Connection) -> int | None:
    """The number of the model in use; None where none is."""
    return connection.execute(
        select(models.c.id)
        .where(models.c.promoted_at.isnot(None), models.c.rolled_back_at.is_(None))
        .order_by(models.c.promoted_at.desc(), models.c.id.desc())
        .limit(1)
    ).scalar()


def in_use_now(connection: Connection) -> int | None:
    """The number of the model in use, which stays so until the transaction ends: whoever promotes another one
    or takes it back waits for that. None where none is in use.
    """
    # SQLite has one writer anyway.
    connection.execute(select(models.c.id).order_by(models.c.id).with_for_update())
    return promoted_number(connection)


def promote_model(store: Store, model: int | str, by: int | None = None) -> LibraryModel:
    """Use a model, named by its number or its name (of several the newest), from now on; `by` is the number
    of the user who wants it, for the audit.

    Raises UnknownName.
    """

    def write(connection: Connection) -> int:
        number = _find(connection, model)
        use_model(connection, number, by)
        return number

    return library_model(store, store.act(write))


def use_model(connection: Connection, number: int, by: int | None = None) -> None:
    """`promote_model` of a known number inside a transaction."""
    in_use_now(connection)
    connection.execute(
        update(models).where(models.c.id == number).values(promoted_at=now(), rolled_back_at=None)
    )
    note_audit(connection, by, _PROMOTED, model_id=number)


def rollback_model(store: Store, by: int | None = None) -> LibraryModel:
    """Use the model again that was in use before; the present one is kept and no longer used. `by` is the
    number of the user who wants it, for the audit.

    Raises ConflictError where none was in use before.
    """

    with store.read() as connection:
        used = promoted_number(connection)
    return library_model(store, store.act(lambda connection: _go_back(connection, used, by)))


def _go_back(connection: Connection, used: int | None, by: int | None) -> int:
    """The model in use after `used`, which was in use when this was asked for, is so no more; where it has
    been taken back already (by a try whose acknowledgement was lost, or by somebody else), that is kept.
    """
    held = models.c.promoted_at.isnot(None), models.c.rolled_back_at.is_(None)
    before = connection.execute(
        select(models.c.id)
        .where(*held, models.c.id != used)
        .order_by(models.c.promoted_at.desc(), models.c.id.desc())
        .limit(1)
    ).scalar()
    if used is None or before is None:
        raise ConflictError(
            "there is no model to go back to",
            got="none in use" if used is None else "the first one in use",
            cure="Promote another one: `library models` lists them.",
        )
    back = connection.execute(update(models).where(models.c.id == used, *held).values(rolled_back_at=now()))
    number = promoted_number(connection) or before
    if back.rowcount:
        note_audit(connection, by, "model rolled back", model_id=number)
    return number


def run_of(library: Library, model: LibraryModel) -> str:
    """Where the run of a model lies: an absolute path, or `hf-hub:ID`."""
    elsewhere = model.run.startswith("hf-hub:") or Path(model.run).is_absolute()
    return model.run if elsewhere else str(library.folder / model.run)


def place_of_run(library: Library, run: str) -> str:
    """What the library notes of a run's place: relative where it lies inside, so that the library can be
    moved.
    """
    if run.startswith("hf-hub:"):
        return run
    path = Path(run).absolute()
    return str(path.relative_to(library.folder)) if path.is_relative_to(library.folder) else str(path)


def _find(connection: Connection, model: int | str) -> int:
    rows = connection.execute(select(models.c.id, models.c.name).order_by(models.c.id.desc())).all()
    text = str(model).strip()
    for row in rows:
        if text in (row.name, str(row.id)):
            return row.id
    raise UnknownName("model of this library", text, sorted({row.name for row in rows}))


def _model(row: Row[Any], used: int | None) -> LibraryModel:
    names = ("id", "name", "run", "metrics", "added_at", "promoted_at", "rolled_back_at")
    said = {name: getattr(row, name) for name in names}
    return LibraryModel(**said, class_names=tuple(row.class_names), in_use=row.id == used)
