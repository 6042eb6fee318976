"""`explain --method features`: what the layers of a network make of every picture."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.files import atomic
from lightfast.data.ingest import Ingest
from lightfast.explain.features import feature_maps
from lightfast.explain.pictures import MAPS, PredictedImages, described, stems_of
from lightfast.pages.features import (
    _TILE,
    CHANNELS,
    FEATURES,
    SHOWN_FEATURES,
    Drawn,
    _lines,
    channels_of,
    pair_of,
    write_features_page,
)
from lightfast.report.contact_sheet import write_feature_sheet
from lightfast.report.noted import noted_dicts
from lightfast.report.overlay import rgb
from lightfast.report.provenance import provenance
from lightfast.runs.folder import REPORT_FILE
from lightfast.runs.options import RunOptions

_BLOCK, _SAMPLE = 8, 8


def explain_features(
    readings: PredictedImages, out: Path, given: Ingest, options: RunOptions, layer: str | None
) -> dict[str, Any]:
    """Write features/NNNN-NAME.png and maps/NNNN-NAME.npz of every picture, and the page;
    returns what `explain_run` does.
    """
    layers = None if layer is None else [layer]
    stems, images = stems_of(readings.images.ids), readings.images.images
    spread = np.unique(np.linspace(0, len(images) - 1, min(_SAMPLE, len(images))).astype(int))
    chosen = [
        channels_of(one)
        for one in feature_maps(readings.classifier, np.ascontiguousarray(images[spread]), layers)
    ]
    kept: dict[int, list[NDArray[np.float32]]] = {}
    wanted = {*range(min(SHOWN_FEATURES, len(images))), *pair_of(readings)}
    for start in range(0, len(images), _BLOCK):
        found = feature_maps(
            readings.classifier, np.ascontiguousarray(images[start : start + _BLOCK]), layers
        )
        for place in range(len(found[0].maps)):
            row = start + place
            maps = [one.maps[place] for one in found]
            _write(out, stems[row], readings, row, (chosen, maps))
            if row in wanted:
                kept[row] = maps
        options.report("features", min(start + _BLOCK, len(images)), len(images))
    rows = [
        {**described(readings, row), "figure": f"{FEATURES}/{stem}.png", "map": f"{MAPS}/{stem}.npz"}
        for row, stem in enumerate(stems)
    ]
    unreadable = [asdict(one) for one in given.unreadable]
    facts = provenance(readings.images.version, options.seed, None, options.words)
    write_features_page(
        out / REPORT_FILE, readings, (chosen, kept), noted_dicts(given.notes, unreadable), facts
    )
    return {
        "method": FEATURES,
        "target_layer": layer,
        "signed": True,
        "layers": [one.name for one in chosen],
        "n": len(images),
        "model": readings.classifier.model,
        "class_names": list(readings.classifier.class_names),
        "labelled": readings.labelled,
        "wrong": len(readings.wrong) if readings.labelled else None,
        "seen_in_training": int(readings.seen.sum()),
        "check": None,
        "enhancer": None,
        "explanations": rows,
        "unreadable": unreadable,
        "notes": list(given.notes),
        "seconds_per_picture": 0.0,
    }


def _write(out: Path, stem: str, readings: PredictedImages, row: int, drawn: Drawn) -> None:
    with atomic(out / MAPS / f"{stem}.npz") as temporary, temporary.open("wb") as stream:
        named: dict[str, Any] = {one.name: maps for one, maps in zip(*drawn, strict=True)}
        np.savez_compressed(stream, **named)
    mosaics = [
        (one.words, one.drawn(maps, CHANNELS // 2, 2 * _TILE)) for one, maps in zip(*drawn, strict=True)
    ]
    write_feature_sheet(
        out / FEATURES / f"{stem}.png", rgb(readings.images.images[row]), _lines(readings, row), mosaics
    )
