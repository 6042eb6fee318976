"""Drawings read by a run that learnt from strokes: its network sees the points, no picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import CheckpointError, SettingsError
from lightfast.data.dataset import Entry
from lightfast.data.sources.resolve import SourceResolver
from lightfast.data.stroke_pictures import PAINTED_SIDE, draw_strokes
from lightfast.data.strokes import load_strokes
from lightfast.models.stroke_files import STROKES
from lightfast.models.stroke_net import StrokeClassifier, load_stroke_classifier
from lightfast.runs.folder import load_seen
from lightfast.runs.options import RunOptions
from lightfast.runs.predict.strokes import each_stroke
from lightfast.tagging.card import ModelCard
from lightfast.tagging.rows import RowOptions
from lightfast.tagging.runtime import Tagger
from lightfast.tagging.stream import Tagged

_BLOCK = 512


def stroke_tagger(run: str, said: RowOptions) -> tuple[Tagger, StrokeClassifier]:
    """(the card of a run that learnt from strokes, its network); its `infer` refuses pictures.

    Raises SettingsError where a person's look is asked for: such a run keeps no validation predictions.
    """
    if said.review is not None:
        raise SettingsError(
            "`review` needs the validation predictions of a run that has learnt from pictures",
            cure="Leave it out.",
        )
    folder = Path(run, "checkpoint")
    classifier = load_stroke_classifier(folder if folder.is_dir() else run)
    seed = classifier.details.get("seed")
    card = ModelCard(
        STROKES,
        (PAINTED_SIDE, PAINTED_SIDE, 1),
        classifier.class_names,
        temperature=classifier.temperature,
        data_version=str(classifier.details.get("data")),
        seed=seed,
    )
    return Tagger(card, _no_pictures, 1, run, seen=load_seen(Path(run))), classifier


def _no_pictures(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    raise CheckpointError(
        "this run reads drawings as strokes, no pictures",
        got=f"{len(images)} pictures",
        cure="Give files of strokes (.ndjson).",
    )


def read_drawings(
    classifier: StrokeClassifier, tagger: Tagger, text: str, options: RunOptions, *, every_stroke: bool
) -> Iterator[Tagged]:
    """The drawings of a file, a block at a time, with their probabilities; with `every_stroke` as of
    `load_array`. What was learnt from is known by the pictures that whole drawings are painted as.
    """
    path = Path(SourceResolver(options.report, options.tables).resolve(text))
    whole = load_strokes(path)
    strokes = each_stroke(whole) if every_stroke else whole
    for start in range(0, len(strokes), _BLOCK):
        some = strokes.take(range(start, min(start + _BLOCK, len(strokes))))
        entries = tuple(Entry(Path(name), name, 0) for name in some.ids)
        known = tagger.seen is not None
        hashes = tagger.hashes_of(draw_strokes(some).images) if known else ()
        yield Tagged(
            entries,
            classifier.pred_probs(some),
            seen=tagger.seen_among(hashes) if known else None,
            hashes=hashes,
        )
