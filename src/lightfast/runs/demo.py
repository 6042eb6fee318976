"""`demo_run`: the whole job on embedded real digits,
from clean training pictures to a report with the doubtful predictions in a queue.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightfast.data.images import ImageSet, sample
from lightfast.evaluate.compare import PairedTest, mcnemar
from lightfast.evaluate.robustness import Robustness, robustness_of_many
from lightfast.pages.demo import DemoMixture, DemoResult, write_demo_page
from lightfast.restore.denoise import RestorerPlan
from lightfast.restore.detector import DetectorPlan
from lightfast.restore.pairs import DamageMix
from lightfast.restore.pipeline import Pipeline, repair
from lightfast.runs.fit import prepare_job
from lightfast.runs.folder import REPORT_FILE, begin, require_free
from lightfast.runs.options import RunOptions
from lightfast.runs.record import envelope, finished
from lightfast.runs.repair.kit import fit_pipeline, save_pipeline
from lightfast.runs.repair.plan import KitRecord, RepairPlan
from lightfast.runs.repair.repair import damage_pictures, repair_report, write_repair
from lightfast.runs.train import fit_job
from lightfast.train.recipe import Recipe

DATA, SUITE, FOLDER, _MADE_BY = "mnist-5k", "mnist-c", "lightfast-demo", "demo"
_SEVERITIES = (1, 2, 3, 4, 5)
# Half the widths of the plain CNN: as good on 3,500 digits, and the restorer, which learns through it, is
# trained faster.
NETWORK = {"widths": [16, 32, 64], "dense": 96}


@dataclass(frozen=True)
class DemoPlan:
    """How much the demo does: the recipe of the classifier, the kit, the pictures a point of the severity
    curves (`cell`), and those that are damaged by each kind at its published strength (`each_kind`).
    """

    recipe: Recipe
    kit: RepairPlan
    cell: int
    each_kind: int


def _plan(epochs: tuple[int, int, int], cell: int, each_kind: int) -> DemoPlan:
    # Small batches: with 3,500 digits the number of steps counts more than their size.
    reading, detecting, restoring = epochs
    detector = DetectorPlan(recipe=Recipe.of(epochs=detecting, batch_size=64, averaging=0.99))
    restorer = RestorerPlan(
        model="unet",
        config={"width": 24},
        recognition=0.03,
        recipe=Recipe.of(epochs=restoring, batch_size=64, learning_rate=2e-3, averaging=0.99),
    )
    recipe = Recipe.of(epochs=reading, batch_size=64, augment="shift", averaging=0.99)
    return DemoPlan(recipe, RepairPlan(SUITE, _SEVERITIES, detector, restorer), cell, each_kind)


FULL = _plan((14, 10, 24), cell=200, each_kind=1000)
_QUICK = _plan((6, 4, 4), cell=30, each_kind=100)


def demo_run(options: RunOptions, *, quick: bool = False) -> DemoResult:
    """Train on clean digits, measure under damage, repair, read again, and write it all into one run folder.

    Args:
        options: `out` is the run folder, `lightfast-demo` by default; an earlier demo there is written over.
        quick: a smaller training, about a fifth of the time.
    """
    started = time.perf_counter()
    folder = require_free(Path(options.out) if options.out is not None else Path(FOLDER), replace=_MADE_BY)
    plan = _QUICK if quick else FULL
    options = replace(options, command=options.command or f"lightfast demo{' --quick' * quick}")
    job = prepare_job(DATA, options, recipe=plan.recipe, config=NETWORK)
    begin(folder, job.settings(options, _MADE_BY), resume=False, replace=_MADE_BY)
    trained = fit_job(job, options, folder)
    training = options.training(folder / "repair")
    pipeline, kit_seconds = fit_pipeline(
        trained.checkpoint, (job.splits.train, job.splits.val), plan.kit, training
    )
    save_pipeline(folder, pipeline, KitRecord.of(plan.kit, kit_seconds))
    measuring, test = time.perf_counter(), job.splits.test
    clean = repair(pipeline, test)
    mixture = repair_report(pipeline, damage_pictures(test, SUITE, options.seed))
    each = sample(test, plan.each_kind, options.seed)
    published = _both(pipeline, each, None, options)
    curves = _both(pipeline, sample(test, plan.cell, options.seed), _SEVERITIES, options)
    write_repair(folder / "repaired", mixture)
    now = time.perf_counter()
    steps = {**trained.steps, **kit_seconds, "measure": now - measuring, "total": now - started}
    result = DemoResult(
        **vars(trained) | envelope(job, job.splits.train, options, started, steps=steps),
        clean=clean.paired,
        mixture=DemoMixture(mixture, DamageMix.of_suite(SUITE).clean_share, SUITE),
        by_kind=_by_kind(**published),
        robustness=published,
        severities=curves,
        report=folder / REPORT_FILE,
    )
    return finished(folder, result, write_demo_page)


def _by_kind(before: Robustness, after: Robustness) -> dict[str, PairedTest]:
    pairs = zip(before.rows, before.correct, after.correct, strict=True)
    return {row.corruption: mcnemar(first, final) for row, first, final in pairs}


def _both(
    pipeline: Pipeline, images: ImageSet, severities: tuple[int, ...] | None, options: RunOptions
) -> Mapping[str, Robustness]:
    def read(pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.floating]]:
        # Without labels: the pipeline sees pixels only.
        done = repair(pipeline, ImageSet(pictures, name="damaged"))
        return {"before": done.before.pred_probs, "after": done.after.pred_probs}

    return robustness_of_many(
        read, images, SUITE, severities=severities, seed=options.seed, report=options.report
    )
