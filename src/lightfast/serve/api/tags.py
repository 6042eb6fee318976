"""`/api/tags`: tags as they stand, and many decided at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, func, select, tuple_

from lightfast.library.browse import TagState, client_asset_ids, client_label_ids
from lightfast.library.decide import ReviewAct, decide
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
from lightfast.serve.api.review import ActAnswer, act_answer, own_key
from lightfast.serve.auth.person import Reviewer, Viewer
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
class TagRow:
    """A tag of a picture, and since when it stands so."""

    asset_id: int
    label_id: int
    label: str
    state: TagState
    score: float
    probability: float | None
    rule: str | None
    by_person: bool
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
    client's words.
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
    after = cursor_pair(query.cursor)
    if after is not None:
        found = found.where(tuple_(tags.c.asset_id, tags.c.label_id) > tuple_(*after))
    with served.library.store.read() as connection:
        rows = connection.execute(found).all()
    items = tuple(
        TagRow(
            row.asset_id,
            row.label_id,
            row.name,
            row.state,
            row.score,
            row.probability,
            row.rule,
            row.decision_id is not None,
            row.updated_at,
        )
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
def post_tags(
    wanted: BulkTags, served: Served, person: Reviewer, idempotency_key: IdempotencyKey = None
) -> ActAnswer:
    """Confirm or reject a label for many pictures."""
    acts = [
        ReviewAct(
            one,
            wanted.act,
            wanted.label_id,
            reason=wanted.reason,
            key=own_key(person, idempotency_key, place),
        )
        for place, one in enumerate(dict.fromkeys(wanted.asset_ids))
    ]
    done = decide(served.library.store, person.id, acts, over=wanted.over)
    served.metrics.decisions.inc(len(done.decision_ids))
    served.follower.decided(len(done.decision_ids))
    return act_answer(served, done, [one.asset_id for one in acts])
