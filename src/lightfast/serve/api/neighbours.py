"""`/api/review/near/ID`: what people said of the pictures most like the one in hand."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from lightfast.library.browse import asset_cards, require_visible
from lightfast.library.search.decided import decided_neighbours
from lightfast.serve.api.fields import PathId
from lightfast.serve.auth.person import Reviewer
from lightfast.serve.service import Served

neighbour_routes = APIRouter(prefix="/api/review", tags=["review"])


class NearQuery(BaseModel):
    """How many neighbours are wanted."""

    count: Annotated[int, Field(ge=1, le=20)] = 3


class DecidedNeighbour(BaseModel):
    """A decided picture: what people said it is, and the cosine of its features with those of the one asked
    about.
    """

    asset_id: int
    labels: list[str]
    similarity: float | None


class NearAnswer(BaseModel):
    """The nearest decided pictures, the most alike first; `compared` is false where the picture has no
    features.
    """

    items: list[DecidedNeighbour]
    compared: bool


@neighbour_routes.get("/near/{asset_id}")
def get_decided_neighbours(
    asset_id: PathId, query: Annotated[NearQuery, Query()], served: Served, person: Reviewer
) -> NearAnswer:
    """The pictures most like this one of which people have said what they are."""
    with served.library.store.read() as connection:
        require_visible(connection, asset_id, person.client)
    found = decided_neighbours(served.library, asset_id, query.count)
    if found is None:
        return NearAnswer(items=[], compared=False)
    similar = {one.asset_id: one.similarity for one in found.hits}
    with served.library.store.read() as connection:
        cards = asset_cards(connection, list(similar), blind_to=person.blind_to)
    items = [
        DecidedNeighbour(
            asset_id=card.id,
            labels=[tag.label for tag in card.tags if tag.by_person and tag.state == "confirmed"],
            similarity=similar[card.id],
        )
        for card in cards
    ]
    return NearAnswer(items=[one for one in items if one.labels], compared=True)
