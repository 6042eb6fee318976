"""`crossval_run`: from a source of pictures to out-of-fold predictions of every one of them,
with figures and a page.
"""

from __future__ import annotations

import time

from lightfast.base.plain import as_json
from lightfast.evaluate.metrics import score
from lightfast.experiments.crossval import FoldOptions, assign_folds, cross_validate
from lightfast.models.build import find_model
from lightfast.models.sizes import check_model
from lightfast.pages.crossval import CrossvalResult, write_crossval_page
from lightfast.runs.folder import FOLDS_FOLDER, PREDICTIONS_FILE, begin, require_free
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import prepare
from lightfast.runs.record import envelope, finished
from lightfast.train.fit import ClassifierPlan


def crossval_run(
    source: str, options: RunOptions, *, plan: ClassifierPlan, fold_options: FoldOptions
) -> CrossvalResult:
    """Cross-validate a plan and keep the out-of-fold probabilities.

    An official test part stays aside; all other pictures take part. The folder keeps finished folds: the same
    command goes on where it was stopped.

    Args:
        source: folder, manifest, `.npz` or catalogue name.
        options: `out` is the folder to write: predictions.parquet (out of fold), metrics.json, report.html,
            folds/.
        plan, fold_options: what is fitted, and how the pictures are split.

    Returns: what was found; its `as_json` is the content of metrics.json.
    """
    started = time.perf_counter()
    find_model(plan.model, "classifier")
    folder = require_free(options.folder("crossval"), replace="crossval")
    prepared = prepare(source, options)
    images, notes = prepared.without_test()
    # What cannot be split is refused before a folder is made.
    assign_folds(images, fold_options, options.seed)
    check_model(plan.model, images.image_shape, images.num_classes, plan.config)
    settings = options.settings(
        "crossval",
        source,
        images.version,
        **as_json(plan),
        folds=fold_options.folds,
        repeats=fold_options.repeats,
    )
    begin(folder, settings, resume=False, replace="crossval")
    validated = cross_validate(images, plan, fold_options, options.training(folder / FOLDS_FOLDER))
    validated.predictions.save(folder / PREDICTIONS_FILE)
    result = CrossvalResult(
        **envelope(prepared, images, options, started, notes),
        validated=validated,
        pooled=score(validated.predictions),
        predictions=folder / PREDICTIONS_FILE,
        images=images,
    )
    return finished(folder, result, write_crossval_page)
