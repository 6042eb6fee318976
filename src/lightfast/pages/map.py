"""The map of pictures with its clusters: what was found, and the page that shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.plain import FLAT, HIDDEN
from lightfast.report.envelope import Envelope
from lightfast.report.noted import noted
from lightfast.report.page import Card, Cards, Gallery, Section, Table, write_page
from lightfast.report.picture_map import NO_CLUSTER, PictureMap, packed, packed_places, tile_sheets
from lightfast.report.tables import percent
from lightfast.report.thumbnails import thumbnail

if TYPE_CHECKING:
    from lightfast.curate.clusters import Cluster, Clusters
    from lightfast.curate.maps import PictureLayout
    from lightfast.data.images import ImageSet

MAP_FILE, CLUSTERS_FILE, FEATURES_FILE = "map.parquet", "clusters.json", "features.npy"
_SHOWN = 24
_ROWS = 200
_CAPTION = (
    "Drag to move, turn the wheel to zoom, hold Shift or press Lasso to draw round pictures, click a picture "
    "to choose its cluster. By keyboard: arrows go from picture to picture, Shift and arrows move, + and − "
    "zoom, 0 shows all, [ and ] go through the clusters, Enter chooses the cluster of a picture, v what is "
    "in view, Escape nothing. Pale points are the edges of their clusters. What is chosen can be saved as "
    "decisions."
)


@dataclass(frozen=True, eq=False, kw_only=True)
class MapResult(Envelope):
    """What `map` found.

    Attributes:
        images: the pictures.
        features: what made the features.
        layout: where each picture lies, and how far that is to be trusted.
        found: the clusters.
        named_by: "labels", "words of the backbone", or "" where the clusters have no names.
        out: the folder with the files.
    """

    images: ImageSet = field(metadata=HIDDEN)
    features: str
    layout: PictureLayout = field(metadata=FLAT)
    found: Clusters = field(metadata=FLAT)
    named_by: str
    n: int
    out: Path


def write_map_page(path: Path, result: MapResult) -> Path:
    """The page: how far the map may be trusted, the map, the clusters as a table and their middles."""
    sections = [
        Section(
            "The map", (_cards(result), *noted(result), map_block(result)), result.layout.trust.verdict_text
        ),
        Section("Clusters", (_table(result), _middles(result)), _lead(result)),
    ]
    title = f"The pictures of {result.data} on a map"
    subtitle = (
        f"{result.n:,} pictures, {len(result.found.clusters):,} clusters, features of {result.features}."
    )
    return write_page(path, title, subtitle, sections, result.provenance)


def map_block(result: MapResult) -> PictureMap:
    """The interactive map of a result, for any page."""
    return PictureMap(map_data(result.images, result.layout.coordinates, result.found), _CAPTION)


def map_data(images: ImageSet, coordinates: NDArray[np.floating], found: Clusters) -> dict[str, Any]:
    """What the script of the map reads."""
    labels = None if images.labels is None else images.labels
    contents = "".join(images.content_hashes)
    return {
        "n": len(images),
        "xy": packed_places(coordinates),
        "cluster": packed(np.minimum(found.assignment, NO_CLUSTER)),
        "core": packed(found.core, "u1"),
        "label": None if labels is None else packed(np.minimum(labels, NO_CLUSTER)),
        "labels": list(images.class_names),
        "clusters": [_known(one) for one in found.clusters],
        "ids": list(images.ids),
        "contents": contents,
        "tiles": tile_sheets(images.images),
    }


def _known(one: Cluster) -> dict[str, Any]:
    short = (
        f"{one.core:,} of {one.size:,} · about {100 * one.purity:.0f} % alike"
        if one.core > 1
        else f"{one.size:,}, loose"
    )
    return {
        "name": ", ".join(one.names[:2]),
        "purity": round(one.purity, 4),
        "short": short,
        "says": one.says,
    }


def _cards(result: MapResult) -> Cards:
    layout, found = result.layout, result.found
    trust = layout.trust
    low, high = trust.interval
    made = "principal components" if layout.method == "pca" else f"t-SNE of {layout.dimensions} components"
    many = sum(one.core for one in found.clusters if one.core > 1)
    return Cards(
        (
            Card(
                f"{trust.trustworthiness:.3f}",
                "trustworthiness",
                f"95 % {low:.3f} to {high:.3f}, {trust.k} neighbours, {trust.n:,} pictures asked",
                "strong",
            ),
            Card(
                percent(trust.neighbours_kept),
                "of nearest pictures kept",
                f"of the {trust.k} nearest in all dimensions",
            ),
            Card(percent(layout.variance_kept), "of the variance kept", made),
            Card(
                percent(layout.variance_drawn),
                "in two components",
                "all that a map by principal components shows",
            ),
            Card(percent(many / max(1, result.n)), "in cores", "that can be labelled a cluster at a time"),
        )
    )


def _lead(result: MapResult) -> str:
    names = f" Names by the {result.named_by}." if result.named_by else ""
    level = "" if result.images.labels is None else ", its level from the given labels of two pairs a cluster"
    return (
        "Found in all dimensions, not on the map; the firmest first. How alike a cluster is was predicted "
        f"from signs that need no label{level}.{names}"
    )


def _table(result: MapResult) -> Table:
    shown = result.found.clusters[:_ROWS]
    rows = tuple(
        (
            f"{one.number + 1}{': ' if one.names else ''}{', '.join(one.names)}",
            f"{one.size:,}",
            f"{one.core:,}",
            alike_text(one),
            one.says,
        )
        for one in shown
    )
    more = len(result.found.clusters) - len(shown)
    notes = (f"{more:,} more stand in {CLUSTERS_FILE}.",) if more > 0 else ()
    return Table(("cluster", "pictures", "core", "alike (predicted)", "what to do"), rows, "Clusters", notes)


def alike_text(one: Cluster) -> str:
    """The predicted purity of a core; a dash where it is one picture or none."""
    return f"{100 * one.purity:.0f} %" if one.core > 1 else "–"


def _middles(result: MapResult) -> Gallery:
    pictures = tuple(
        thumbnail(
            result.images.images[one.medoids[0]],
            f"{one.number + 1}: {', '.join(one.names) or f'{one.size:,} pictures'}",
            result.images.ids[one.medoids[0]],
            96,
        )
        for one in result.found.clusters[:_SHOWN]
    )
    return Gallery(pictures, "The most typical picture of each of the first clusters.")
