"""A library's pictures in clusters and on a map, from their features; new pictures are embedded first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select, update

from lightfast.base.errors import DataError
from lightfast.base.plain import as_json
from lightfast.curate.backbone_words import WORDS_OF
from lightfast.curate.cluster_names import named_by_backbone, named_by_labels
from lightfast.curate.clusters import Clusters, find_clusters
from lightfast.curate.maps import MapMethod, PictureLayout, make_map
from lightfast.library.feature_files import open_features
from lightfast.library.layout_file import SavedLayout, save_layout
from lightfast.library.library import Library
from lightfast.library.schema import assets, labels, queue_table, tags
from lightfast.library.store import now
from lightfast.runs.library.features import embed_library
from lightfast.runs.options import RunOptions

_LEAST = 4
_PAGE = 1_000


@dataclass(frozen=True)
class LayoutResult:
    """What was made: of how many pictures, by which network, how many clusters (0: a map), and notes."""

    pictures: int
    source: str
    clusters: int
    notes: tuple[str, ...]


def cluster_library(library: Library, options: RunOptions, count: int | None = None) -> LayoutResult:
    """Put every picture that can be seen into a cluster, the surest first, and name the clusters: by what
    people confirmed, where nobody has, by the words of the published backbone. What waits for a person learns
    its cluster.

    Args:
        library: is written: its features, `layouts/clusters.npz`, the queue.
        options: `device`, `seed`, `report`.
        count: how many clusters; None: 2 √N, or six a class where classes are known.

    Raises DataError for fewer than four pictures.
    """
    source, ids, vectors = pictures_with_features(library, options)
    said, names = confirmed_classes(library, ids)
    classes = len(names) or None
    found = find_clusters(vectors, count, classes=classes, seed=options.seed, report=options.report)
    if names:
        found = named_by_labels(found, vectors, said, names)
    elif source == WORDS_OF:
        found = named_by_backbone(found, vectors)
    facts = {"made_at": now().isoformat(), "source": source, "notes": list(found.notes)}
    facts["clusters"] = [_cluster(one, ids) for one in found.clusters]
    arrays = {
        "asset_ids": ids,
        "assignment": found.assignment,
        "core": found.core,
        "firmness": found.firmness,
    }
    save_layout(library, "clusters", SavedLayout(facts, arrays))
    _tell_queue(library, ids, found)
    return LayoutResult(len(ids), source, len(found.clusters), found.notes)


def map_library(
    library: Library, options: RunOptions, method: MapMethod = "tsne", *, draft: bool = False
) -> LayoutResult:
    """Lay every picture that can be seen out on a plane; see `make_map`.

    Args:
        library: is written: its features, `layouts/map.npz`.
        options: `device`, `seed`, `report`; the step "map" is reported of the map that stays.
        method: of the map that stays.
        draft: keep one by "pca", made in a moment, until that of `method` takes its place.

    Raises DataError for fewer than four pictures.
    """
    source, ids, vectors = pictures_with_features(library, options)
    if draft and method != "pca":
        _keep_map(library, source, ids, make_map(vectors, method="pca", seed=options.seed))
    layout = make_map(vectors, method=method, seed=options.seed, report=options.report)
    _keep_map(library, source, ids, layout)
    return LayoutResult(len(ids), source, 0, layout.notes)


def _keep_map(library: Library, source: str, ids: NDArray[np.int64], layout: PictureLayout) -> None:
    facts = {"made_at": now().isoformat(), "source": source, **as_json(layout)}
    facts["verdict"] = layout.trust.verdict_text
    save_layout(library, "map", SavedLayout(facts, {"asset_ids": ids, "coordinates": layout.coordinates}))


def pictures_with_features(
    library: Library, options: RunOptions
) -> tuple[str, NDArray[np.int64], NDArray[np.float32]]:
    """(network, int64 (N,) the pictures that can be seen and have features, float32 (N, D) those features);
    new pictures are embedded first. Raises DataError for fewer than four.
    """
    source = embed_library(library, options).source
    with library.store.read() as connection:
        seen = assets.c.deleted_at.is_(None) & assets.c.unreadable.is_(None)
        wanted = connection.execute(select(assets.c.id).where(seen).order_by(assets.c.id)).scalars().all()
        if len(wanted) < _LEAST:
            got = f"{len(wanted)}"
            raise DataError("pictures", expected=f"at least {_LEAST}", got=got, cure="Add more first.")
        ids, vectors = open_features(library, connection, source).read(wanted)
    return source, ids, vectors


def confirmed_classes(library: Library, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[str]]:
    """(int64 (N,), the class that people confirmed of each picture of `ids`, −1 where none or several; class
    names, in the library's own words). Labels that left the taxonomy are none.
    """
    own = labels.alias("own")
    with library.store.read() as connection:
        rows = connection.execute(
            select(tags.c.asset_id, own.c.name)
            .join(labels, labels.c.id == tags.c.label_id)
            .join(own, own.c.id == func.coalesce(labels.c.same_as_id, labels.c.id))
            .where(tags.c.state == "confirmed", tags.c.decision_id.isnot(None))
            .where(labels.c.retired_at.is_(None), own.c.retired_at.is_(None))
            .distinct()
        ).all()
    names = sorted({row.name for row in rows})
    place, number = (
        {name: at for at, name in enumerate(names)},
        {one: at for at, one in enumerate(ids.tolist())},
    )
    said = np.full(len(ids), -1, np.int64)
    several = set[int]()
    for row in rows:
        at = number.get(row.asset_id)
        if at is not None:
            several |= {at} if said[at] >= 0 else set()
            said[at] = place[row.name]
    said[list(several)] = -1
    return said, names


def _cluster(one: Any, ids: NDArray[np.int64]) -> dict[str, Any]:
    medoids, edges = ([int(ids[row]) for row in rows] for rows in (one.medoids, one.edges))
    return {**as_json(one), "says": one.says, "medoids": medoids, "edges": edges}


def _tell_queue(library: Library, ids: NDArray[np.int64], found: Clusters) -> None:
    for start in range(len(found.clusters)):
        members = ids[found.assignment == start].tolist()
        for first in range(0, len(members), _PAGE):
            some = queue_table.c.asset_id.in_(members[first : first + _PAGE]) & (
                queue_table.c.state == "open"
            )
            change = update(queue_table).where(some).values(cluster=start)
            library.store.act(lambda connection, change=change: connection.execute(change).rowcount)
