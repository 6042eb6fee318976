"""`/api/labels`: what pictures may be called, with how many are."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi.encoders import jsonable_encoder
from pydantic import BaseModel, Field

from lightfast.base.text import nfc
from lightfast.library.label_list import (
    LabelRow,
    add_label,
    change_label,
    drop_label,
    label_row,
    list_client_labels,
    list_labels,
)
from lightfast.library.label_numbers import LABEL_ADDED
from lightfast.library.people.noting import note_audit
from lightfast.library.store import now
from lightfast.serve.api.fields import FreeText, PathId, RowId, ShownName
from lightfast.serve.auth.person import Admin, Reviewer, Viewer
from lightfast.serve.once import OnceRoute
from lightfast.serve.service import Served

label_routes = APIRouter(prefix="/api/labels", tags=["labels"], route_class=OnceRoute)


class LabelList(BaseModel):
    """Labels by name."""

    items: list[LabelRow]


class NewLabel(BaseModel):
    """A label to add; with `client` and `same_as_id` it is a client's name for one of the library's own."""

    name: Annotated[ShownName, Field(examples=["carrot"])]
    client: FreeText = ""
    parent_id: RowId | None = None
    same_as_id: RowId | None = None


class LabelChange(BaseModel):
    """What is to change of a label; what is left out stays."""

    name: ShownName | None = None
    parent_id: RowId | None = None
    same_as_id: RowId | None = None
    retired: bool | None = None


@label_routes.get("")
def get_labels(served: Served, person: Viewer, client: FreeText | None = None) -> LabelList:
    """All labels with their counts; `client` is one client's words, empty the library's own. For a client's
    viewer its own, counted on the pictures that it may see.
    """
    with served.library.store.read() as connection:
        if person.client is not None:
            return LabelList(items=list(list_client_labels(connection, person.client)))
        return LabelList(items=list(list_labels(connection, client)))


@label_routes.post("", status_code=201)
def post_label(label: NewLabel, served: Served, person: Reviewer) -> LabelRow:
    """Add a label."""
    client = nfc(label.client.strip())
    with served.library.store.write() as connection:
        made = add_label(connection, label.name, client, label.parent_id, label.same_as_id)
        said = {"name": made.name} | ({"client": client} if client else {})
        note_audit(connection, person.id, LABEL_ADDED, label_id=made.id, **said)
        return made


@label_routes.patch("/{label_id}")
def patch_label(label_id: PathId, change: LabelChange, served: Served, person: Admin) -> LabelRow:
    """Rename a label, move it in the tree, retire it or take it up again."""
    changes = change.model_dump(exclude_unset=True)
    if changes.get("name", "") is None:
        del changes["name"]
    if "retired" in changes:
        changes["retired_at"] = now() if changes.pop("retired") else None
    with served.library.store.write() as connection:
        before = label_row(connection, label_id)
        changed = change_label(connection, label_id, changes)
        # What it was stays readable: a label is one row, which a change writes over.
        was, now_is = (
            jsonable_encoder({name: getattr(row, name) for name in changes}) for row in (before, changed)
        )
        note_audit(connection, person.id, "label changed", label_id=label_id, before=was, after=now_is)
        return changed


@label_routes.delete("/{label_id}", status_code=204)
def delete_label(label_id: PathId, served: Served, person: Admin) -> None:
    """Remove a label that nothing uses. One that people gave is refused: retire it."""
    with served.library.store.write() as connection:
        label = drop_label(connection, label_id)
        note_audit(connection, person.id, "label dropped", label_id=label_id, name=label.name)
