"""`train_run`: from a source of pictures to a run folder with everything in it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lightfast.base.errors import SettingsError
from lightfast.base.files import load_json, write_json
from lightfast.data.dataset import concatenate
from lightfast.data.images import ImageSet
from lightfast.evaluate.metrics import Evaluation, score
from lightfast.evaluate.predict import predict
from lightfast.evaluate.predictions import Predictions
from lightfast.experiments.crossval import FoldOptions, assign_folds, cross_validate
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.forest import Forest
from lightfast.models.load import load_checkpoint
from lightfast.models.registry import count_parameters
from lightfast.pages.classes import hardest_pairs
from lightfast.pages.learned import near_parts
from lightfast.pages.run import RunReport, write_run_page
from lightfast.report.provenance import provenance
from lightfast.runs.fit import (
    Job,
    TrainOptions,
    check_options,
    fit_classifier,
    ingest_figures,
    prepare_job,
    transfer_facts,
    write_fit,
)
from lightfast.runs.folder import (
    FOLDS_FOLDER,
    INGEST_FILE,
    METRICS_FILE,
    OUT_OF_FOLD_FILE,
    PREDICTIONS_FILE,
    REPORT_FILE,
    begin,
    claimed,
    finish,
)
from lightfast.runs.options import RunOptions
from lightfast.runs.train_tags import train_tags
from lightfast.train.fit import ClassifierPlan, check_trainable
from lightfast.train.recipe import Recipe


@dataclass(frozen=True, eq=False)
class TrainResult:
    """A calibrated classifier of one label a picture, what it says of the test part,
    and the seconds that each step took.
    """

    checkpoint: Checkpoint
    predictions: Predictions
    evaluation: Evaluation
    seconds: Mapping[str, float]


def train_run(
    source: str,
    options: RunOptions,
    *,
    model: str = "cnn",
    recipe: Recipe | None = None,
    config: Mapping[str, Any] | None = None,
    train_options: TrainOptions | None = None,
) -> dict[str, Any]:
    """Read, split, fit on train, choose and calibrate on val, score the test part once, write the run folder.

    Args:
        source: folder, manifest, `.npz` or catalogue name; its official parts are respected.
        options: `out` is the run folder; an interrupted run there goes on with `resume`.
        model, recipe, config: see `train.fit.fit`; model "auto" chooses a way of transfer learning for
            photographs (`evaluate.choose.choose_model`) and takes the small CNN for anything else.
        train_options: folds, time budget, taxonomy, wanted precision.

    Returns: the content of metrics.json: the keys of `Evaluation.as_json`, and hardest_pairs, run, model,
    parameters, temperature, unreadable, notes, parts, data, data_version, seconds.

    Raises:
        DataError, SettingsError, UnknownName: the input cannot be used. CheckpointError: `out` holds another
            run.
        StorageError: `out` cannot be written.
    """
    folder, train_options = options.folder("train"), train_options or TrainOptions()
    check_options(model, recipe, config)
    job = prepare_job(source, options, model=model, recipe=recipe, config=config, train_options=train_options)
    folds = train_options.folds
    check_trainable(job.splits.train)
    if folds is not None and job.splits.train.tags is not None:
        raise SettingsError(
            "--out-of-fold cross-validates pictures with one label each", cure="Leave it out."
        )
    if folds is not None:
        # Refused now, not after the training.
        assign_folds(_fitted_on(job), FoldOptions(folds), options.seed)
    if begin(folder, job.settings(options), resume=options.resume):
        metrics = load_json(folder / METRICS_FILE)
        if folds is not None and metrics.get("out_of_fold", {}).get("folds") != folds:
            metrics["out_of_fold"] = out_of_fold_figures(job, options, folder, folds)
            write_json(folder / METRICS_FILE, metrics)
        return metrics
    with claimed(folder):
        return _train(job, options, folder)


def _train(job: Job, options: RunOptions, folder: Path) -> dict[str, Any]:
    if job.of_files:
        write_json(folder / INGEST_FILE, ingest_figures(job))
    if job.splits.train.tags is not None:
        return train_tags(job, fit_classifier(job, options, folder), options, folder)
    trained, folds = fit_job(job, options, folder), job.train_options.folds
    metrics = run_metrics(job, trained, folder)
    tested = RunReport(trained.checkpoint, job.splits.test, trained.predictions, trained.evaluation)
    metrics |= {"hierarchy": found.as_json()} if (found := tested.hierarchy) else {}
    if folds is not None:
        metrics["out_of_fold"] = out_of_fold_figures(job, options, folder, folds)
    write_results(folder, job, trained)
    facts = provenance(job.splits.train.version, options.seed, trained.seconds, options.words)
    write_run_page(folder / REPORT_FILE, tested, metrics, facts, near_parts(job.near))
    write_json(folder / METRICS_FILE, metrics)
    finish(folder)
    return metrics


def out_of_fold_figures(job: Job, options: RunOptions, folder: Path, folds: int) -> dict[str, Any]:
    """Cross-validate what the run was fitted and chosen on; the probabilities go into `folder`, mean,
    spread and interval are returned.
    """
    plan = ClassifierPlan(job.model, job.recipe, job.config)
    if job.model == "auto":
        # In the way that was chosen: choosing again in every fold would take K times the budget.
        chosen = load_checkpoint(folder)
        plan = ClassifierPlan(chosen.model, Recipe.of(**chosen.details["recipe"]), dict(chosen.config))
    validated = cross_validate(
        _fitted_on(job), plan, FoldOptions(folds), options.training(folder / FOLDS_FOLDER)
    )
    validated.predictions.save(folder / OUT_OF_FOLD_FILE)
    return {**validated.as_json(), "predictions": str(folder / OUT_OF_FOLD_FILE)}


def _fitted_on(job: Job) -> ImageSet:
    return concatenate([part for part in (job.splits.train, job.splits.val) if len(part)])


def fit_job(job: Job, options: RunOptions, folder: Path) -> TrainResult:
    """Fit and calibrate the classifier of a job, keep it in `folder`/checkpoint, and read the test part."""
    started = time.perf_counter()
    checkpoint = fit_classifier(job, options, folder)
    fitted = time.perf_counter()
    checkpoint.save(folder / "checkpoint")
    predictions = predict(checkpoint, job.splits.test)
    # Over all epochs, so that a resumed training tells what the whole of it took.
    trained = sum(row.get("seconds", 0.0) for row in checkpoint.history) or fitted - started
    seconds = {"train": trained, "predict": time.perf_counter() - fitted}
    return TrainResult(checkpoint, predictions, score(predictions), seconds)


def run_metrics(job: Job, trained: TrainResult, folder: Path) -> dict[str, Any]:
    """The content of metrics.json."""
    network = trained.checkpoint.network
    return {
        **trained.evaluation.as_json(),
        "hardest_pairs": hardest_pairs(trained.evaluation),
        "run": str(folder),
        "model": trained.checkpoint.model,
        **transfer_facts(trained.checkpoint),
        "parameters": None if isinstance(network, Forest) else count_parameters(network),
        "temperature": trained.checkpoint.temperature,
        "data": job.splits.train.name.split("/")[0],
        "data_version": job.splits.train.version,
        "test_version": job.splits.test.version,
        "parts": {"train": len(job.splits.train), "val": len(job.splits.val), "test": len(job.splits.test)},
        "epochs": len(trained.checkpoint.history),
        "unreadable": [asdict(one) for one in job.unreadable],
        "notes": list(job.notes),
        "seconds": {name: round(seconds, 3) for name, seconds in trained.seconds.items()},
    }


def write_results(folder: Path, job: Job, trained: TrainResult) -> None:
    """Write what stands beside the checkpoint, and record that the test part was read."""
    write_fit(folder, job, trained.checkpoint)
    trained.predictions.save(folder / PREDICTIONS_FILE)
