"""`/api/review/take`: chosen pictures of the queue in hand, as those that were just taken back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from lightfast.library.review.lease import take_assets
from lightfast.serve.api.fields import RowId
from lightfast.serve.api.review import LeaseAnswer, lease_answer
from lightfast.serve.auth.claim import ReviewerClaim
from lightfast.serve.auth.person import Person
from lightfast.serve.service import Served

take_routes = APIRouter(prefix="/api/review", tags=["review"])


class TakeRequest(BaseModel):
    """Pictures that a reviewer wants in hand."""

    asset_ids: Annotated[list[RowId], Field(max_length=500, examples=[[1, 2]])]


@take_routes.post("/take")
async def post_take(wanted: TakeRequest, served: Served, claim: ReviewerClaim) -> LeaseAnswer:
    """These pictures, as far as they wait and nobody else has them in hand; the others are left out."""

    def take(connection: Connection, person: Person) -> LeaseAnswer:
        numbers = list(dict.fromkeys(wanted.asset_ids))
        return lease_answer(served, connection, person, take_assets(connection, person.id, numbers))

    return await run_in_threadpool(claim.act, take)
