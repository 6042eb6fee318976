"""`explain --method features`: what the layers of a network make of every picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lightfast.base.files import atomic
from lightfast.explain.features import channels_of, feature_maps
from lightfast.explain.pictures import ExplainedImages, FeatureExplanation
from lightfast.pages.features import SHOWN_FEATURES, Maps, write_feature_figure
from lightfast.runs.options import RunOptions

_BLOCK, _SAMPLE = 8, 8


def explain_features(found: ExplainedImages, options: RunOptions) -> dict[str, Any]:
    """Write features/NNNN-NAME.png and maps/NNNN-NAME.npz of every picture;
    returns the fields of `FeaturesResult` that tell of the layers.
    """
    predicted, layers = found.predicted, None if found.target_layer is None else [found.target_layer]
    images, n = predicted.images.images, len(predicted)
    spread = np.unique(np.linspace(0, n - 1, min(_SAMPLE, n)).astype(int))
    sample = np.ascontiguousarray(images[spread])
    chosen = [channels_of(one) for one in feature_maps(predicted.classifier, sample, layers)]
    pair = _pair(predicted.probs.argmax(axis=1))
    kept: dict[int, Maps] = {}
    for start in range(0, n, _BLOCK):
        block = np.ascontiguousarray(images[start : start + _BLOCK])
        computed = feature_maps(predicted.classifier, block, layers)
        for place, row in enumerate(range(start, start + len(block))):
            one, maps = found.explanations[row], [layer.maps[place] for layer in computed]
            assert isinstance(one, FeatureExplanation)
            _save(found.out / one.map, {layer.name: of for layer, of in zip(chosen, maps, strict=True)})
            write_feature_figure(found.out / one.figure, images[row], one, chosen, maps)
            if row < SHOWN_FEATURES or row in pair:
                kept[row] = maps
        options.report("features", start + len(block), n)
    names = tuple(one.name for one in chosen)
    return {"layers": names, "chosen": chosen, "kept": kept, "pair": pair}


def _pair(labels: np.ndarray) -> list[int]:
    """Two pictures to compare: the first, and the first that was read as another class (else the second);
    one where there is one.
    """
    others = [*np.flatnonzero(labels != labels[0]).tolist(), *range(1, len(labels))]
    return [0, *others[:1]]


def _save(path: Path, arrays: dict[str, Any]) -> None:
    with atomic(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)
