"""The scoring of a run whose pictures carry any number of labels."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lightfast.base.files import make_folder, write_json
from lightfast.data.images import ImageSet
from lightfast.data.ingest import Ingest
from lightfast.data.taxonomy.taxonomy import Taxonomy
from lightfast.evaluate.predict import predict_tags
from lightfast.evaluate.tags import score_tags
from lightfast.models.checkpoint import Checkpoint
from lightfast.pages.tags import TagsReport, write_tags_page
from lightfast.report.noted import noted_dicts
from lightfast.report.provenance import provenance
from lightfast.runs.folder import METRICS_FILE, PREDICTIONS_FILE, REPORT_FILE, record_evaluation
from lightfast.runs.options import RunOptions


def evaluate_tags(
    run: str, classifier: Checkpoint, images: ImageSet, given: Ingest, options: RunOptions
) -> dict[str, Any]:
    """Score `images` (those of `given` that the run has not seen) at the run's own thresholds; written to
    `options.out` where it is given.

    Returns: the keys of `TagEvaluation.as_json`, and run, model, data, data_version, touched_before,
    unreadable, notes, seconds.
    """
    started = time.perf_counter()
    predictions = predict_tags(classifier, images)
    touched = (
        record_evaluation(Path(run), images.version, options.command or f"evaluate {images.name}")
        if Path(run).is_dir()
        else None
    )
    evaluation = score_tags(predictions)
    metrics: dict[str, Any] = {
        **evaluation.as_json(),
        "temperature": classifier.temperature,
        "run": run,
        "model": classifier.model,
        "data": images.name.split("/")[0],
        "data_version": images.version,
        "touched_before": touched,
        "unreadable": [asdict(one) for one in given.unreadable],
        "notes": list(given.notes),
        "seconds": round(time.perf_counter() - started, 3),
    }
    if options.out is not None:
        folder = make_folder(Path(options.out))
        predictions.save(folder / PREDICTIONS_FILE)
        taxonomy = Taxonomy.from_json(classifier.taxonomy) if classifier.taxonomy else None
        facts = provenance(images.version, options.seed, {"evaluate": metrics["seconds"]}, options.words)
        before = noted_dicts(metrics["notes"], metrics["unreadable"])
        title = f"{classifier.model} on {metrics['data']}"
        write_tags_page(
            folder / REPORT_FILE, title, TagsReport(predictions, evaluation, taxonomy=taxonomy), facts, before
        )
        write_json(folder / METRICS_FILE, metrics)
    return metrics
