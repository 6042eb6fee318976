"""Pictures taken out of sight and brought back: no row and no file is ever removed. Labels likewise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, update

from lightfast.base.errors import UnknownName
from lightfast.library.find import require_assets
from lightfast.library.schema import assets, labels, leases, tags
from lightfast.library.store import Store, in_pages, now


@dataclass(frozen=True)
class RemoveResult:
    """The pictures that were deleted or came back, and those that were so already."""

    changed: tuple[int, ...]
    same: tuple[int, ...]


@dataclass(frozen=True)
class RetiredLabel:
    """A label that left the taxonomy: how many tags that people gave it keeps."""

    name: str
    kept: int


def delete_assets(store: Store, pictures: Sequence[str | int]) -> RemoveResult:
    """Take pictures out of searches, queues and trainings; everything known of them stays.

    Raises DataError for a picture that is not there; nothing is changed then.
    """
    return store.act(lambda connection: _move(connection, pictures, deleted=True))


def undelete_assets(store: Store, pictures: Sequence[str | int]) -> RemoveResult:
    """Bring deleted pictures back. Raises DataError as `delete_assets` does."""
    return store.act(lambda connection: _move(connection, pictures, deleted=False))


def retire_label(store: Store, name: str) -> RetiredLabel:
    """Take a label of the library out of the taxonomy: nobody is asked about it, nothing learns it; tags that
    people gave stay. Raises UnknownName.
    """
    return store.act(lambda connection: _retire(connection, name, back=False))


def restore_label(store: Store, name: str) -> RetiredLabel:
    """Bring a label back into the taxonomy, with the tags that it kept. Raises UnknownName."""
    return store.act(lambda connection: _retire(connection, name, back=True))


def _move(connection: Connection, pictures: Sequence[str | int], *, deleted: bool) -> RemoveResult:
    wanted = sorted(set(require_assets(connection, map(str, pictures)).values()))
    was = assets.c.deleted_at.is_(None) if deleted else assets.c.deleted_at.isnot(None)
    changed: list[int] = []
    for page in in_pages(wanted):
        changed += connection.execute(select(assets.c.id).where(assets.c.id.in_(page), was)).scalars()
        moment = now() if deleted else None
        connection.execute(update(assets).where(assets.c.id.in_(page), was).values(deleted_at=moment))
        if deleted:
            connection.execute(delete(leases).where(leases.c.asset_id.in_(page)))
    return RemoveResult(tuple(changed), tuple(sorted(set(wanted) - set(changed))))


def _retire(connection: Connection, name: str, *, back: bool) -> RetiredLabel:
    known = {row.name: row.id for row in connection.execute(select(labels).where(labels.c.client == ""))}
    if name not in known:
        raise UnknownName("label of this library", name, known)
    moment = None if back else now()
    connection.execute(update(labels).where(labels.c.id == known[name]).values(retired_at=moment))
    given = tags.c.decision_id.isnot(None) & (tags.c.label_id == known[name])
    kept = connection.execute(select(func.count()).select_from(tags).where(given)).scalar_one()
    return RetiredLabel(name, kept)
