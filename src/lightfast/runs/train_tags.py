"""The rest of a training on pictures with any number of labels: thresholds, predictions of the test part,
figures, page.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lightfast.base.errors import DataError
from lightfast.base.files import write_json
from lightfast.evaluate.predict import predict_tags, tag_probs
from lightfast.evaluate.tags import score_tags
from lightfast.evaluate.thresholds import choose_thresholds
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.registry import count_parameters
from lightfast.pages.learned import learned_sections, near_parts
from lightfast.pages.tags import TagsReport, write_tags_page
from lightfast.report.noted import noted_dicts
from lightfast.report.provenance import provenance
from lightfast.runs.fit import Job, transfer_facts, write_fit
from lightfast.runs.folder import METRICS_FILE, PREDICTIONS_FILE, REPORT_FILE, finish
from lightfast.runs.options import RunOptions


def train_tags(job: Job, classifier: Checkpoint, options: RunOptions, folder: Path) -> dict[str, Any]:
    """Choose the thresholds on validation pictures, score the test part once, write the run folder.

    Returns the content of metrics.json: the keys of `TagEvaluation.as_json`, and thresholds, run, model,
    parts, data, notes, unreadable …
    """
    splits = job.splits
    if not len(splits.val):
        raise DataError(
            "thresholds are chosen on validation pictures, and there are none",
            cure="Give more pictures, or a val part.",
        )
    found = choose_thresholds(
        tag_probs(classifier, splits.val.images),
        splits.val.require_tags(),
        splits.val.class_names,
        precision=job.train_options.precision,
    )
    checkpoint = classifier.replace(thresholds=tuple(float(one) for one in found.values))
    checkpoint.save(folder / "checkpoint")
    started = time.perf_counter()
    predictions = predict_tags(checkpoint, splits.test)
    evaluation = score_tags(predictions)
    fit_seconds = float(
        checkpoint.details.get("auto", {}).get("seconds", checkpoint.details.get("fit_seconds", 0.0))
    )
    seconds = {"train": round(fit_seconds, 3), "predict": round(time.perf_counter() - started, 3)}
    notes = list(job.notes)
    if found.never:
        notes.append(
            f"never given, since no threshold reaches the wanted precision: {', '.join(found.never)}"
        )
    if found.unproven:
        notes.append(
            f"too few validation pictures to be sure of the wanted precision: {', '.join(found.unproven)}"
        )
    metrics: dict[str, Any] = {
        **evaluation.as_json(),
        "thresholds": found.as_json(),
        "run": str(folder),
        "model": checkpoint.model,
        **transfer_facts(checkpoint),
        "parameters": count_parameters(checkpoint.torch_network),
        "temperature": checkpoint.temperature,
        "data": splits.train.name.split("/")[0],
        "data_version": splits.train.version,
        "test_version": splits.test.version,
        "parts": {"train": len(splits.train), "val": len(splits.val), "test": len(splits.test)},
        "epochs": len(checkpoint.history),
        "unreadable": [asdict(one) for one in job.unreadable],
        "notes": notes,
        "seconds": seconds,
    }
    write_fit(folder, job, checkpoint)
    predictions.save(folder / PREDICTIONS_FILE)
    facts = provenance(splits.train.version, options.seed, seconds, options.words)
    tested = TagsReport(
        predictions, evaluation, found, job.train_options.taxonomy, tuple(learned_sections(metrics))
    )
    title = f"{checkpoint.model} on {metrics['data']}"
    write_tags_page(
        folder / REPORT_FILE,
        title,
        tested,
        facts,
        (*noted_dicts(notes, metrics["unreadable"]), *near_parts(job.near)),
    )
    write_json(folder / METRICS_FILE, metrics)
    finish(folder)
    return metrics
