"""The labels of a library: listed with their counts, added, renamed, moved in the tree, named by clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, or_, select, update

from lightfast.base.errors import ConflictError, NotFoundError
from lightfast.base.text import nfc
from lightfast.library.people.client_view import seen_by_client
from lightfast.library.schema import assets, decision_table, labels, predictions, queue_table, tags

_STATES = ("confirmed", "suggested", "rejected")
_USES = (
    ("is what a model said of pictures", predictions.c.label_id),
    ("stands at pictures", tags.c.label_id),
    ("is asked about in the queue", queue_table.c.label_id),
    ("has other labels below it", labels.c.parent_id),
    ("has names of clients", labels.c.same_as_id),
)


@dataclass(frozen=True)
class LabelRow:
    """A label.

    Attributes:
        id, name: of the label.
        client: whose word it is; "": the library's own.
        parent_id: the label above it in the tree.
        same_as_id: the library's label that a client's word stands for.
        retired_at: when it was taken out of the taxonomy; tags that people gave stay.
        confirmed, suggested, rejected: its tags in each state.
    """

    id: int
    name: str
    client: str
    parent_id: int | None
    same_as_id: int | None
    retired_at: datetime | None
    confirmed: int = 0
    suggested: int = 0
    rejected: int = 0


def list_labels(connection: Connection, client: str | None = None) -> tuple[LabelRow, ...]:
    """All labels by name, or those of one client ("": the library's own)."""
    wanted = select(labels).order_by(labels.c.client, labels.c.name)
    if client is not None:
        wanted = wanted.where(labels.c.client == client)
    counts = _counts(connection)
    return tuple(_row(row, counts.get(row.id, {})) for row in connection.execute(wanted))


def list_client_labels(connection: Connection, client: str) -> tuple[LabelRow, ...]:
    """A client's labels as its viewers see them: tags are counted on the pictures that they may see, those of
    the library's label where the client's is another name of it.
    """
    wanted = select(labels).where(labels.c.client == client).order_by(labels.c.name)
    seen = select(assets.c.id).where(assets.c.deleted_at.is_(None), seen_by_client(client))
    counts = _counts(connection, tags.c.asset_id.in_(seen))
    rows = connection.execute(wanted).all()
    return tuple(_row(row, counts.get(row.same_as_id or row.id, {})) for row in rows)


def _counts(connection: Connection, *where: ColumnElement[bool]) -> dict[int, dict[str, int]]:
    """label → state → how many tags."""
    counted = select(tags.c.label_id, tags.c.state, func.count()).where(*where)
    found: dict[int, dict[str, int]] = {}
    for label_id, state, count in connection.execute(counted.group_by(tags.c.label_id, tags.c.state)):
        found.setdefault(label_id, {})[state] = count
    return found


def label_row(connection: Connection, label_id: int) -> LabelRow:
    """One label with its counts; raises NotFoundError."""
    row = connection.execute(select(labels).where(labels.c.id == label_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"label {label_id} is not in the library", cure="Load the labels anew.")
    counted = (
        select(tags.c.state, func.count().label("n"))
        .where(tags.c.label_id == label_id)
        .group_by(tags.c.state)
    )
    return _row(row, {one.state: one.n for one in connection.execute(counted)})


def add_label(
    connection: Connection,
    name: str,
    client: str = "",
    parent_id: int | None = None,
    same_as_id: int | None = None,
) -> LabelRow:
    """A new label. Raises ConflictError where it is there already, and for a parent in other words than its
    own; NotFoundError for a parent that is not there.
    """
    _require_fitting(connection, client, parent_id, same_as_id)
    _require_new(connection, client, nfc(name))
    row = {"name": nfc(name), "client": client, "parent_id": parent_id, "same_as_id": same_as_id}
    made = connection.execute(insert(labels).values(**row))
    return label_row(connection, int(made.inserted_primary_key[0]))  # pyright: ignore[reportOptionalSubscript]


def change_label(connection: Connection, label_id: int, changes: Mapping[str, Any]) -> LabelRow:
    """Bring `name`, `parent_id`, `same_as_id` or `retired_at` of a label to new values.

    Raises ConflictError for a name that another label has, for a parent that stands below the label, and for
    one in other words than its own.
    """
    before = label_row(connection, label_id)
    changes = dict(changes)
    if "name" in changes:
        changes["name"] = nfc(changes["name"])
        if changes["name"] != before.name:
            _require_new(connection, before.client, changes["name"])
    _require_fitting(connection, before.client, changes.get("parent_id"), changes.get("same_as_id"))
    if changes.get("parent_id") is not None:
        _require_above(connection, label_id, changes["parent_id"])
    if changes:
        connection.execute(update(labels).where(labels.c.id == label_id).values(**changes))
    return label_row(connection, label_id)


def drop_label(connection: Connection, label_id: int) -> LabelRow:
    """Remove a label that nothing has ever used, such as one that was mistyped; gives it as it was.

    Raises ConflictError where people gave or rejected it, where a model can say it, and where other labels
    hang on it; NotFoundError.
    """
    label = label_row(connection, label_id)
    decided = or_(decision_table.c.label_id == label_id, decision_table.c.from_label_id == label_id)
    pictures = connection.execute(
        select(func.count(decision_table.c.asset_id.distinct())).where(decided)
    ).scalar_one()
    if pictures:
        raise ConflictError(
            f"people decided about {label.name!r} on {pictures:,} picture{'s' * (pictures != 1)}: what they "
            "said is never dropped",
            cure="Retire it: nobody is asked about it any more, and nothing learns it.",
        )
    for what, column in _USES:
        if connection.execute(select(column).where(column == label_id).limit(1)).first() is not None:
            raise ConflictError(f"{label.name!r} {what}", cure="Retire it instead.")
    connection.execute(delete(labels).where(labels.c.id == label_id))
    return label


def _row(row: Any, counts: Mapping[str, int]) -> LabelRow:
    own = (row.id, row.name, row.client, row.parent_id, row.same_as_id, row.retired_at)
    return LabelRow(*own, *(counts.get(state, 0) for state in _STATES))


def _require_new(connection: Connection, client: str, name: str) -> None:
    there = select(labels.c.id).where(labels.c.client == client, labels.c.name == name)
    number = connection.execute(there).scalar()
    if number is not None:
        raise ConflictError(f"label {name!r} is there already, as number {number}", cure="Use that one.")


def _require_fitting(
    connection: Connection, client: str, parent_id: int | None, same_as_id: int | None
) -> None:
    """A parent stands in the same words; a client's name is for a label of the library's own."""
    if parent_id is not None and (parent := label_row(connection, parent_id)).client != client:
        raise ConflictError(
            f"label {parent_id} is {_whose(parent.client)}, the one below it {_whose(client)}",
            cure="Choose a parent in the same words.",
        )
    if same_as_id is not None and (meant := label_row(connection, same_as_id)).client:
        raise ConflictError(
            f"label {same_as_id} is {_whose(meant.client)}", cure="Name one of the library's own labels."
        )


def _whose(client: str) -> str:
    return f"a word of {client}" if client else "the library's own"


def _require_above(connection: Connection, label_id: int, parent_id: int) -> None:
    """Refuse a parent that stands below the label. Nobody else moves a label before this transaction ends:
    two moves that fit each alone could close a circle.
    """
    connection.execute(select(labels.c.id).order_by(labels.c.id).with_for_update(key_share=True)).all()
    parents = {row.id: row.parent_id for row in connection.execute(select(labels.c.id, labels.c.parent_id))}
    above: int | None = parent_id
    seen = set[int]()
    while above is not None and above not in seen:
        if above == label_id:
            raise ConflictError(
                f"label {parent_id} stands below label {label_id}", cure="Choose a parent from above it."
            )
        seen.add(above)
        above = parents.get(above)
