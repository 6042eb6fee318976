"""What a training is given: pictures in three parts, a model, settings;
and what every kind of training does with it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lightfast.base.errors import SettingsError
from lightfast.base.files import write_json
from lightfast.data.dataset import ImageSpec, Unreadable
from lightfast.data.duplicates.search import near_duplicates_json, why_not_searched
from lightfast.data.lists.manifest import MANIFEST_ENDINGS
from lightfast.data.sources.archives import is_archive
from lightfast.data.splits import Splits
from lightfast.data.taxonomy.taxonomy import Taxonomy
from lightfast.evaluate.predict import calibrate
from lightfast.experiments.auto import AUTO_BUDGET, choose_model
from lightfast.models.build import find_model
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.transfer import TransferSettings, backbone_of, identifier_of
from lightfast.runs.folder import RECIPE_FILE, record_evaluation, write_history, write_seen
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import prepare
from lightfast.runs.record import run_settings
from lightfast.train.fit import fit, recipe_of
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
        said = {"taxonomy": self.taxonomy.as_json() if self.taxonomy else None, "precision": self.precision}
        return {key: value for key, value in said.items() if value is not None}


@dataclass(frozen=True, eq=False)
class Job:
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

    def settings(self, options: RunOptions, made_by: str = "train") -> dict[str, Any]:
        """The content of run.json."""
        return {
            **run_settings(made_by, self.source, self.splits, options),
            "model": self.model,
            "config": dict(self.config),
            "recipe": self.recipe.model_dump(),
            "extra": self.train_options.as_json(),
        }


def prepare_job(
    source: str,
    options: RunOptions,
    *,
    model: str = "cnn",
    recipe: Recipe | None = None,
    config: Mapping[str, Any] | None = None,
    train_options: TrainOptions | None = None,
) -> Job:
    """Read and split the pictures of a training; near duplicates among photographs stay on one side."""
    # A backbone looks at no more than its own side of a photograph; the small networks learn from 96 pixels.
    side = (
        backbone_of(identifier_of("lite0" if model == "auto" else model)).side
        if _on_backbone(model)
        else None
    )
    prepared = prepare(source, options, target=ImageSpec(options.image_size, largest_side=side))
    loaded, near = prepared.data, prepared.near
    photographs = not why_not_searched(loaded)
    train_options = train_options or TrainOptions()
    if train_options.precision is not None and loaded.train.tags is None:
        raise SettingsError(
            "--precision chooses thresholds for several labels a picture; these have one each",
            cure="Leave it out.",
        )
    if train_options.taxonomy is not None:
        train_options.taxonomy.check_classes(
            loaded.train.class_names, "multi-class" if loaded.train.tags is None else "multi-label"
        )
    splits = prepared.splits(options.seed)
    notes = [*prepared.notes, *splits.notes]
    if model == "auto" and not (photographs or min(loaded.train.image_shape[:2]) > SMALL_SIDE):
        notes.append(
            f"model auto: {loaded.train.image_shape[0]} x {loaded.train.image_shape[1]} pixels are no "
            "photographs: the small CNN"
        )
        model = "cnn"
    if model == "auto" and (recipe is not None or config):
        raise SettingsError(
            "--set for photographs",
            expected="settings of a named model: auto chooses its own",
            cure="Name one, e.g. --model lite0 --set model.mode=staged.",
        )
    recipe = recipe or (Recipe() if model == "auto" else recipe_of(model, config or {}))
    return Job(
        source,
        splits,
        model,
        recipe,
        dict(config or {}),
        loaded.unreadable,
        tuple(notes),
        loaded.sizes,
        train_options,
        near_duplicates_json(loaded, near),
    )


def _on_backbone(model: str) -> bool:
    return model == "auto" or find_model(model, "classifier").transfer


def check_options(model: str, recipe: Recipe | None, config: Mapping[str, Any] | None) -> None:
    """Refuse settings that would have no effect."""
    if model == "auto":
        return
    fixed = (
        find_model(model, "classifier").transfer and TransferSettings.of(**dict(config or {})).mode == "head"
    )
    if fixed and recipe is not None:
        usual = recipe_of(model, config or {}).model_dump()
        changed = [
            name for name, value in recipe.model_dump().items() if value != usual[name] and name != "balance"
        ]
        if changed:
            raise SettingsError(
                f"--set {changed[0]} has no effect: mode=head fits a linear head at once, without epochs",
                cure="Add --set model.mode=staged or model.mode=full.",
            )


def ingest_figures(job: Job) -> dict[str, Any]:
    """The content of ingest.json: what became of every picture file of the source."""
    unreadable = [asdict(one) for one in job.unreadable]
    return {
        "read": sum(job.sizes.values()),
        "unreadable": unreadable,
        "notes": list(job.notes),
        "sizes": dict(job.sizes),
        "near_duplicates": dict(job.near),
    }


def fit_classifier(job: Job, options: RunOptions, folder: Path) -> Checkpoint:
    """The classifier of a job, calibrated on the validation pictures, with its taxonomy; not yet written."""
    training = dataclasses.replace(options.training(folder), taxonomy=job.train_options.taxonomy)
    if job.model == "auto":
        raw = choose_model(job.splits.train, job.splits.val, job.train_options.budget, training)
    else:
        raw = fit(
            job.splits.train,
            job.splits.val,
            model=job.model,
            recipe=job.recipe,
            config=job.config,
            training=training,
        )
    taxonomy = job.train_options.taxonomy.as_json() if job.train_options.taxonomy else None
    return calibrate(raw, job.splits.val).replace(taxonomy=taxonomy)


def transfer_facts(checkpoint: Checkpoint) -> dict[str, Any]:
    """What metrics.json says of transfer learning: how, what was tried, why; empty for other networks."""
    facts = checkpoint.details
    if "transfer" not in facts:
        return {}
    auto = {"auto": facts["auto"]} if "auto" in facts else {}
    return {"transfer": dict(facts["transfer"]), "learned": facts_in_words(facts["transfer"]), **auto}


def write_fit(folder: Path, job: Job, checkpoint: Checkpoint) -> None:
    """Recipe, history, the fingerprints of the pictures that were learned from,
    and that the test part was read.
    """
    recipe = checkpoint.details.get("recipe", job.recipe.model_dump())
    write_json(folder / RECIPE_FILE, {"model": checkpoint.model, "config": dict(checkpoint.config), **recipe})
    write_history(folder, checkpoint.history)
    write_seen(folder, job.splits.train, job.splits.val)
    record_evaluation(folder, job.splits.test.version, "train")
