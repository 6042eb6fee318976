"""`/api/review/take`: chosen pictures of the queue in hand, as those that were just taken back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from lightfast.library.lease import lease_assets
from lightfast.serve.api.fields import RowId
from lightfast.serve.api.review import LeaseAnswer, lease_answer
from lightfast.serve.auth.person import Reviewer
from lightfast.serve.service import Served

take_routes = APIRouter(prefix="/api/review", tags=["review"])


class TakeRequest(BaseModel):
    """Pictures that a reviewer wants in hand."""

    asset_ids: Annotated[list[RowId], Field(max_length=500, examples=[[1, 2]])]


@take_routes.post("/take")
def post_take(wanted: TakeRequest, served: Served, person: Reviewer) -> LeaseAnswer:
    """These pictures, as far as they wait and nobody else has them in hand; the others are left out."""
    return lease_answer(served, lease_assets(served.library.store, person.id, wanted.asset_ids))
