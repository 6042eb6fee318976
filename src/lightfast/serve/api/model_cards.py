"""`/api/models/ID`: one model: its figures, what it takes for what, what a wanted precision costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from lightfast.evaluate.confusions import ConfusedPair, confused_pairs
from lightfast.library.browse import AssetCard, asset_cards
from lightfast.library.promote import LibraryModel, library_model
from lightfast.library.review.disagree import kept_pictures
from lightfast.library.store import in_pages
from lightfast.runs.library.confusion import ConfusionPictures, LibraryConfusion, library_confusion
from lightfast.runs.library.model_card import library_model_card
from lightfast.runs.library.review_cost import ReviewCost, review_costs
from lightfast.serve.api.fields import PageSize, PathId, ShownName
from lightfast.serve.api.models import model_for
from lightfast.serve.auth.person import Reviewer
from lightfast.serve.places import shown
from lightfast.serve.service import Served

model_card_routes = APIRouter(prefix="/api/models", tags=["models"])
_LARGEST_MATRIX = 40
_PAIRS = 50


class ModelCardAnswer(BaseModel):
    """A model with what its run tells: figures of its own test pictures by the keys of metrics.json,
    robustness under damage, what more pictures would bring, and how to make what is missing.
    """

    model: LibraryModel
    one_label: bool | None = Field(description="Whether a picture gets one label; null: its run is gone.")
    figures: Mapping[str, Any]
    robustness: Mapping[str, Any] | None
    curve: tuple[str, ...]
    test_predictions: bool
    val_predictions: bool
    repair: bool
    ways: Mapping[str, str]


class ConfusionQuery(BaseModel):
    """On which pictures: the test part of the model's run, or those of the library that people labelled."""

    pictures: ConfusionPictures = "test"


class ConfusionAnswer(BaseModel):
    """Counts by given label (rows) and predicted label (columns); null for more than 40 classes. `pairs`: the
    most frequent confusions. `reachable`: how many of the `n` pictures are in the library.
    """

    pictures: ConfusionPictures
    class_names: tuple[str, ...]
    counts: list[list[int]] | None
    pairs: tuple[ConfusedPair, ...]
    n: int
    reachable: int
    note: str


class CellQuery(ConfusionQuery):
    """One cell of the matrix."""

    given: ShownName
    predicted: ShownName
    limit: PageSize = 100


class CellAnswer(BaseModel):
    """The library's pictures of one cell, at most `limit`; `reachable` counts all of them, `count` also those
    that are not in the library.
    """

    items: tuple[AssetCard, ...]
    reachable: int
    count: int


class CostQuery(BaseModel):
    """How right what no person looks at is to be."""

    precision: Annotated[
        list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=1, max_length=20, examples=[[0.95]])
    ]


class ReviewCostAnswer(BaseModel):
    """A wanted precision: from which confidence on it is proven, what passed on validation pictures, and how
    many undecided pictures of the library that the model has seen are accepted or queued.
    """

    precision: float
    threshold: float | None
    says: str
    val_n: int
    val_passed: int
    val_precision: float | None
    accepted: int
    queued: int


class CostAnswer(BaseModel):
    """What each precision costs, and the highest that can be proven (0..1)."""

    items: list[ReviewCostAnswer]
    provable: float


@model_card_routes.get("/{model_id}")
def get_model(model_id: PathId, served: Served, person: Reviewer) -> ModelCardAnswer:
    """One model: its figures, and what was measured with it; where its run lies is told to admins."""
    card = library_model_card(served.library, library_model(served.library.store, model_id))
    told = {name: getattr(card, name) for name in ModelCardAnswer.model_fields}
    told = shown(told, places=person.sees_places) | {"model": model_for(card.model, person)}
    return ModelCardAnswer.model_validate(told)


@model_card_routes.get("/{model_id}/confusion")
def get_confusion(
    model_id: PathId, query: Annotated[ConfusionQuery, Query()], served: Served, person: Reviewer
) -> ConfusionAnswer:
    """What the model takes for what, on pictures that it was not trained on."""
    found = _confusion(served, model_id, query)
    names = found.class_names
    return ConfusionAnswer(
        pictures=found.pictures,
        class_names=names,
        counts=found.counts.tolist() if len(names) <= _LARGEST_MATRIX else None,
        pairs=confused_pairs(found.counts, names)[:_PAIRS],
        n=len(found),
        reachable=found.reachable,
        note=found.note,
    )


@model_card_routes.get("/{model_id}/confusion/pictures")
def get_confused_pictures(
    model_id: PathId, query: Annotated[CellQuery, Query()], served: Served, person: Reviewer
) -> CellAnswer:
    """The pictures behind one cell of the matrix, but those that wait for a second opinion: the cell says
    what others gave them.
    """
    found = _confusion(served, model_id, query)
    ids, count = found.cell(query.given, query.predicted)
    with served.library.store.read() as connection:
        if person.blind_to is not None:
            kept = {one for page in in_pages(ids) for one in kept_pictures(connection, page, person.blind_to)}
            ids = [one for one in ids if one not in kept]
        cards = asset_cards(connection, ids[: query.limit], blind_to=person.blind_to)
    return CellAnswer(items=cards, reachable=len(ids), count=count)


@model_card_routes.get("/{model_id}/review-cost")
def get_review_cost(
    model_id: PathId, query: Annotated[CostQuery, Query()], served: Served, person: Reviewer
) -> CostAnswer:
    """How much people have to look at, for each wanted precision of the rest."""
    model = library_model(served.library.store, model_id)
    found, most = review_costs(served.library, model, tuple(query.precision))
    return CostAnswer(items=[_cost_answer(one) for one in found], provable=most)


def _confusion(served: Served, model_id: int, query: ConfusionQuery) -> LibraryConfusion:
    model = library_model(served.library.store, model_id)
    return library_confusion(served.library, model, query.pictures)


def _cost_answer(cost: ReviewCost) -> ReviewCostAnswer:
    known = cost.threshold
    return ReviewCostAnswer(
        precision=cost.precision,
        threshold=None if known is None else known.threshold,
        says=cost.unproven if known is None else known.sentence(),
        val_n=0 if known is None else known.n,
        val_passed=0 if known is None else known.passed,
        val_precision=None if known is None else known.precision,
        accepted=cost.accepted,
        queued=cost.queued,
    )
