"""`train_run`: from a source of pictures to a run folder with everything in it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lightfast.base.files import read_json, write_json
from lightfast.data.ingest import read_splits
from lightfast.data.loaded import Unreadable, concatenate
from lightfast.data.manifest import MANIFEST_ENDINGS
from lightfast.data.splits import Splits, split_loaded
from lightfast.data.unreadable import printable
from lightfast.evaluate.crossval import Dealing, cross_validate
from lightfast.evaluate.metrics import Evaluation, score
from lightfast.evaluate.predict import calibrate, predict
from lightfast.evaluate.predictions import Predictions
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.forest import Forest
from lightfast.models.registry import count_parameters, find_model
from lightfast.report.provenance import provenance
from lightfast.runs.classes_page import hardest_pairs
from lightfast.runs.folder import (
    FOLDS_FOLDER,
    INGEST_FILE,
    METRICS_FILE,
    OUT_OF_FOLD_FILE,
    PREDICTIONS_FILE,
    RECIPE_FILE,
    REPORT_FILE,
    RunOptions,
    begin,
    finish,
    touch,
    write_history,
    write_seen,
)
from lightfast.runs.run_page import Tested, write_run_page
from lightfast.train.fit import Plan, check_trainable, fit
from lightfast.train.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Job:
    """What is to be trained on what: the pictures in three parts, the model, its config and its recipe.

    `sizes` counts the pictures that were read by the size that they had.
    """

    source: str
    splits: Splits
    model: str
    recipe: Recipe
    config: Mapping[str, Any]
    unreadable: tuple[Unreadable, ...] = ()
    notes: tuple[str, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def of_files(self) -> bool:
        """Whether the pictures were read from picture files: a folder or a table of them."""
        path = Path(self.source).expanduser()
        return path.is_dir() or path.suffix.lower() in MANIFEST_ENDINGS or bool(self.unreadable)

    def settings(self, options: RunOptions, made_by: str = "train") -> dict[str, Any]:
        """The content of run.json."""
        splits, path = self.splits, Path(self.source).expanduser()
        parts = {"train": len(splits.train), "val": len(splits.val), "test": len(splits.test)}
        return {
            "made_by": made_by, "source": printable(path.resolve()) if path.exists() else self.source,
            "data": splits.train.name.split("/")[0],
            "data_version": splits.train.version, "parts": parts, "seed": options.seed, "split_seed": options.seed,
            "image_size": list(options.image_size) if options.image_size else None, "image_shape": list(splits.train.image_shape),
            "data_folder": str(options.data_folder) if options.data_folder else None,
            "class_names": list(splits.train.class_names), "model": self.model, "config": dict(self.config),
            "recipe": self.recipe.model_dump(), "command": options.command,
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Trained:
    """A calibrated classifier, what it says of the test part, and the seconds that each step took."""

    checkpoint: Checkpoint
    predictions: Predictions
    evaluation: Evaluation
    seconds: Mapping[str, float]


def train_run(
    source: str, options: RunOptions, *, model: str = "cnn", recipe: Recipe | None = None, config: Mapping[str, Any] | None = None,
    folds: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Read, split, fit on train, choose and calibrate on val, score the test part once, write the run folder.

    Args:
        source: folder, manifest, `.npz` or catalogue name; its official parts are respected.
        options: `out` is the run folder; an interrupted run there goes on with `resume`.
        model, recipe, config: see `train.fit.fit`.
        folds: also cross-validate on the train and val pictures with so many folds, and keep their out-of-fold probabilities in
            out_of_fold.parquet.

    Returns: the content of metrics.json: the keys of `Evaluation.as_json`, and hardest_pairs, run, model, parameters, temperature,
    unreadable, notes, parts, data, data_version, seconds.

    Raises:
        DataError, SettingsError, UnknownName: the input cannot be used. CheckpointError: `out` holds another run.
        StorageError: `out` cannot be written.
    """
    folder = options.folder("train")
    find_model(model, "classifier")
    job = read_job(source, options, model=model, recipe=recipe, config=config)
    check_trainable(job.splits.train)
    if begin(folder, job.settings(options), resume=options.resume):
        metrics = read_json(folder / METRICS_FILE)
        if folds is not None and metrics.get("out_of_fold", {}).get("folds") != folds:
            metrics["out_of_fold"] = out_of_fold_figures(job, options, folder, folds)
            write_json(folder / METRICS_FILE, metrics)
        return metrics
    if job.of_files:
        write_json(folder / INGEST_FILE, ingest_figures(job))
    trained = fit_job(job, options, folder)
    metrics = run_metrics(job, trained, folder)
    if folds is not None:
        metrics["out_of_fold"] = out_of_fold_figures(job, options, folder, folds)
    write_results(folder, job, trained)
    facts = provenance(job.splits.train.version, options.seed, trained.seconds, options.words)
    tested = Tested(trained.checkpoint, job.splits.test, trained.predictions, trained.evaluation)
    write_run_page(folder / REPORT_FILE, tested, metrics, facts)
    write_json(folder / METRICS_FILE, metrics)
    finish(folder)
    return metrics


def out_of_fold_figures(job: Job, options: RunOptions, folder: Path, folds: int) -> dict[str, Any]:
    """Cross-validate what the run was fitted and chosen on; the probabilities go into `folder`, mean, spread and interval are returned."""
    images = concatenate([part for part in (job.splits.train, job.splits.val) if len(part)])
    plan = Plan(job.model, job.recipe, job.config)
    validated = cross_validate(images, plan, Dealing(folds), options.training(folder / FOLDS_FOLDER))
    validated.predictions.save(folder / OUT_OF_FOLD_FILE)
    return {**validated.as_json(), "predictions": str(folder / OUT_OF_FOLD_FILE)}


def read_job(
    source: str, options: RunOptions, *, model: str = "cnn", recipe: Recipe | None = None, config: Mapping[str, Any] | None = None
) -> Job:
    """Read and split the pictures of a training."""
    loaded = read_splits(source, image_size=options.image_size, data_folder=options.data_folder, report=options.report)
    splits = split_loaded(loaded, seed=options.seed)
    notes = (*loaded.notes, *splits.notes)
    return Job(source, splits, model, recipe or Recipe.of(), dict(config or {}), loaded.unreadable, notes, loaded.sizes)


def ingest_figures(job: Job) -> dict[str, Any]:
    """The content of ingest.json: what became of every picture file of the source."""
    unreadable = [asdict(one) for one in job.unreadable]
    return {"read": sum(job.sizes.values()), "unreadable": unreadable, "notes": list(job.notes), "sizes": dict(job.sizes)}


def fit_job(job: Job, options: RunOptions, folder: Path) -> Trained:
    """Fit and calibrate the classifier of a job, keep it in `folder`/checkpoint, and read the test part."""
    started = time.perf_counter()
    raw = fit(job.splits.train, job.splits.val, model=job.model, recipe=job.recipe, config=job.config, training=options.training(folder))
    checkpoint = calibrate(raw, job.splits.val)
    fitted = time.perf_counter()
    checkpoint.save(folder / "checkpoint")
    predictions = predict(checkpoint, job.splits.test)
    # Over all epochs, so that a resumed training tells what the whole of it took.
    trained = sum(row.get("seconds", 0.0) for row in checkpoint.history) or fitted - started
    seconds = {"train": trained, "predict": time.perf_counter() - fitted}
    return Trained(checkpoint, predictions, score(predictions), seconds)


def run_metrics(job: Job, trained: Trained, folder: Path) -> dict[str, Any]:
    """The content of metrics.json."""
    network = trained.checkpoint.network
    return {
        **trained.evaluation.as_json(), "hardest_pairs": hardest_pairs(trained.evaluation), "run": str(folder), "model": job.model,
        "parameters": None if isinstance(network, Forest) else count_parameters(network), "temperature": trained.checkpoint.temperature,
        "data": job.splits.train.name.split("/")[0], "data_version": job.splits.train.version, "test_version": job.splits.test.version,
        "parts": {"train": len(job.splits.train), "val": len(job.splits.val), "test": len(job.splits.test)},
        "epochs": len(trained.checkpoint.history), "unreadable": [asdict(one) for one in job.unreadable], "notes": list(job.notes),
        "seconds": {name: round(seconds, 3) for name, seconds in trained.seconds.items()},
    }  # fmt: skip


def write_results(folder: Path, job: Job, trained: Trained) -> None:
    """Write what stands beside the checkpoint, and record that the test part was read."""
    write_json(folder / RECIPE_FILE, {"model": job.model, "config": dict(job.config), **job.recipe.model_dump()})
    write_history(folder, trained.checkpoint.history)
    trained.predictions.save(folder / PREDICTIONS_FILE)
    write_seen(folder, job.splits.train, job.splits.val)
    touch(folder, job.splits.test.version, "train")
