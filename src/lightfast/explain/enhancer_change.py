"""What an enhancer changed: the pictures, the maps and the predictions, before and after it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lightfast.base.plain import HIDDEN
from lightfast.evaluate.predict import probs_of
from lightfast.explain.attribution import explain, explainers
from lightfast.explain.difference import Difference, MapChange, TopChange, difference, map_change, top_change
from lightfast.explain.flat import flat_maps
from lightfast.explain.methods import ExplainSettings
from lightfast.explain.pictures import TOP, ExplainedImages, right_of
from lightfast.models.enhanced import split_enhanced
from lightfast.models.infer import restore

SHOWN_CHANGES = 12


@dataclass(frozen=True, eq=False)
class EnhancerChange:
    """All N pictures are read with and without the enhancer; `rows` of them are shown with their maps.

    Attributes:
        tops: the first predictions of every picture, by the classifier alone and behind the enhancer.
        right_before: bool (N,), whether the classifier alone reads the true class first; None without labels.
        gained, lost: pictures read rightly only behind the enhancer, only without it; None without labels.
        rows: (R,) those shown: where the first prediction changed, else the most confident.
        outputs: uint8 (R, H, W, C), what the enhancer makes of them.
        pixels, before, maps: of the rows: differences, the maps (R, H, W) without the enhancer, and how far
            the maps moved.
    """

    tops: tuple[TopChange, ...]
    gained: int | None
    lost: int | None
    rows: NDArray[np.intp]
    pixels: Difference
    maps: MapChange
    right_before: NDArray[np.bool_] | None = field(metadata=HIDDEN)
    outputs: NDArray[np.uint8] = field(metadata=HIDDEN)
    before: NDArray[np.float32] = field(metadata=HIDDEN)
    JSON_PROPERTIES: ClassVar = ("changed",)

    @property
    def changed(self) -> int:
        """Pictures whose first prediction is another one behind the enhancer."""
        return sum(top.changed for top in self.tops)


def change_by_enhancer(found: ExplainedImages, settings: ExplainSettings, seed: int) -> EnhancerChange:
    """Read and explain the same pictures with the classifier alone; a map is about the class asked for,
    else about its own prediction.
    """
    predicted = found.predicted
    enhancer, inner = split_enhanced(predicted.classifier)
    probs = probs_of(inner, predicted.images.images)
    tops = top_change(probs, predicted.probs, inner.class_names, TOP)
    rows = _shown(tops, predicted.probs)
    pictures = np.ascontiguousarray(predicted.images.images[rows])
    outputs = restore(enhancer, pictures)
    own = probs[rows].argmax(axis=1).astype(np.int64)
    targets = own if predicted.common_target is None else predicted.targets[rows]
    # Layers behind an enhancer are called as in the classifier alone, so the same settings mean the same
    # layer.
    before = explain(inner, pictures, method=found.method, targets=targets, settings=settings, seed=seed).maps
    moved, right = map_change(before, found.maps(rows)), right_of(predicted.images, probs)
    sides = (
        []
        if right is None or predicted.right is None
        else [predicted.right & ~right, right & ~predicted.right]
    )
    gained, lost = (int(side.sum()) for side in sides) if sides else (None, None)
    # A map that shows nothing is not coloured; how far the maps moved goes by what was computed.
    flat = flat_maps(inner, pictures, before, explainers().get(found.method))
    before = np.where(flat[:, None, None], np.float32(0), before)
    seen = difference(pictures, outputs)
    return EnhancerChange(tops, gained, lost, rows, seen, moved, right, outputs, before)


def _shown(tops: tuple[TopChange, ...], probs: NDArray[np.float32]) -> NDArray[np.intp]:
    """Changed predictions first, then the most confident."""
    changed = np.array([top.changed for top in tops])
    return np.lexsort((-probs.max(axis=1), ~changed))[:SHOWN_CHANGES]
