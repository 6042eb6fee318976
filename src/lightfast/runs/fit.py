"""What a training is given: pictures in three parts, a model, settings;
and what every kind of training does with it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lightfast.base.errors import SettingsError
from lightfast.base.files import write_json
from lightfast.base.plain import as_json
from lightfast.data.dataset import ImageSpec, LoadedData, Unreadable
from lightfast.data.duplicates.search import near_duplicates_json, why_not_searched
from lightfast.data.images import ImageSet
from lightfast.data.sources.archives import is_archive
from lightfast.data.sources.folder import MANIFEST_ENDINGS
from lightfast.data.splits import Splits
from lightfast.data.taxonomy.taxonomy import Taxonomy
from lightfast.evaluate.predict import calibrate, predict
from lightfast.experiments.auto import AUTO_BUDGET, choose_model
from lightfast.experiments.few_choice import are_few, choose_few_labels
from lightfast.models.build import find_model
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.transfer import TransferSettings, backbone_of, identifier_of
from lightfast.pages.learned import Learned
from lightfast.runs.folder import (
    RECIPE_FILE,
    VAL_PREDICTIONS_FILE,
    record_evaluation,
    write_history,
    write_seen,
)
from lightfast.runs.margins import write_margins
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import prepare
from lightfast.runs.record import run_settings, sizes_of
from lightfast.train.fit import fit, recipe_of
from lightfast.train.not_these import checked_ruled_out, why_unlearned
from lightfast.train.recipe import Recipe
from lightfast.train.transfer import facts_in_words

SMALL_SIDE = 64
"""Pixels: pictures that did not come from files and are no larger are digits and drawings,
not photographs.
"""


@dataclass(frozen=True)
class TrainOptions:
    """What a training may be told beside model, recipe and config.

    Attributes:
        folds: also cross-validate on the train and val pictures with so many folds, and keep their
            out-of-fold probabilities in out_of_fold.parquet.
        budget: seconds that model "auto" may take.
        taxonomy: of the classes; travels in the checkpoint.
        precision: multi-label: what the thresholds are to reach for every label, 0..1; None = the best F1.
    """

    folds: int | None = None
    budget: float = AUTO_BUDGET
    taxonomy: Taxonomy | None = None
    precision: float | None = None

    def as_json(self) -> dict[str, Any]:
        """What decides the result, plain JSON values; nothing for what was not asked for."""
        said = as_json({"taxonomy": self.taxonomy, "precision": self.precision})
        return {key: value for key, value in said.items() if value is not None}


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """What is to be trained on what: the pictures in three parts, the model, its config and its recipe.

    `sizes` counts the pictures that were read by the size that they had; `near` lists their near duplicates
    by id.
    """

    source: str
    splits: Splits
    model: str
    recipe: Recipe
    config: Mapping[str, Any]
    unreadable: tuple[Unreadable, ...] = ()
    notes: tuple[str, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    train_options: TrainOptions = field(default_factory=TrainOptions)
    near: Mapping[str, Any] = field(default_factory=dict)

    @property
    def of_files(self) -> bool:
        """Whether the pictures were read from picture files: a folder or a table of them."""
        path = Path(self.source).expanduser()
        table = path.suffix.lower() in MANIFEST_ENDINGS or is_archive(path.name) or "://" in self.source
        return bool(self.unreadable) or path.is_dir() or table or bool(self.near.get("searched"))

    @property
    def parts(self) -> dict[str, int]:
        """How many pictures each part has."""
        return sizes_of(self.splits)

    def settings(self, options: RunOptions, made_by: str = "train") -> dict[str, Any]:
        """The content of run.json."""
        said = {
            **run_settings(made_by, self.source, self.splits, options),
            "model": self.model,
            "config": self.config,
            "recipe": self.recipe,
            "extra": self.train_options,
        }
        return as_json(said)


def prepare_job(
    source: str,
    options: RunOptions,
    *,
    model: str = "cnn",
    recipe: Recipe | None = None,
    config: Mapping[str, Any] | None = None,
    train_options: TrainOptions | None = None,
) -> TrainingJob:
    """Read and split the pictures of a training; near duplicates among photographs stay on one side."""
    # A backbone looks at no more than its own side of a photograph; the small networks learn from 96 pixels.
    side = None
    if model == "auto" or find_model(model, "classifier").transfer:
        side = backbone_of(identifier_of("lite0" if model == "auto" else model)).side
    prepared = prepare(source, options, target=ImageSpec(options.image_size, largest_side=side))
    loaded, train_options, config = prepared.data, train_options or TrainOptions(), dict(config or {})
    _check_labels(loaded.train, train_options)
    if loaded.train.tags is not None and config.get("robust"):
        raise SettingsError(
            "`config.robust` looks for wrong labels among pictures with one label each; these have several",
            cure="Leave it out.",
        )
    splits = prepared.splits(options.seed)
    model, recipe, notes = _resolved(model, recipe, config, loaded)
    said = checked_ruled_out(splits.train, splits.ruled_out) is not None
    aside = why_unlearned(model, config) if said and model != "auto" else ""
    if aside:
        notes = (*notes, f"what pictures are not is not learned: {aside}")
    return TrainingJob(
        source,
        splits,
        model,
        recipe,
        config,
        loaded.unreadable,
        (*prepared.notes, *splits.notes, *notes),
        loaded.sizes,
        train_options,
        near_duplicates_json(loaded, prepared.near),
    )


def _resolved(
    model: str, recipe: Recipe | None, config: Mapping[str, Any], loaded: LoadedData
) -> tuple[str, Recipe, tuple[str, ...]]:
    """(model, recipe, notes): `auto` chooses by itself, and is the small CNN for anything but photographs."""
    notes: tuple[str, ...] = ()
    height, width, _ = loaded.train.image_shape
    if model == "auto" and why_not_searched(loaded) and min(height, width) <= SMALL_SIDE:
        notes = (f"model auto: {height} x {width} pixels are no photographs: the small CNN",)
        model = "cnn"
    if model != "auto":
        return model, recipe or recipe_of(model, config), notes
    if recipe is not None or config:
        raise SettingsError(
            "settings for photographs",
            expected="settings of a named model: auto chooses its own",
            cure="Name one, e.g. `model=lite0` with `config.mode=staged`.",
        )
    return model, Recipe(), notes


def _check_labels(images: ImageSet, train_options: TrainOptions) -> None:
    """Refuse a wanted precision or a taxonomy that does not go with the labels."""
    if train_options.precision is not None and images.tags is None:
        raise SettingsError(
            "`precision` chooses thresholds for several labels a picture; these have one each",
            cure="Leave it out.",
        )
    if train_options.taxonomy is not None:
        task = "multi-class" if images.tags is None else "multi-label"
        train_options.taxonomy.check_classes(images.class_names, task)


def check_options(model: str, recipe: Recipe | None, config: Mapping[str, Any] | None) -> None:
    """Refuse settings that would have no effect."""
    if model == "auto" or not find_model(model, "classifier").transfer:
        return
    settings = TransferSettings.of(**dict(config or {}))
    if settings.robust and settings.head == "tree":
        raise SettingsError(
            "`config.robust` has no effect on a tree of binary classifiers", cure="Leave one of them out."
        )
    if settings.mode == "head" and recipe is not None:
        _check_recipe(recipe, recipe_of(model, config or {}))


def _check_recipe(recipe: Recipe, default: Recipe) -> None:
    """Refuse a changed recipe of a linear head, which is fitted at once."""
    usual = default.model_dump()
    changed = [key for key, one in recipe.model_dump().items() if one != usual[key] and key != "balance"]
    if changed:
        raise SettingsError(
            f"`recipe.{changed[0]}` has no effect: mode=head fits a linear head at once, without epochs",
            cure="Add `config.mode=staged` or `config.mode=full`.",
        )


def ingest_figures(job: TrainingJob) -> dict[str, Any]:
    """The content of ingest.json: what became of every picture file of the source."""
    return as_json(
        {
            "read": sum(job.sizes.values()),
            "unreadable": job.unreadable,
            "notes": job.notes,
            "sizes": job.sizes,
            "near_duplicates": job.near,
        }
    )


def fit_classifier(job: TrainingJob, options: RunOptions, folder: Path) -> Checkpoint:
    """The classifier of a job, calibrated on the validation pictures, with its taxonomy; not yet written."""
    beside = {"taxonomy": job.train_options.taxonomy, "ruled_out": job.splits.ruled_out}
    training = dataclasses.replace(options.training(folder), **beside)
    if job.model == "auto" and options.fit is not None:
        raise SettingsError(
            "model auto measures how fast one machine is, and cannot be shared by several",
            cure="Name a model, e.g. `model=lite0` with `config.mode=full`.",
        )
    if job.model == "auto" and are_few(job.splits.train, job.splits.val):
        chosen = choose_few_labels(job.splits.train, job.splits.val, job.train_options.budget, training)
        # The head has learned the validation pictures, too: what is sure enough is read from these instead.
        chosen.out_of_fold.save(folder / VAL_PREDICTIONS_FILE)
        return chosen.checkpoint.replace(taxonomy=as_json(job.train_options.taxonomy))
    if job.model == "auto":
        raw = choose_model(job.splits.train, job.splits.val, job.train_options.budget, training)
    else:
        raw = (options.fit or fit)(
            job.splits.train,
            job.splits.val,
            model=job.model,
            recipe=job.recipe,
            config=job.config,
            training=training,
        )
    return calibrate(raw, job.splits.val).replace(taxonomy=as_json(job.train_options.taxonomy))


def transfer_facts(checkpoint: Checkpoint) -> Learned | None:
    """How a network on a pretrained backbone learned, what was tried, and why; None for other networks."""
    facts = checkpoint.details
    if "transfer" not in facts:
        return None
    return Learned(facts["transfer"], facts_in_words(facts["transfer"]), facts.get("auto"))


def write_fit(folder: Path, job: TrainingJob, checkpoint: Checkpoint) -> None:
    """Recipe, history, the fingerprints of the pictures that were learned from,
    and that the test part was read.
    """
    recipe = checkpoint.details.get("recipe", job.recipe.model_dump())
    write_json(folder / RECIPE_FILE, {"model": checkpoint.model, "config": dict(checkpoint.config), **recipe})
    write_history(folder, checkpoint.history)
    write_margins(folder, job.splits.train, len(checkpoint.history))
    others = checked_ruled_out(job.splits.train, job.splits.ruled_out)
    write_seen(folder, job.splits.train, job.splits.val, *([] if others is None else [others.images]))
    # What an earlier try left, which was stopped, is of another head.
    if "out_of_fold" not in checkpoint.details:
        write_val_predictions(folder, checkpoint, job.splits.val)
    record_evaluation(folder, job.splits.test.version, "train")


def write_val_predictions(folder: Path, checkpoint: Checkpoint, val_images: ImageSet) -> None:
    """What a calibrated classifier of one label a picture says of the pictures that it was chosen on (marked
    as seen): `predict` reads from them how sure is sure enough.
    """
    if len(val_images) and checkpoint.task == "multi-class":
        predictions = predict(checkpoint, val_images)
        seen = np.ones(len(val_images), dtype=np.bool_)
        dataclasses.replace(predictions, seen=seen).save(folder / VAL_PREDICTIONS_FILE)
