"""`/api/models/ID/robustness`, `/api/models/ID/learning-curve`: order what a model is measured by; its card
shows the result.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from lightfast.corrupt.suite import SUITES
from lightfast.library.jobs import Job
from lightfast.library.promote import library_model
from lightfast.serve.api.fields import IdempotencyKey, PathId, ShownName
from lightfast.serve.api.jobs import order_job
from lightfast.serve.auth.person import Reviewer
from lightfast.serve.service import Served

model_measure_routes = APIRouter(prefix="/api/models", tags=["models"])
_Seed = Annotated[int, Field(ge=0, le=2**31)]


class RobustnessRequest(BaseModel):
    """Under which damage a model is measured, and on how many of its unseen pictures at most."""

    suite: ShownName = Field("mnist-c", description="A suite of corruptions: mnist-c, imagenet-c, camera …")
    limit: Annotated[int, Field(ge=1, le=100_000)] = 500
    seed: _Seed = 0


class LearningCurveRequest(BaseModel):
    """How often pictures and weights are drawn at every number of pictures."""

    repeats: Annotated[int, Field(ge=1, le=20)] = 3
    seed: _Seed = 0


@model_measure_routes.post("/{model_id}/robustness", status_code=202)
def measure_robustness_of(
    model_id: PathId,
    wanted: RobustnessRequest,
    served: Served,
    person: Reviewer,
    idempotency_key: IdempotencyKey = None,
) -> Job:
    """Order the accuracy of a model under damage, on pictures that it has not learned from."""
    SUITES.get(wanted.suite)
    library_model(served.library.store, model_id)
    given = {"model_id": model_id, **wanted.model_dump()}
    return order_job(served, person, "robustness", given, idempotency_key)


@model_measure_routes.post("/{model_id}/learning-curve", status_code=202)
def measure_learning_curve_of(
    model_id: PathId,
    wanted: LearningCurveRequest,
    served: Served,
    person: Reviewer,
    idempotency_key: IdempotencyKey = None,
) -> Job:
    """Order what more pictures would bring: its network is trained on fewer and fewer of its own."""
    library_model(served.library.store, model_id)
    given = {"model_id": model_id, **wanted.model_dump()}
    return order_job(served, person, "learning_curve", given, idempotency_key)
