"""`sweep_run`: how a model does with more pictures, more classes or fewer pictures of one class; resumable,
with a page.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from lightfast.base.plain import as_json
from lightfast.data.dataset import concatenate
from lightfast.data.images import ImageSet
from lightfast.experiments.levels import summarise_sweep
from lightfast.experiments.sweep import SweepPoint, check_held_out, check_point, plan_at, run_points
from lightfast.experiments.sweep_plan import SweepOptions, plan_points
from lightfast.models.build import find_model
from lightfast.models.sizes import check_model
from lightfast.pages.sweep import SweepResult, write_sweep_page
from lightfast.runs.folder import begin, record_evaluation, require_free
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import prepare
from lightfast.runs.record import envelope, finished
from lightfast.train.fit import ClassifierPlan, check_trainable

POINTS_FOLDER = "points"


def sweep_run(
    source: str, options: RunOptions, *, plan: ClassifierPlan, sweep_options: SweepOptions
) -> SweepResult:
    """Measure `plan` on many cuts of the training pictures, all scored on the same held-out pictures.

    Finished points are kept in `out`/points: the same command goes on where it was stopped, and a wider sweep
    adds to a narrower one.

    Args:
        source: folder, manifest, `.npz` or catalogue name; an official test part is what is held out, else a
            fifth of the pictures.
        options: `out` is the folder to write: metrics.json, report.html, points/.
        plan: model, config, recipe; all epochs are run, nothing is chosen on the held-out pictures.
        sweep_options: what is varied, how far and how often.

    Returns: what was found; `touched_before` says how often this folder's sweeps scored the same held-out
    pictures before.
    """
    started = time.perf_counter()
    find_model(plan.model, "classifier")
    folder = require_free(options.folder("sweep"), replace="sweep")
    prepared = prepare(source, options)
    splits = prepared.splits(options.seed, val=0.0)
    train = concatenate([splits.train, splits.val]) if len(splits.val) else splits.train
    points = plan_points(train, sweep_options)
    _check(train, splits.test, points, plan)
    settings = options.settings("sweep", source, train.version, **as_json(plan))
    begin(folder, settings, resume=False, replace="sweep")
    training = options.training(folder / POINTS_FOLDER)
    measured = run_points(points, (train, splits.test), plan, training, jobs=sweep_options.jobs)
    touched = record_evaluation(folder, splits.test.version, options.command or "sweep")
    found = summarise_sweep(measured, splits.test, sweep_options, options.seed)
    result = SweepResult(
        **envelope(prepared, train, options, started, (*splits.notes, *found.notes)),
        touched_before=touched,
        found=found,
        model=plan.model,
        recipe=plan.recipe,
        n_train=len(train),
        n_test=len(splits.test),
        test_version=splits.test.version,
    )
    return finished(folder, result, write_sweep_page)


def _check(train: ImageSet, test: ImageSet, points: Sequence[SweepPoint], plan: ClassifierPlan) -> None:
    """Refuse what cannot be measured before a folder is made."""
    check_trainable(train)
    for point in points:
        check_point(train, point)
        plan_at(plan, point)
    check_held_out(test, points)
    check_model(plan.model, train.image_shape, train.num_classes, plan.config)
