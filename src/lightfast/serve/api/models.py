"""`/api/models`: the classifiers of the library: which is in use, promote, roll back, retrain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from lightfast.library.jobs import Job
from lightfast.library.ledger import LEDGER_MARGIN, RetrainEntry, read_ledger
from lightfast.library.people.client_view import client_words
from lightfast.library.promote import LibraryModel, library_model, list_models, promote_model, rollback_model
from lightfast.serve.api.fields import IdempotencyKey, PathId, ShownName
from lightfast.serve.api.jobs import order_job
from lightfast.serve.auth.person import Admin, Person, Reviewer, Viewer
from lightfast.serve.once import OnceRoute
from lightfast.serve.places import shown
from lightfast.serve.service import Served

model_routes = APIRouter(prefix="/api/models", tags=["models"], route_class=OnceRoute)


class ModelList(BaseModel):
    """Models, the oldest first, with every retraining: what it cost people, and what it brought."""

    items: list[LibraryModel]
    ledger: list[RetrainEntry]


class RetrainRequest(BaseModel):
    """How the next model is trained from what people decided."""

    model: ShownName = "auto"
    margin: Annotated[
        float,
        Field(ge=0, lt=1, description="Used unless it may be worse by more than this; more is for admins."),
    ] = LEDGER_MARGIN
    promote: Annotated[bool, Field(description="Use the new model where it is not worse.")] = True
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0


@model_routes.get("")
def get_models(served: Served, person: Viewer) -> ModelList:
    """All models and retrainings. Where a run lies is told to admins; a client's viewer sees classes in the
    client's words, and neither figures nor retrainings, which are of everybody's pictures.
    """
    store = served.library.store
    models = [model_for(one, person) for one in list_models(store)]
    if person.client is None:
        return ModelList(items=models, ledger=list(read_ledger(store)))
    with store.read() as connection:
        words = client_words(connection, person.client)
    return ModelList(items=[_in_words(one, words) for one in models], ledger=[])


@model_routes.post("/rollback")
def roll_back(served: Served, person: Admin) -> LibraryModel:
    """Use the model again that was in use before."""
    return rollback_model(served.library.store, person.id)


@model_routes.post("/retrain", status_code=202)
def retrain(
    wanted: RetrainRequest, served: Served, person: Reviewer, idempotency_key: IdempotencyKey = None
) -> Job:
    """Order the next model, from what people decided; see /api/jobs for how far it is."""
    return order_job(served, person, "retrain", wanted.model_dump(), idempotency_key)


@model_routes.post("/{model_id}/promote")
def promote(model_id: PathId, served: Served, person: Admin) -> LibraryModel:
    """Use this model from now on."""
    library_model(served.library.store, model_id)
    return promote_model(served.library.store, model_id, person.id)


def model_for(model: LibraryModel, person: Person) -> LibraryModel:
    """The model as this person is told of it: but for admins its run is called without its folder."""
    if person.sees_places or model.run.startswith("hf-hub:"):
        return model
    run = model.run.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return replace(model, run=run, metrics=shown(model.metrics, places=False))


def _in_words(model: LibraryModel, words: Mapping[str, str]) -> LibraryModel:
    """With the classes that the client has a name for, and nothing that counts or names anybody else."""
    names = tuple(words[name] for name in model.class_names if name in words)
    return replace(model, class_names=names, metrics={}, promoted_by=None)
