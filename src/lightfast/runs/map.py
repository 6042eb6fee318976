"""`map_run`: pictures on a map and in clusters, labelled or not, as files and as a page."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lightfast.base.errors import DataError
from lightfast.base.files import atomic, make_folder, write_json
from lightfast.base.plain import as_json
from lightfast.curate.backbone_words import WORDS_OF
from lightfast.curate.cluster_checks import pairs_to_check, with_checked_pairs
from lightfast.curate.cluster_names import named_by_backbone, named_by_labels
from lightfast.curate.clusters import Clusters, find_clusters
from lightfast.curate.embed import Embedder, Features, backbone_embedder, checkpoint_embedder, embed_pictures
from lightfast.curate.maps import MapMethod, make_map
from lightfast.data.dataset import ImageSpec
from lightfast.data.images import ImageSet, sample
from lightfast.data.ingest import Ingest
from lightfast.data.lists.layout import NoClassFolders
from lightfast.data.lists.listing import load_unlabelled
from lightfast.models.load import load_classifier
from lightfast.pages.map import CLUSTERS_FILE, FEATURES_FILE, MAP_FILE, MapResult, write_map_page
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import load_labelled_or_not, prepare
from lightfast.runs.record import envelope, written

PHOTO_SIDE = (224, 224)
"""Pixels that photographs are read at where no run says otherwise."""


@dataclass(frozen=True)
class MapOptions:
    """What is wanted of `map_run`.

    Attributes:
        method: tsne or pca.
        clusters: how many; None: six a class, or 2 √N where no classes are known.
        labelled: False reads a folder without its classes.
        limit: at most so many pictures, drawn by the seed.
    """

    method: MapMethod = "tsne"
    clusters: int | None = None
    labelled: bool = True
    limit: int | None = None


def map_run(
    source: str, options: RunOptions, map_options: MapOptions | None = None, run: str | None = None
) -> MapResult:
    """Lay the pictures of `source` out on a map and in clusters.

    Args:
        source: any source of pictures, labelled or not.
        options: `out` is the folder to write: features.npy, map.parquet, clusters.json, metrics.json,
            report.html.
        map_options: method, number of clusters, labels.
        run: a run folder whose network makes the features; None: a published backbone.
    """
    wanted, started = map_options or MapOptions(), time.perf_counter()
    out = options.folder("map")
    options.require_out(out)
    given, embedder = _read(source, options, wanted, run)
    images = sample(given.images, wanted.limit, options.seed)
    features = embed_pictures(images, embedder, report=options.report)
    layout = make_map(features.vectors, method=wanted.method, seed=options.seed, report=options.report)
    classes = len(np.unique(images.labels)) if images.labels is not None else None
    found = find_clusters(
        features.vectors, wanted.clusters, classes=classes, seed=options.seed, report=options.report
    )
    found, named_by = _named(_checked_by_labels(found, images, options.seed), features, images)
    make_folder(out)
    _save(out, images, features, layout.coordinates, found)
    result = MapResult(
        **envelope(given, images, options, started, (*layout.notes, *found.notes)),
        images=images,
        features=features.source,
        layout=layout,
        found=found,
        named_by=named_by,
        n=len(images),
        out=out,
    )
    return written(out, result, write_map_page)


def _read(source: str, options: RunOptions, wanted: MapOptions, run: str | None) -> tuple[Ingest, Embedder]:
    if run is not None:
        classifier = load_classifier(run, options.device)
        return load_labelled_or_not(source, classifier, options), checkpoint_embedder(classifier)
    target = ImageSpec(options.image_size, damaged=options.damaged)
    embedder = backbone_embedder()
    if not wanted.labelled:
        target = ImageSpec(options.image_size or PHOTO_SIDE, damaged=options.damaged)
        loaded = load_unlabelled([source], target, options.report)
        return Ingest(loaded.train, loaded.unreadable, loaded.notes), embedder
    try:
        prepared = prepare(source, options, target=target, near="none")
    except NoClassFolders as error:
        cure = "Read it without labels: `unlabelled`; or give each class a folder of its own."
        raise DataError(error.without_cure, cure=cure) from error
    return Ingest(prepared.data.part("all"), prepared.unreadable, prepared.notes), embedder


def _checked_by_labels(found: Clusters, images: ImageSet, seed: int) -> Clusters:
    """Predicted purities at the level that the given labels of two pairs a cluster say."""
    if images.labels is None:
        return found
    pairs = pairs_to_check(found, 2, seed)
    return with_checked_pairs(found, pairs, images.labels[pairs[:, 0]] == images.labels[pairs[:, 1]])


def _named(found: Clusters, features: Features, images: ImageSet) -> tuple[Clusters, str]:
    if images.labels is not None:
        return named_by_labels(found, features.vectors, images.labels, images.class_names), "labels"
    if features.source == WORDS_OF:
        return named_by_backbone(found, features.vectors), "words of the backbone"
    return found, ""


def _save(out: Path, images: ImageSet, features: Features, coordinates: Any, found: Clusters) -> None:
    """features.npy (float32 (N, D)), map.parquet (one row a picture), clusters.json."""
    import pandas as pd

    with atomic(out / FEATURES_FILE) as temporary, temporary.open("wb") as stream:
        np.save(stream, features.vectors)
    rows = {
        "id": images.ids,
        "content": images.content_hashes,
        "x": coordinates[:, 0],
        "y": coordinates[:, 1],
        "cluster": found.assignment,
        "core": found.core,
        "firmness": found.firmness,
    }
    if images.labels is not None:
        rows["given_label"] = np.array(images.class_names, dtype=object)[images.labels]
    with atomic(out / MAP_FILE) as temporary:
        pd.DataFrame(rows).to_parquet(temporary, index=False)
    ids = images.ids
    named = [
        as_json(one)
        | {"medoid_ids": [ids[row] for row in one.medoids], "edge_ids": [ids[row] for row in one.edges]}
        for one in found.clusters
    ]
    write_json(out / CLUSTERS_FILE, {"features": features.source, "clusters": named})
