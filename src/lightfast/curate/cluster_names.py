"""What a cluster may be called: by the labels in it or nearest to it, else by the words that a pretrained
backbone knows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.curate.backbone_words import backbone_class_probs, imagenet_words
from lightfast.curate.clusters import Clusters
from lightfast.curate.neighbours import nearest
from lightfast.data.decisions import Decision
from lightfast.data.images import ImageSet

UNNAMED = -1
_NAMES = 3
_BLOCK = 2_048
_LEAST = 0.1


def named_by_labels(
    found: Clusters, vectors: NDArray[np.floating], labels: NDArray[np.int64], class_names: Sequence[str]
) -> Clusters:
    """The clusters with at most three names each: the commonest labels of the core; where nobody has labelled
    any of it, those of the labelled pictures nearest to its middles.

    Args:
        found: clusters of N pictures.
        vectors: float (N, D), the features.
        labels: int64 (N,), −1 for a picture without a label.
        class_names: one name a label number.

    Raises DataError for labels of another number of pictures.
    """
    if labels.shape != found.assignment.shape:
        raise DataError("labels of clusters", expected=str(found.assignment.shape), got=str(labels.shape))
    known = np.flatnonzero(labels != UNNAMED)
    clusters = []
    for one in found.clusters:
        rows = found.members(one.number, edges=one.core == 0)
        own = labels[rows][labels[rows] != UNNAMED]
        if not len(own) and len(known):
            near = nearest(vectors[known], _NAMES, vectors[list(one.medoids)])
            own = labels[known[near.rows.ravel()]]
        counts = np.bincount(own, minlength=len(class_names))
        best = np.argsort(-counts, kind="stable")[:_NAMES]
        names = tuple(class_names[label] for label in best if counts[label] > _LEAST * max(1, len(own)))
        clusters.append(dataclasses.replace(one, names=names))
    return dataclasses.replace(found, clusters=tuple(clusters))


def named_by_backbone(found: Clusters, vectors: NDArray[np.floating]) -> Clusters:
    """The clusters with at most three of the 1,000 words of ImageNet: those that EfficientNet-Lite0 gives the
    pictures of the core with the highest mean probability, compared with the whole set.

    `vectors` float (N, 1280) are its own pooled features, see `WORDS_OF`; others are refused with DataError.
    """
    words = imagenet_words()
    sums, counted = np.zeros((len(found.clusters), len(words))), np.zeros(len(found.clusters))
    whole = found.core | np.array([one.core == 0 for one in found.clusters])[found.assignment]
    for start in range(0, len(vectors), _BLOCK):
        part = slice(start, start + _BLOCK)
        probs = backbone_class_probs(vectors[part]) * whole[part, None]
        np.add.at(sums, found.assignment[part], probs)
        np.add.at(counted, found.assignment[part], whole[part])
    means = sums / np.maximum(counted, 1)[:, None]
    usual = sums.sum(axis=0) / max(1.0, counted.sum())
    # A word that all pictures share says nothing of one cluster.
    score = means * np.log((means + 1e-6) / (usual + 1e-6))
    named = []
    for one in found.clusters:
        best = np.argsort(-score[one.number], kind="stable")[:_NAMES]
        names = tuple(words[word] for word in best if means[one.number, word] > _LEAST / 2)
        named.append(dataclasses.replace(one, names=names))
    return dataclasses.replace(found, clusters=tuple(named))


def label_cluster(
    found: Clusters,
    number: int,
    label: str,
    images: ImageSet,
    *,
    reviewer: str,
    rows: Sequence[int] | None = None,
) -> tuple[Decision, ...]:
    """One decision a picture that gives the core of a cluster, or those of its `rows` that were left in, one
    label: to be appended to a `DecisionLog`. All carry the same time and the same reason, so that they can be
    told apart and taken back together.

    Raises DataError for a cluster that is not there, and for rows that are not in it.
    """
    if not 0 <= number < len(found.clusters):
        raise DataError(f"cluster {number}", expected=f"0 to {len(found.clusters) - 1}")
    chosen = found.members(number) if rows is None else np.asarray(rows, dtype=np.int64)
    strange = set(chosen.tolist()) - set(found.members(number, edges=True).tolist())
    if strange:
        raise DataError(
            f"picture {min(strange)} is not in cluster {number}", cure="Give rows of its members."
        )
    reason = f"cluster {number + 1}, {len(chosen)} at once"
    given = [None if images.labels is None else images.class_names[images.labels[row]] for row in chosen]
    first = Decision.of(("", ""), (None, label), reviewer=reviewer, reason=reason)
    return tuple(
        dataclasses.replace(
            first, picture=images.ids[row], content=images.content_hashes[row], given_label=before
        )
        for row, before in zip(chosen.tolist(), given, strict=True)
    )
