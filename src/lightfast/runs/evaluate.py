"""`predict_run` and `evaluate_run`: a run folder and pictures in, predictions and figures out."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lightfast.base.errors import CheckpointError, SettingsError
from lightfast.base.files import make_folder, write_json
from lightfast.corrupt.suite import SUITES
from lightfast.data.dataset import Unreadable
from lightfast.data.images import sample
from lightfast.evaluate.metrics import score
from lightfast.evaluate.predict import predict
from lightfast.evaluate.predictions import Predictions
from lightfast.evaluate.robustness import Robustness, robustness
from lightfast.models.load import load_classifier
from lightfast.pages.classes import hardest_pairs
from lightfast.pages.run import RunReport, write_evaluation_page
from lightfast.report.provenance import provenance
from lightfast.runs.evaluate_tags import evaluate_tags
from lightfast.runs.folder import METRICS_FILE, PREDICTIONS_FILE, REPORT_FILE, record_evaluation, without_seen
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import load_labelled, load_pictures


def predict_run(
    run: str, paths: Sequence[str], options: RunOptions
) -> tuple[Predictions, tuple[Unreadable, ...]]:
    """Read pictures with a run, at its picture size, without labels: one row a picture.

    Args:
        run: run folder, or `hf-hub:ID`.
        paths: picture files, folders (searched through), `.npz` files, manifests or catalogue names.

    Returns: predictions, and the files that could not be read. Raises DataError when no picture can be read
    at all.
    """
    classifier = load_classifier(run, options.device)
    given = load_pictures(paths, classifier, options)
    return predict(classifier, given.images), given.unreadable


def evaluate_run(
    run: str,
    source: str,
    options: RunOptions,
    *,
    suite: str | None = None,
    severities: Sequence[int] | None = None,
    limit: int | None = None,
) -> dict[str, Any]:
    """Score a run on labelled pictures; with `suite` also under its corruptions.

    Pictures that the run was trained or chosen on are left out, with a note. Every scoring is recorded in
    RUN/evaluations.jsonl.

    Args:
        run: run folder, or `hf-hub:ID`.
        source: folder, manifest, `.npz` or catalogue name; of official parts the test part is read.
        options: with `out`, predictions.parquet, metrics.json and report.html are written there.
        suite, severities: a suite of corruptions, at its own severities or at these.
        limit: pictures that the corruptions are measured on; None = all.

    Returns: the keys of `Evaluation.as_json`, and run, model, data, data_version, touched_before, unreadable,
    notes, seconds, robustness, temperature, hardest_pairs.
    """
    started = time.perf_counter()
    if options.out is not None and Path(options.out).resolve() == Path(run).resolve():
        raise CheckpointError(f"{options.out} is the run itself", cure="Give another folder with --out.")
    if suite is not None:
        SUITES.get(suite)
    classifier = load_classifier(run, options.device)
    given = load_labelled(source, classifier, options)
    images, left_out = without_seen(Path(run), given.images)
    if classifier.task == "multi-label":
        if suite is not None:
            raise SettingsError(
                "--corruptions measures one label a picture; this run gives any number", cure="Leave it out."
            )
        return evaluate_tags(
            run, classifier, images, dataclasses.replace(given, notes=(*given.notes, *left_out)), options
        )
    predictions = predict(classifier, images)
    touched = (
        record_evaluation(Path(run), images.version, options.command or f"evaluate {images.name}")
        if Path(run).is_dir()
        else None
    )
    robust: Robustness | None = None
    if suite is not None:
        chosen = sample(images, limit, options.seed)
        robust = robustness(
            classifier, chosen, suite, severities=severities, seed=options.seed, report=options.report
        )
    evaluation = score(predictions)
    metrics = {
        **evaluation.as_json(),
        "hardest_pairs": hardest_pairs(evaluation),
        "temperature": classifier.temperature,
        "run": run,
        "model": classifier.model,
        "data": images.name.split("/")[0],
        "data_version": images.version,
        "touched_before": touched,
        "unreadable": [asdict(one) for one in given.unreadable],
        "notes": [*given.notes, *left_out],
        "seconds": round(time.perf_counter() - started, 3),
        "robustness": robust.as_json() if robust else None,
    }
    if options.out is not None:
        folder = make_folder(Path(options.out))
        predictions.save(folder / PREDICTIONS_FILE)
        facts = provenance(images.version, options.seed, {"evaluate": metrics["seconds"]}, options.words)
        write_evaluation_page(
            folder / REPORT_FILE,
            RunReport(classifier, images, predictions, evaluation),
            metrics,
            facts,
            robust,
        )
        write_json(folder / METRICS_FILE, metrics)
    return metrics
