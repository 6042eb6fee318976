"""`crossval_run`: from a source of pictures to out-of-fold readings of every one of them,
with figures and a page.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from lightfast.base.files import write_json
from lightfast.evaluate.metrics import score
from lightfast.experiments.crossval import Dealing, cross_validate, deal
from lightfast.models.build import find_model
from lightfast.pages.crossval import write_crossval_page
from lightfast.report.provenance import provenance
from lightfast.runs.folder import FOLDS_FOLDER, METRICS_FILE, PREDICTIONS_FILE, REPORT_FILE, begin, finish
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import prepare
from lightfast.train.fit import Plan


def crossval_run(source: str, options: RunOptions, *, plan: Plan, dealing: Dealing) -> dict[str, Any]:
    """Cross-validate a plan and keep the out-of-fold probabilities.

    An official test part stays aside; all other pictures take part. The folder keeps finished folds: the same
    command goes on where it was stopped.

    Args:
        source: folder, manifest, `.npz` or catalogue name.
        options: `out` is the folder to write: predictions.parquet (out of fold), metrics.json, report.html,
            folds/.
        plan, dealing: what is fitted, and how the pictures are dealt out.

    Returns: the content of metrics.json: the keys of `CrossValidation.as_json`, `pooled` (the score of the
    out-of-fold readings), and data, data_version, unreadable, notes, seconds.
    """
    started = time.perf_counter()
    find_model(plan.model, "classifier")
    folder = options.folder("crossval")
    prepared = prepare(source, options)
    images, notes = prepared.without_test()
    deal(images, dealing, options.seed)  # what cannot be dealt out is refused before a folder is made
    settings = {
        "made_by": "crossval",
        "source": source,
        "data_version": images.version,
        "seed": options.seed,
        **plan.as_json(),
        "image_size": list(options.image_size) if options.image_size else None,
        "folds": dealing.folds,
        "repeats": dealing.repeats,
    }
    begin(folder, settings, resume=False, replace="crossval")
    validated = cross_validate(images, plan, dealing, options.training(folder / FOLDS_FOLDER))
    metrics = {
        **validated.as_json(),
        "pooled": score(validated.predictions).as_json(),
        "data": images.name.split("/")[0],
        "data_version": images.version,
        "unreadable": [asdict(one) for one in prepared.unreadable],
        "notes": [*prepared.notes, *notes],
        "predictions": str(folder / PREDICTIONS_FILE),
        "seconds": round(time.perf_counter() - started, 3),
    }
    validated.predictions.save(folder / PREDICTIONS_FILE)
    facts = provenance(images.version, options.seed, {"crossval": metrics["seconds"]}, options.words)
    write_crossval_page(folder / REPORT_FILE, validated, images, metrics, facts)
    write_json(folder / METRICS_FILE, metrics)
    finish(folder)
    return metrics
