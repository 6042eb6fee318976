"""`sweep_run`: how a model does with more pictures, more classes or fewer pictures of one class; resumable,
with a page.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from lightfast.base.errors import DataError
from lightfast.base.files import write_json
from lightfast.data.dataset import concatenate
from lightfast.data.images import ImageSet
from lightfast.experiments.levels import summarise_sweep, sweep_json
from lightfast.experiments.sweep import (
    SweepOptions,
    SweepPoint,
    check_point,
    plan_at,
    plan_points,
    run_points,
)
from lightfast.models.build import find_model
from lightfast.pages.sweep import write_sweep_page
from lightfast.report.provenance import provenance
from lightfast.runs.folder import METRICS_FILE, REPORT_FILE, begin, finish, record_evaluation
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import prepare
from lightfast.train.fit import ClassifierPlan, check_trainable

POINTS_FOLDER = "points"


def sweep_run(
    source: str, options: RunOptions, *, plan: ClassifierPlan, sweep_options: SweepOptions
) -> dict[str, Any]:
    """Measure `plan` on many cuts of the training pictures, all scored on the same held-out pictures.

    Finished points are kept in `out`/points: the same command goes on where it was stopped, and a wider sweep
    adds to a narrower one.

    Args:
        source: folder, manifest, `.npz` or catalogue name; an official test part is what is held out, else a
            fifth of the pictures.
        options: `out` is the folder to write: metrics.json, report.html, points/.
        plan: model, config, recipe; all epochs are run, nothing is chosen on the held-out pictures.
        sweep_options: what is varied, how far and how often.

    Returns: the content of metrics.json: over, levels, points, curve, needed, regression, sentences,
    n_test, touched_before (how often this folder's sweeps scored the same held-out pictures before), seed,
    data, notes.
    """
    started = time.perf_counter()
    find_model(plan.model, "classifier")
    folder = options.folder("sweep")
    prepared = prepare(source, options)
    splits = prepared.splits(options.seed, val=0.0)
    train = concatenate([splits.train, splits.val]) if len(splits.val) else splits.train
    points = plan_points(train, sweep_options)
    _check(train, splits.test, points, plan)
    settings = {
        "made_by": "sweep",
        "source": source,
        "data_version": train.version,
        "seed": options.seed,
        **plan.as_json(),
        "image_size": list(options.image_size) if options.image_size else None,
    }
    begin(folder, settings, resume=False, replace="sweep")
    training = options.training(folder / POINTS_FOLDER)
    measured = run_points(points, (train, splits.test), plan, training, jobs=sweep_options.jobs)
    touched = record_evaluation(folder, splits.test.version, options.command or "sweep")
    swept = summarise_sweep(measured, splits.test, sweep_options, options.seed)
    metrics = {
        **sweep_json(swept),
        "model": plan.model,
        "recipe": plan.recipe.model_dump(),
        "seed": options.seed,
        "n_train": len(train),
        "n_test": len(splits.test),
        "held_out": "the same pictures at every level (those of its classes); nothing is chosen on them",
        "data": train.name.split("/")[0],
        "data_version": train.version,
        "test_version": splits.test.version,
        "touched_before": touched,
        "unreadable": [asdict(one) for one in prepared.unreadable],
        "notes": [*prepared.notes, *splits.notes, *swept.notes],
        "seconds": round(time.perf_counter() - started, 3),
    }
    facts = provenance(train.version, options.seed, {"sweep": metrics["seconds"]}, options.words)
    write_sweep_page(folder / REPORT_FILE, swept, metrics, facts)
    write_json(folder / METRICS_FILE, metrics)
    finish(folder)
    return metrics


def _check(train: ImageSet, test: ImageSet, points: Sequence[SweepPoint], plan: ClassifierPlan) -> None:
    """Refuse what cannot be measured before a folder is made."""
    check_trainable(train)
    for point in points:
        check_point(train, point)
        plan_at(plan, point)
    held = np.bincount(test.require_labels(), minlength=test.num_classes)
    missing = {
        point.minority[0]
        for point in points
        if point.minority and not held[test.class_names.index(point.minority[0])]
    }
    if missing:
        raise DataError(
            f"{test.name}: no held-out pictures of {missing.pop()!r}",
            cure="Choose another --minority, or add some.",
        )
