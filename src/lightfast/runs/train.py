"""`train_run`: from a source of pictures to a run folder with everything in it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.files import load_json, write_json
from lightfast.base.plain import as_json
from lightfast.data.dataset import Unreadable, concatenate
from lightfast.data.images import ImageSet
from lightfast.data.taxonomy.taxonomy import Taxonomy
from lightfast.evaluate.hierarchy import score_hierarchy
from lightfast.evaluate.predict import tag_probs
from lightfast.evaluate.thresholds import Thresholds, choose_thresholds
from lightfast.experiments.crossval import FoldOptions, assign_folds, cross_validate
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.forest import Forest
from lightfast.models.load import load_checkpoint, model_summary
from lightfast.models.registry import count_parameters
from lightfast.models.sizes import check_model
from lightfast.pages.classes import ScoredLabels
from lightfast.pages.run import OutOfFold, TrainResult, write_run_page
from lightfast.pages.tags import ScoredTags
from lightfast.runs.evaluate import scored_by
from lightfast.runs.fit import (
    TrainingJob,
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
    begin,
    claimed,
    require_free,
)
from lightfast.runs.label_issues import load_label_issues, write_label_issues
from lightfast.runs.options import RunOptions
from lightfast.runs.record import envelope, finished
from lightfast.train.fit import ClassifierPlan, check_trainable
from lightfast.train.recipe import Recipe


def train_run(
    source: str,
    options: RunOptions,
    *,
    model: str = "cnn",
    recipe: Recipe | None = None,
    config: Mapping[str, Any] | None = None,
    train_options: TrainOptions | None = None,
) -> TrainResult:
    """Read, split, fit on train, choose and calibrate on val, score the test part once, write the run folder.

    Args:
        source: folder, manifest, `.npz` or catalogue name; its official parts are respected.
        options: `out` is the run folder; an interrupted run there goes on with `resume`, a finished one is
            loaded.
        model, recipe, config: see `train.fit.fit`; model "auto" chooses a way of transfer learning for
            photographs (`experiments.auto.choose_model`) and takes the small CNN for anything else.
        train_options: folds, time budget, taxonomy, wanted precision.

    Raises:
        DataError, SettingsError, UnknownName: the input cannot be used. CheckpointError: `out` holds another
            run.
        StorageError: `out` cannot be written.
    """
    folder, train_options = options.folder("train"), train_options or TrainOptions()
    require_free(folder, resume=options.resume)
    check_options(model, recipe, config)
    job = prepare_job(source, options, model=model, recipe=recipe, config=config, train_options=train_options)
    folds = train_options.folds
    check_trainable(job.splits.train)
    if folds is not None:
        # Refused now, not after the training.
        if job.splits.train.tags is not None:
            raise SettingsError("`folds` cross-validates pictures with one label each", cure="Leave it out.")
        assign_folds(_fitted_on(job), FoldOptions(folds), options.seed)
    if job.model != "auto":
        check_model(job.model, job.splits.train.image_shape, job.splits.train.num_classes, job.config)
    if begin(folder, job.settings(options), resume=options.resume):
        return _loaded(job, options, folder)
    with claimed(folder):
        if job.of_files:
            write_json(folder / INGEST_FILE, ingest_figures(job))
        result = fit_job(job, options, folder)
        if folds is not None:
            result = dataclasses.replace(result, out_of_fold=_out_of_fold(job, options, folder, folds))
        return finished(folder, result, write_run_page)


def fit_job(job: TrainingJob, options: RunOptions, folder: Path) -> TrainResult:
    """Fit and calibrate the classifier of a job, choose its thresholds, read the test part once; all of it
    is kept in `folder` but figures and page.
    """
    started = time.perf_counter()
    checkpoint, thresholds = fit_classifier(job, options, folder), None
    if checkpoint.task == "multi-label":
        thresholds = _thresholds(checkpoint, job)
        checkpoint = checkpoint.replace(thresholds=tuple(map(float, thresholds.values)))
    fitted = time.perf_counter()
    checkpoint = write_label_issues(folder, checkpoint)
    checkpoint.save(folder / "checkpoint")
    scored = scored_by(checkpoint, job.splits.test, thresholds)
    scored.predictions.save(folder / PREDICTIONS_FILE)
    write_fit(folder, job, checkpoint)
    # Over all epochs, so that a resumed training tells what the whole of it took.
    trained = sum(row.get("seconds", 0.0) for row in checkpoint.history) or fitted - started
    steps = {"train": trained, "predict": time.perf_counter() - fitted}
    return _result(job, options, folder, checkpoint, scored, steps)


def _result(
    job: TrainingJob,
    options: RunOptions,
    folder: Path,
    checkpoint: Checkpoint,
    scored: ScoredLabels | ScoredTags,
    steps: Mapping[str, float],
) -> TrainResult:
    splits, network, hierarchy = job.splits, checkpoint.network, None
    notes = scored.thresholds.notes if isinstance(scored, ScoredTags) and scored.thresholds else ()
    if checkpoint.taxonomy is not None and isinstance(scored, ScoredLabels):
        hierarchy = score_hierarchy(Taxonomy.from_json(checkpoint.taxonomy), scored.predictions)
    return TrainResult(
        **envelope(job, splits.train, options, 0.0, notes, steps),
        run=str(folder),
        checkpoint=checkpoint,
        scored=scored,
        summary=model_summary(checkpoint),
        learned=transfer_facts(checkpoint),
        parameters=None if isinstance(network, Forest) else count_parameters(network),
        test_version=splits.test.version,
        parts=job.parts,
        hierarchy=hierarchy,
        near=job.near.get("groups", ()),
        label_issues=load_label_issues(folder, checkpoint),
    )


def _thresholds(classifier: Checkpoint, job: TrainingJob) -> Thresholds:
    val = job.splits.val
    if not len(val):
        raise DataError(
            "thresholds are chosen on validation pictures, and there are none",
            cure="Give more pictures, or a val part.",
        )
    probs = tag_probs(classifier, val.images)
    return choose_thresholds(probs, val.require_tags(), val.class_names, job.train_options.precision)


def _loaded(job: TrainingJob, options: RunOptions, folder: Path) -> TrainResult:
    """The finished run in `folder`; other folds than it was cross-validated with are made up for."""
    saved, folds = load_json(folder / METRICS_FILE), job.train_options.folds
    thresholds = Thresholds.from_json(saved["thresholds"]) if "thresholds" in saved else None
    checkpoint, had = load_checkpoint(folder), saved.get("out_of_fold", {}).get("folds")
    scored = scored_by(checkpoint, job.splits.test, thresholds, folder / PREDICTIONS_FILE)
    result = dataclasses.replace(
        _result(job, options, folder, checkpoint, scored, saved["seconds"]),
        run=saved["run"],
        notes=tuple(saved["notes"]),
        unreadable=tuple(Unreadable(**one) for one in saved["unreadable"]),
        # Finished folds are kept: nothing is fitted again.
        out_of_fold=_out_of_fold(job, options, folder, folds or had) if folds or had else None,
    )
    if folds is not None and folds != had:
        write_json(folder / METRICS_FILE, as_json(result))
    return result


def _out_of_fold(job: TrainingJob, options: RunOptions, folder: Path, folds: int) -> OutOfFold:
    """Cross-validate what the run was fitted and chosen on; the probabilities go into `folder`."""
    plan = ClassifierPlan(job.model, job.recipe, job.config)
    if job.model == "auto":
        # In the way that was chosen: choosing again in every fold would take K times the budget.
        chosen = load_checkpoint(folder)
        plan = ClassifierPlan(chosen.model, Recipe.of(**chosen.details["recipe"]), dict(chosen.config))
    training = options.training(folder / FOLDS_FOLDER)
    validated = cross_validate(_fitted_on(job), plan, FoldOptions(folds), training)
    return OutOfFold(validated, validated.predictions.save(folder / OUT_OF_FOLD_FILE))


def _fitted_on(job: TrainingJob) -> ImageSet:
    return concatenate([part for part in (job.splits.train, job.splits.val) if len(part)])
