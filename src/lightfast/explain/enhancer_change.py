"""What an enhancer changed: the pictures, the maps and the predictions, before and after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.explain.attribution import explain
from lightfast.explain.difference import Difference, MapChange, TopChange, difference, map_change, top_change
from lightfast.explain.methods import ExplainSettings
from lightfast.explain.pictures import TOP, ExplainedImages, probs_of
from lightfast.models.enhanced import split_enhanced
from lightfast.models.infer import restore

SHOWN_CHANGES = 12


@dataclass(frozen=True, eq=False)
class EnhancerChange:
    """All N pictures are read with and without the enhancer; `rows` of them are shown with their maps.

    Attributes:
        tops: the first predictions of every picture, by the classifier alone and behind the enhancer.
        right_before: bool (N,), whether the classifier alone reads the true class first; None without labels.
        rows: (R,) those shown: where the first prediction changed, else the most confident.
        outputs: uint8 (R, H, W, C), what the enhancer makes of them.
        pixels, before, maps: of the rows: differences, the maps (R, H, W) without the enhancer, and how far
            the maps moved.
    """

    tops: tuple[TopChange, ...]
    right_before: NDArray[np.bool_] | None
    right_after: NDArray[np.bool_] | None
    rows: NDArray[np.intp]
    outputs: NDArray[np.uint8]
    pixels: Difference
    before: NDArray[np.float32]
    maps: MapChange

    @property
    def changed(self) -> int:
        """Pictures whose first prediction is another one behind the enhancer."""
        return sum(top.changed for top in self.tops)

    @property
    def gained_lost(self) -> tuple[int, int] | None:
        """Pictures read rightly only behind the enhancer, and only without it; None without labels."""
        if self.right_before is None or self.right_after is None:
            return None
        return int((~self.right_before & self.right_after).sum()), int(
            (self.right_before & ~self.right_after).sum()
        )

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values; `pixels` and `maps` are of the pictures in `rows`."""
        both = self.gained_lost
        return {
            "changed": self.changed,
            "gained": both and both[0],
            "lost": both and both[1],
            "rows": self.rows.tolist(),
            "tops": [top.as_json() for top in self.tops],
            "pixels": self.pixels.as_json(),
            "maps": self.maps.as_json(),
        }


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
    targets = (
        probs[rows].argmax(axis=1).astype(np.int64)
        if predicted.common_target is None
        else predicted.targets[rows]
    )
    # Layers behind an enhancer are called as in the classifier alone, so the same settings mean the same
    # layer.
    before = explain(inner, pictures, method=found.method, targets=targets, settings=settings, seed=seed).maps
    moved = map_change(before, found.maps(rows))
    return EnhancerChange(
        tops,
        _right(found, probs),
        predicted.right,
        rows,
        outputs,
        difference(pictures, outputs),
        before,
        moved,
    )


def _shown(tops: tuple[TopChange, ...], probs: NDArray[np.float32]) -> NDArray[np.intp]:
    """Changed predictions first, then the most confident."""
    changed = np.array([top.changed for top in tops])
    return np.lexsort((-probs.max(axis=1), ~changed))[:SHOWN_CHANGES]


def _right(found: ExplainedImages, probs: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    images, first = found.predicted.images, probs.argmax(axis=1)
    if images.tags is not None:
        return images.tags[np.arange(len(first)), first]
    return None if images.labels is None else first == images.labels
