"""`/api/clusters` and `/api/map`: pictures that look alike, as they were found last; finding is a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select

from lightfast.base.errors import NotFoundError
from lightfast.library.jobs import Job
from lightfast.library.layout_file import load_layout
from lightfast.library.review.disagree import kept_from
from lightfast.library.schema import labels, tags
from lightfast.serve.api.fields import IdempotencyKey
from lightfast.serve.api.jobs import order_job
from lightfast.serve.auth.person import Reviewer
from lightfast.serve.service import Served, Service

layout_routes = APIRouter(prefix="/api", tags=["clusters and map"])
_DIGITS = 4


@dataclass(frozen=True)
class ClusterCard:
    """A cluster: see `curate.clusters.Cluster`; medoids and edges are pictures."""

    number: int
    size: int
    core: int
    purity: float
    names: list[str]
    says: str
    medoids: list[int]
    edges: list[int]


class ClusterList(BaseModel):
    """The clusters that were found last, the surest first."""

    made_at: str
    source: str
    pictures: int
    notes: list[str]
    items: list[ClusterCard]


class ClusterMembers(BaseModel):
    """The pictures of a cluster, the firmest first; those `core` may be labelled at once."""

    number: int
    asset_ids: list[int]
    core: list[bool]


class MapAnswer(BaseModel):
    """Where pictures lie on a plane, column by column. `label_ids`: the surest label of each that is not
    rejected, 0 where it has none; `labels` names them.
    """

    made_at: str
    source: str
    method: str
    verdict: str
    trust: dict[str, Any]
    notes: list[str]
    asset_ids: list[int]
    x: list[float]
    y: list[float]
    label_ids: list[int]
    labels: dict[int, str]


class ClustersRequest(BaseModel):
    """How clusters are looked for."""

    count: Annotated[int | None, Field(ge=1, le=10_000, description="null: by the number of pictures.")] = (
        None
    )
    lay_out: Annotated[bool, Field(description="Make a map as well, with a draft first.")] = False
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0


class MapRequest(BaseModel):
    """How a map is made."""

    method: Literal["tsne", "pca"] = "tsne"
    draft: Annotated[bool, Field(description="Keep a map by pca first, to look at meanwhile.")] = False
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0


@layout_routes.get("/clusters")
def get_clusters(served: Served, person: Reviewer) -> ClusterList:
    """The clusters that were found last."""
    found = load_layout(served.library, "clusters")
    cards = [
        ClusterCard(**{name: one[name] for name in ClusterCard.__dataclass_fields__})
        for one in found.facts["clusters"]
    ]
    facts = {name: found.facts[name] for name in ("made_at", "source", "notes")}
    return ClusterList(pictures=len(found.asset_ids), items=cards, **facts)


@layout_routes.post("/clusters", status_code=202)
def post_clusters(
    wanted: ClustersRequest, served: Served, person: Reviewer, idempotency_key: IdempotencyKey = None
) -> Job:
    """Order new clusters of all pictures."""
    return order_job(served, person, "clusters", wanted.model_dump(), idempotency_key)


@layout_routes.get("/clusters/{number}")
def get_cluster(number: int, served: Served, person: Reviewer) -> ClusterMembers:
    """The pictures of one cluster."""
    found = load_layout(served.library, "clusters")
    rows = np.flatnonzero(found.arrays["assignment"] == number) if abs(number) < 2**31 else np.array([], int)
    if not len(rows):
        raise NotFoundError(f"cluster {number} is not there", cure="Load the clusters anew.")
    core = found.arrays["core"]
    order = rows[np.lexsort((-found.arrays["firmness"][rows], ~core[rows]))]
    return ClusterMembers(number=number, asset_ids=found.asset_ids[order].tolist(), core=core[order].tolist())


@layout_routes.get("/map")
def get_map(served: Served, person: Reviewer) -> MapAnswer:
    """The map that was made last, with the labels as they are now."""
    found = load_layout(served.library, "map")
    said, names = _surest(served, person.blind_to)
    ids, places = found.asset_ids.tolist(), np.round(found.arrays["coordinates"], _DIGITS).astype(float)
    facts = {name: found.facts[name] for name in ("made_at", "source", "method", "verdict", "trust", "notes")}
    return MapAnswer(
        asset_ids=ids,
        x=places[:, 0].tolist(),
        y=places[:, 1].tolist(),
        label_ids=[said.get(one, 0) for one in ids],
        labels=names,
        **facts,
    )


@layout_routes.post("/map", status_code=202)
def post_map(
    wanted: MapRequest, served: Served, person: Reviewer, idempotency_key: IdempotencyKey = None
) -> Job:
    """Order a new map of all pictures."""
    return order_job(served, person, "map", wanted.model_dump(), idempotency_key)


def _surest(served: Service, blind_to: int | None) -> tuple[dict[int, int], dict[int, str]]:
    """(asset → its surest label that is not rejected, label → name); nothing of pictures of which the user
    `blind_to` may not know what others said.
    """
    best = select(tags.c.asset_id, tags.c.label_id).where(tags.c.state != "rejected")
    if blind_to is not None:
        best = best.where(~kept_from(tags.c.asset_id, blind_to))
    with served.library.store.read() as connection:
        said = {row.asset_id: row.label_id for row in connection.execute(best.order_by(tags.c.score))}
        names = connection.execute(
            select(labels.c.id, labels.c.name).where(labels.c.id.in_(set(said.values())))
        )
        return said, {row.id: row.name for row in names}
