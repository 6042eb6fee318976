"""`repair` with a published classifier (`hf-hub:ID`), which has no folder and no pictures of its own: where
its kit is kept, what the kit learns on, and at which size pictures are read.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lightfast.base.errors import CheckpointError, DataError, SettingsError
from lightfast.base.files import load_json, require_writable, write_json
from lightfast.data.dataset import ImageSpec
from lightfast.data.images import ImageSet
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.load import load_checkpoint
from lightfast.restore.enhance import weights_digest
from lightfast.restore.pipeline import Pipeline
from lightfast.runs.folder import REPAIR_FOLDER, seen_rows, write_seen
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import aligned, prepare
from lightfast.runs.repair.kit import fit_pipeline, load_pipeline, plan_of, save_pipeline
from lightfast.runs.repair.options import RepairOptions
from lightfast.runs.repair.plan import AUTOENCODERS, REPAIR_BUDGET, KitChoice, KitRecord, RepairPlan

MADE_FOR_FILE = "made_for.json"
"""In the kit of a published classifier: its name, the digest of its weights, and what the kit learned on."""


@dataclass(frozen=True)
class LearnOn:
    """What the kit of a published classifier learns on: a source of labelled pictures, whether it was asked
    for by name, and the folder that keeps the kit.
    """

    text: str
    asked: bool
    home: Path


def is_published(run: str) -> bool:
    """Whether `run` names a classifier published by others."""
    return run.startswith("hf-hub:")


def hub_kit_folder(run: str, options: RunOptions, repair_options: RepairOptions) -> Path:
    """The folder in whose repair/ the kit of a published classifier is kept: the one chosen, else `out`."""
    if options.out is None:
        raise SettingsError(
            f"{run} has no folder to write into",
            cure="Give one: `out`. Detector and restorer are kept there too, unless `kit_folder` says where.",
        )
    return require_writable(Path(repair_options.kit_folder or options.out), folder=True)


def pipeline_for_hub(
    run: str, classifier: Checkpoint, choice: KitChoice, learn_on: LearnOn, options: RunOptions
) -> tuple[Pipeline, tuple[str, ...]]:
    """(the kit of a published classifier before it, what was done to get it).

    A missing kit is trained first, on the train and val parts of the pictures to learn on. It learns from
    pixels alone, as in the damaged-digits paper: learning through a reader of the usual size would take
    hours. Pictures rest at the kit's size; the classifier resizes them itself (28 → 224 and grey → RGB in
    that paper).

    Raises CheckpointError: the folder holds the kit of another classifier, or pictures of other classes were
    given. DataError: no labelled pictures to learn on.
    """
    if choice.views is not None:
        raise SettingsError("`views` is for the kit of a run", cure="Leave it out.")
    home = learn_on.home
    require_own_kit(home, classifier, run)
    if there := _loaded(home, classifier, choice, learn_on):
        return there, (f"the detector and the restorer are those in {home / REPAIR_FOLDER}",)
    train_images, val_images = _material(run, classifier, learn_on, options)
    reader = at_size_of(classifier, train_images.image_shape)
    training = options.training(home / REPAIR_FOLDER)
    plan = _pixels_alone(plan_of(choice, None, train_images, training))
    pipeline, seconds = fit_pipeline(reader, (train_images, val_images), plan, training)
    write_seen(home / REPAIR_FOLDER, train_images, val_images)
    made_for = {"run": run, "weights": weights_digest(reader.torch_network)}
    learned = {"learn_on": learn_on.text, "data_version": train_images.version, "seed": options.seed}
    write_json(home / REPAIR_FOLDER / MADE_FOR_FILE, {**made_for, **learned})
    # The paper's autoencoder is never cut to a budget.
    budget = None if plan.restorer.model in AUTOENCODERS else choice.budget or REPAIR_BUDGET
    save_pipeline(home, pipeline, KitRecord.of(plan, seconds, budget))
    note = (
        f"the detector and the restorer were trained first, on {len(train_images):,} training pictures of "
        f"{train_images.name} damaged by {plan.suite}, restorer {plan.restorer.model}, from pixels alone "
        f"({sum(seconds.values()):.0f} s); they are kept in {home / REPAIR_FOLDER}"
    )
    return pipeline, (note,)


def at_size_of(classifier: Checkpoint, image_shape: tuple[int, int, int]) -> Checkpoint:
    """The classifier for pictures that rest at `image_shape` (H, W, C): its own `Preprocess` resizes them."""
    return classifier.replace(image_shape=image_shape, from_hub=False)


def require_own_kit(home: Path, classifier: Checkpoint, run: str) -> None:
    """Refuse a folder whose kit has rules for other weights; raises CheckpointError."""
    if not (home / REPAIR_FOLDER / "rules.json").is_file():
        return
    made_for = _made_for(home)
    if made_for.get("weights") != weights_digest(classifier.torch_network):
        raise CheckpointError(
            f"{home / REPAIR_FOLDER} holds the kit of another classifier, not of {run}",
            got=str(made_for.get("run", "a run")),
            cure="Give another folder: `kit_folder`, or `out`.",
        )


def _made_for(home: Path) -> dict[str, Any]:
    path = home / REPAIR_FOLDER / MADE_FOR_FILE
    return load_json(path) if path.is_file() else {}


def _loaded(home: Path, classifier: Checkpoint, choice: KitChoice, learn_on: LearnOn) -> Pipeline | None:
    """The kit that is there, unless it learned on other pictures than were asked for by name."""
    made_for = _made_for(home)
    if not made_for or (learn_on.asked and made_for["learn_on"] != learn_on.text):
        return None
    restorer = load_checkpoint(home / REPAIR_FOLDER / "restorer")
    return load_pipeline(home, at_size_of(classifier, restorer.image_shape), choice)


def _material(
    run: str, classifier: Checkpoint, learn_on: LearnOn, options: RunOptions
) -> tuple[ImageSet, ImageSet]:
    """(train, val) pictures of the kit at their own size, in the classifier's order of classes."""
    side = max(classifier.preprocess.size)
    try:
        prepared = prepare(learn_on.text, options, target=ImageSpec(largest_side=side))
        splits = prepared.splits(options.seed)
        splits.train.require_labels()
    except DataError as error:
        if learn_on.asked:
            raise
        raise DataError(
            f"{run} brings no pictures for a detector and a restorer to learn on, and {learn_on.text} cannot "
            f"serve ({error.without_cure})",
            cure="Give labelled pictures of the kind: `learn_on`.",
        ) from error
    if not len(splits.val):
        raise DataError(
            f"{learn_on.text} has no validation pictures to fit the rules on", cure="Give more pictures."
        )
    return aligned(splits.train, classifier)[0], aligned(splits.val, classifier)[0]


def without_learned(home: Path, images: ImageSet) -> tuple[ImageSet, tuple[str, ...]]:
    """(`images` without those that the kit in `home` learned on, notes); DataError when none is left."""
    seen = seen_rows(home / REPAIR_FOLDER, images)
    unknown = "whether the published classifier was itself trained on these pictures is not known"
    if seen.all():
        raise DataError(
            f"{images.name}: the detector and the restorer have learned on every one of the {len(images):,} "
            "pictures",
            cure="A figure from them would say nothing: give other pictures.",
        )
    if not seen.any():
        return images, (unknown,)
    note = (
        f"{int(seen.sum()):,} of {len(images):,} pictures were left out: the detector and the restorer "
        "learned on them"
    )
    return images.take(np.flatnonzero(~seen)), (note, unknown)


def _pixels_alone(plan: RepairPlan) -> RepairPlan:
    return dataclasses.replace(plan, restorer=dataclasses.replace(plan.restorer, recognition=0.0))
