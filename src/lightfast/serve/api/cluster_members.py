"""`/api/clusters/members`: the cluster of every picture in one answer, as a map colours them."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from lightfast.base.errors import NotFoundError
from lightfast.library.layout_file import load_layout
from lightfast.serve.auth.person import Reviewer
from lightfast.serve.service import Served

cluster_member_routes = APIRouter(prefix="/api/clusters", tags=["clusters and map"])


class MembersAnswer(BaseModel):
    """Column by column: a picture, its cluster (below 0: none), and whether it is of the cluster's core."""

    asset_ids: list[int]
    clusters: list[int]
    core: list[bool]


@cluster_member_routes.get("/members")
def get_all_members(served: Served, person: Reviewer) -> MembersAnswer:
    """The clusters that were found last, of all pictures; empty where nobody has looked yet."""
    try:
        found = load_layout(served.library, "clusters")
    except NotFoundError:
        return MembersAnswer(asset_ids=[], clusters=[], core=[])
    return MembersAnswer(
        asset_ids=found.asset_ids.tolist(),
        clusters=found.arrays["assignment"].tolist(),
        core=found.arrays["core"].astype(bool).tolist(),
    )
