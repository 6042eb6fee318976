"""`train_strokes_run`: from a file of drawings as strokes to a run whose network reads the strokes."""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lightfast.base.errors import DataError, UnknownName
from lightfast.base.plain import as_json
from lightfast.data.sources.resolve import SourceResolver
from lightfast.data.splits import Splits
from lightfast.data.strokes import StrokeSet, holds_strokes, load_strokes
from lightfast.evaluate.calibration import fit_temperature
from lightfast.evaluate.predictions import Predictions
from lightfast.evaluate.strokes import SEEN_SHARES, accuracy_while_drawn
from lightfast.models.registry import count_parameters
from lightfast.models.stroke_files import STROKES
from lightfast.models.stroke_net import StrokeClassifier, StrokeNet, load_stroke_classifier
from lightfast.pages.strokes import StrokeTrainResult, write_strokes_page
from lightfast.runs.folder import PREDICTIONS_FILE, begin, claimed, require_free, write_history, write_seen
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import prepare
from lightfast.runs.record import envelope, finished, run_settings, sizes_of
from lightfast.train.recipe import Recipe
from lightfast.train.strokes import STROKE_RECIPE, StrokePlan, fit_strokes


def train_strokes_run(
    source: str, options: RunOptions, *, recipe: Recipe | None = None, config: Mapping[str, Any] | None = None
) -> StrokeTrainResult:
    """Read and split drawings, learn from parts of the train ones, choose and calibrate on val, read the test
    part once at every share of its points, write the run folder.

    Args:
        source: a file of strokes (`data.strokes.load_strokes`). It is divided through the door of all verbs,
            by the pictures that the strokes are painted as: copies stay on one side.
        options: `out` is the run folder; an interrupted run goes on with `resume`.
        recipe: None = `STROKE_RECIPE`.
        config: `width` and `dropout` of `StrokeNet`.

    Raises DataError for a source without strokes, UnknownName for another setting of the network,
    CheckpointError where `out` holds another run.
    """
    started, folder = time.perf_counter(), options.folder("train")
    require_free(folder, resume=options.resume)
    plan = StrokePlan(STROKES, recipe or STROKE_RECIPE, _checked(config or {}))
    strokes = _strokes(source, options)
    prepared = prepare(source, options)
    splits = prepared.splits(options.seed)
    settings = run_settings("train", source, splits, options)
    decided = {"model": STROKES, "config": plan.config, "recipe": plan.recipe}
    done = begin(folder, as_json({**settings, **decided}), resume=options.resume)
    train, val, test = (_part(strokes, splits, name) for name in ("train", "val", "test"))
    with claimed(folder):
        if done:
            classifier = load_stroke_classifier(folder / "checkpoint")
        else:
            classifier = _fitted((train, val), plan, options, folder, splits)
        rows, _ = accuracy_while_drawn(classifier, test)
        probs = classifier.pred_probs(test)
        name = f"{STROKES} on whole drawings"
        Predictions(probs, classifier.class_names, test.ids, test.require_labels(), name, options.seed).save(
            folder / PREDICTIONS_FILE
        )
        result = StrokeTrainResult(
            **envelope(prepared, splits.test, options, started, splits.notes),
            run=folder,
            model=STROKES,
            parts=sizes_of(splits),
            class_names=classifier.class_names,
            while_drawn=rows,
            parameters=count_parameters(classifier.network),
            temperature=classifier.temperature,
            epochs=len(classifier.history),
        )
        return finished(folder, result, write_strokes_page)


def _checked(config: Mapping[str, Any]) -> dict[str, Any]:
    known = set(inspect.signature(StrokeNet).parameters) - {"outputs"}
    for key in config:
        if key not in known:
            raise UnknownName(f"setting of model {STROKES}", key, known)
    return dict(config)


def _strokes(source: str, options: RunOptions) -> StrokeSet:
    path = Path(SourceResolver(options.report, options.tables).resolve(source))
    if not holds_strokes(path):
        raise DataError(
            f"{source} has no strokes",
            expected='an .ndjson whose lines have a "drawing"',
            cure=f"Pictures are learnt by another `model` than {STROKES}.",
        )
    strokes = load_strokes(path)
    strokes.require_labels()
    return strokes


def _part(strokes: StrokeSet, splits: Splits, name: str) -> StrokeSet:
    """The strokes of the pictures in a part of the splits."""
    place = {one: row for row, one in enumerate(strokes.ids)}
    images = getattr(splits, name)
    return strokes.take([place[one] for one in images.ids], f"{strokes.name}/{name}")


def _fitted(
    sides: tuple[StrokeSet, StrokeSet], plan: StrokePlan, options: RunOptions, folder: Path, splits: Splits
) -> StrokeClassifier:
    """Fitted, calibrated on validation drawings as far as they go at each of `SEEN_SHARES`, and kept."""
    fitted = fit_strokes(*sides, plan, options.training(folder))
    assert isinstance(fitted, StrokeClassifier)  # the plan's model is the network of strokes
    val = sides[1]
    logits = np.concatenate([fitted.logits(val.first_share(share)) for share in SEEN_SHARES])
    labels = np.tile(val.require_labels(), len(SEEN_SHARES))
    made = fitted.replace(temperature=float(fit_temperature(logits, labels)))
    write_seen(folder, splits.train, splits.val)
    write_history(folder, made.history)
    made.save(folder / "checkpoint")
    return replace(made, network=made.network.eval())
