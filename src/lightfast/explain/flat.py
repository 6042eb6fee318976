"""Maps that say nothing: what they show is too small to be drawn as an explanation.

A map is drawn on a scale of its own, so that rounding errors of 1e-8 would be as bright as what decides. It
is *flat* where one of these holds:

- the method's own measure is below a floor: no square or segment moves the target's probability by
  `LEAST_PROBABILITY`, or all that a gradient method hands out adds up to less than `LEAST_LOGIT`;
- the picture as a whole says nothing: with its mean colour in its place no logit moves by `LEAST_LOGIT`
  against the others.

The floors lie between what pictures of one colour, pictures a grey level away from that and a network that
hardly reads its pictures give, and what digits give (benchmarks/flat_maps.py).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lightfast.explain.methods import Explainer
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.infer import predict_logits

LEAST_PROBABILITY = 0.002
"""Probability, 0..1."""
LEAST_LOGIT = 0.1
"""Logits: at most 2.5 points of probability."""


def flat_maps(
    classifier: Checkpoint, images: NDArray[np.uint8], maps: NDArray[np.floating], explainer: Explainer
) -> NDArray[np.bool_]:
    """bool (N,): which of the `maps` (N, H, W) that `explainer` gave of `images` uint8 (N, H, W, C) are flat.

    Costs two readings a picture.
    """
    sums = (1, 2)
    if explainer.needs_gradients:
        weak = map_strengths(maps, explainer) < LEAST_LOGIT
    else:
        weak = map_strengths(maps, explainer) < LEAST_PROBABILITY
    return weak | (np.ptp(maps, axis=sums) == 0) | (picture_strengths(classifier, images) < LEAST_LOGIT)


def map_strengths(maps: NDArray[np.floating], explainer: Explainer) -> NDArray[np.float64]:
    """float64 (N,): the largest probability that a place moves, or all logits that a gradient method hands
    out (of Grad-CAM more than that: its places are fewer than the pixels).
    """
    sizes = np.abs(np.asarray(maps, dtype=np.float64))
    return sizes.sum(axis=(1, 2)) if explainer.needs_gradients else sizes.max(axis=(1, 2), initial=0)


def picture_strengths(classifier: Checkpoint, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """float64 (N,): by how much a logit changes, against the mean of all, when the picture's mean colour
    stands in its place; of several labels a picture each logit by itself.
    """
    mean = np.rint(images.mean(axis=(1, 2), keepdims=True)).astype(np.uint8)
    blank = np.ascontiguousarray(np.broadcast_to(mean, images.shape))
    change = predict_logits(classifier, images).astype(np.float64) - predict_logits(classifier, blank)
    if classifier.task != "multi-label":
        change -= change.mean(axis=1, keepdims=True)
    return np.abs(change).max(axis=1, initial=0)
