"""`/api/tags`: tags as they stand, and many decided at once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, Connection, func, select, tuple_
from starlette.concurrency import run_in_threadpool

from lightfast.library.browse import TagCard, TagState, client_asset_ids, tag_card
from lightfast.library.people.client_view import client_label_ids
from lightfast.library.review.decide import ReviewAct, apply_acts
from lightfast.library.review.disagree import kept_from
from lightfast.library.schema import labels, tags
from lightfast.serve.api.fields import (
    Cursor,
    FreeText,
    IdempotencyKey,
    PageSize,
    RowId,
    as_cursor,
    cursor_pair,
)
from lightfast.serve.api.review import ActAnswer, act_answer, note_decided, own_key
from lightfast.serve.auth.claim import ReviewerClaim
from lightfast.serve.auth.person import Person, Viewer
from lightfast.serve.service import Served

tag_routes = APIRouter(prefix="/api/tags", tags=["tags"])


class TagQuery(BaseModel):
    """Which tags are wanted."""

    asset_id: RowId | None = None
    label_id: RowId | None = None
    state: TagState | None = None
    cursor: Cursor = None
    limit: PageSize = 100


@dataclass(frozen=True)
class TagRow(TagCard):
    """A tag of a picture, and since when it stands so."""

    asset_id: int
    updated_at: datetime


@dataclass(frozen=True)
class TagPage:
    """A page of tags; `next` leads to the one after, null on the last."""

    items: tuple[TagRow, ...]
    next: str | None


class BulkTags(BaseModel):
    """One label confirmed or rejected for many pictures, as one act that is undone at once."""

    asset_ids: Annotated[list[RowId], Field(min_length=1, max_length=5_000, examples=[[1, 2, 3]])]
    label_id: RowId
    act: Literal["confirm", "reject"] = "confirm"
    reason: FreeText = ""
    over: bool = Field(False, description="Also where another person's decision stands.")


@tag_routes.get("")
def get_tags(query: Annotated[TagQuery, Query()], served: Served, person: Viewer) -> TagPage:
    """A page of tags, by picture and label. A client's viewer sees those of the client's pictures, in the
    client's words. Pictures that wait for a second opinion are left out for whoever may be asked.
    """
    found = (
        select(tags, _label_name(person.client).label("name"))
        .join(labels, labels.c.id == tags.c.label_id)
        .order_by(tags.c.asset_id, tags.c.label_id)
        .limit(query.limit + 1)
    )
    for column in ("asset_id", "label_id", "state"):
        value = getattr(query, column)
        if value is not None:
            found = found.where(tags.c[column] == value)
    if person.client is not None:
        found = found.where(
            tags.c.label_id.in_(client_label_ids(person.client)),
            tags.c.asset_id.in_(client_asset_ids(person.client)),
        )
    if person.blind_to is not None:
        found = found.where(~kept_from(tags.c.asset_id, person.blind_to))
    after = cursor_pair(query.cursor)
    if after is not None:
        found = found.where(tuple_(tags.c.asset_id, tags.c.label_id) > tuple_(*after))
    with served.library.store.read() as connection:
        rows = connection.execute(found).all()
    items = tuple(
        TagRow(**vars(tag_card(row)), asset_id=row.asset_id, updated_at=row.updated_at)
        for row in rows[: query.limit]
    )
    last = (items[-1].asset_id, items[-1].label_id) if len(rows) > query.limit else None
    return TagPage(items, None if last is None else as_cursor(last))


def _label_name(client: str | None) -> ColumnElement[str]:
    """What a label is called: by the client where it has a name for it."""
    if client is None:
        return labels.c.name
    said = labels.alias("said")
    # A client may have two names for one label: a join would give its tags twice.
    own = select(func.min(said.c.name)).where(said.c.same_as_id == labels.c.id, said.c.client == client)
    return func.coalesce(own.scalar_subquery(), labels.c.name)


@tag_routes.post("")
async def post_tags(
    wanted: BulkTags, served: Served, claim: ReviewerClaim, idempotency_key: IdempotencyKey = None
) -> ActAnswer:
    """Confirm or reject a label for many pictures."""
    name = idempotency_key or secrets.token_hex(16)
    numbers = list(dict.fromkeys(wanted.asset_ids))

    def decide(connection: Connection, person: Person) -> ActAnswer:
        shared = {"act": wanted.act, "label_id": wanted.label_id, "reason": wanted.reason}
        acts = [
            ReviewAct(one, key=own_key(person, name, place), **shared) for place, one in enumerate(numbers)
        ]
        return act_answer(connection, apply_acts(connection, person.id, acts, over=wanted.over), numbers)

    answer = await run_in_threadpool(claim.act, decide)
    note_decided(served, answer)
    return answer
