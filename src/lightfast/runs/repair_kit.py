"""The repair kit of a run: detector, restorer and rules,
trained on the training part of the data that the run was trained on.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lightfast.base.errors import CheckpointError, StorageError, UnknownName
from lightfast.base.files import load_json, require_writable, write_json
from lightfast.base.plain import as_json
from lightfast.data.dataset import ImageSpec
from lightfast.data.images import ImageSet
from lightfast.data.splits import Splits
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.forest import Forest
from lightfast.restore.denoise import RestorerPlan, fit_restorer
from lightfast.restore.detector import DetectorPlan, fit_detector
from lightfast.restore.pairs import DamageMix
from lightfast.restore.pipeline import Pipeline, calibrate_pipeline
from lightfast.runs.folder import REPAIR_FOLDER, load_run
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import prepare
from lightfast.train.recipe import Recipe, Training

ALL_SEVERITIES = (1, 2, 3, 4, 5)
PIPELINE_FILE = "kit.json"
TARGET_ACCURACY = 0.99
"""Wanted of the predictions that no person checks; fixes the review threshold."""
PER_EPOCH = 6000
"""Pictures an epoch at most: with ten epochs some minutes on two cores for digits,
and every picture is damaged anew each time.
"""


RESTORERS = ("unet", "autoencoder")
"""What `repair` can put behind the detector: ours, and the damaged-digits paper's."""


@dataclass(frozen=True)
class KitChoice:
    """Which kit is wanted: the damages of `suite`, and a restorer of `RESTORERS`; None = as the kit that is
    there has it, else mnist-c and `unet`.
    """

    suite: str | None = None
    restorer: str | None = None

    def __post_init__(self) -> None:
        if self.restorer is not None and self.restorer not in RESTORERS:
            raise UnknownName("restorer", self.restorer, RESTORERS)

    @property
    def plan(self) -> RepairPlan:
        """How a kit of this choice is made."""
        plan = RepairPlan(suite=self.suite) if self.suite else RepairPlan()
        return dataclasses.replace(plan, restorer=AUTOENCODER) if self.restorer == "autoencoder" else plan


@dataclass(frozen=True)
class RepairPlan:
    """How a repair kit is made.

    Attributes:
        suite: the damages that it learns, at `severities` (None = those of the suite).
        detector, restorer: the two trainings.
    """

    suite: str = "mnist-c"
    severities: Sequence[int] | None = ALL_SEVERITIES
    detector: DetectorPlan = field(
        default_factory=lambda: DetectorPlan(recipe=Recipe.of(epochs=10, averaging=0.99), per_epoch=PER_EPOCH)
    )
    restorer: RestorerPlan = field(
        default_factory=lambda: RestorerPlan(
            config={"width": 24},
            recipe=Recipe.of(epochs=10, learning_rate=2e-3, averaging=0.99),
            per_epoch=PER_EPOCH,
        )
    )

    @property
    def mix(self) -> DamageMix:
        """The damages as the detector and the restorer see them."""
        return DamageMix.of_suite(self.suite, severities=self.severities)


AUTOENCODER = RestorerPlan(
    model="autoencoder",
    pixel_loss="bce",
    recognition=0,
    recipe=Recipe.of(epochs=50, learning_rate=1e-3, schedule="constant", weight_decay=0),
    per_epoch=PER_EPOCH,
)
"""The paper's: BCE on pixels alone, 50 epochs; what it does not tell as Keras has it."""


def fit_pipeline(
    classifier: Checkpoint, parts: tuple[ImageSet, ImageSet], plan: RepairPlan, training: Training
) -> tuple[Pipeline, dict[str, float]]:
    """Train detector and restorer on damaged pictures of `parts` (train, val) and calibrate the rules on val.

    Returns: the pipeline, and the seconds of each step.
    """
    ended = [time.perf_counter()]
    detector = fit_detector(*parts, plan.mix, plan=plan.detector, training=training)
    ended.append(time.perf_counter())
    # A forest has no gradients to send back: its restorer learns from the pixels alone.
    reader = None if isinstance(classifier.network, Forest) else classifier
    restorer = fit_restorer(*parts, plan.mix, classifier=reader, plan=plan.restorer, training=training)
    ended.append(time.perf_counter())
    kit, mix = (detector, restorer), plan.mix
    pipeline = calibrate_pipeline(
        classifier, kit, parts[1], mix, seed=training.seed, target_accuracy=TARGET_ACCURACY
    )
    steps = np.diff([*ended, time.perf_counter()]).tolist()
    return pipeline, dict(zip(("detector", "restorer", "rules"), steps, strict=True))


def save_pipeline(folder: Path, pipeline: Pipeline, plan: RepairPlan, seconds: dict[str, float]) -> None:
    """Write `folder`/repair: detector/, restorer/, rules.json and kit.json."""
    target = folder / REPAIR_FOLDER
    pipeline.save(target)
    made = {"suite": plan.suite, "severities": as_json(plan.severities), "seconds": seconds}
    write_json(target / PIPELINE_FILE, made)


def load_pipeline(folder: Path, classifier: Checkpoint, choice: KitChoice) -> Pipeline | None:
    """The kit in `folder`/repair, or None when there is none,
    or only one that was made for another suite or has another restorer than asked for.
    """
    target = folder / REPAIR_FOLDER
    if not (target / "rules.json").is_file():
        return None
    if choice.suite not in (None, _suite_of(folder) or choice.suite):
        return None
    pipeline = Pipeline.load(target, classifier)
    return pipeline if choice.restorer in (None, pipeline.restorer.model) else None


def _suite_of(folder: Path) -> str | None:
    """The suite that the kit in `folder`/repair was made for, where that is told."""
    told = folder / REPAIR_FOLDER / PIPELINE_FILE
    return load_json(told)["suite"] if told.is_file() else None


def pipeline_for_run(
    folder: Path, classifier: Checkpoint, choice: KitChoice, options: RunOptions
) -> tuple[Pipeline, tuple[str, ...]]:
    """(the kit of the run, what was done to get it). A missing kit is trained first, on the run's own
    training pictures; where the run cannot be written it is kept in, and found again in, `out`.

    What `choice` leaves open any kit that is there serves.
    """
    if there := load_pipeline(folder, classifier, choice):
        return there, ()
    home = _kit_home(folder, options)
    if home != folder and (there := load_pipeline(home, classifier, choice)):
        return there, (f"the detector and the restorer are those in {home / REPAIR_FOLDER}",)
    plan = dataclasses.replace(choice, suite=choice.suite or _suite_of(folder)).plan
    splits = splits_of_run(folder, options)
    training = dataclasses.replace(options.training(home / REPAIR_FOLDER), seed=int(load_run(folder)["seed"]))
    pipeline, seconds = fit_pipeline(classifier, (splits.train, splits.val), plan, training)
    save_pipeline(home, pipeline, plan, seconds)
    note = (
        f"the detector and the restorer were trained first, on {len(splits.train):,} training pictures of "
        f"this run damaged by {plan.suite}, restorer {plan.restorer.model} ({sum(seconds.values()):.0f} s); "
        f"no test picture was used"
    )
    kept = f"{folder} cannot be written; detector and restorer are kept in {home / REPAIR_FOLDER}"
    return pipeline, (note, kept) if home != folder else (note,)


def _kit_home(folder: Path, options: RunOptions) -> Path:
    """The run, or `out` where the run cannot be written."""
    try:
        return require_writable(folder, folder=True)
    except StorageError:
        if options.out is None:
            raise
        return Path(options.out)


def splits_of_run(folder: Path, options: RunOptions) -> Splits:
    """The parts that the run was trained on, read again;
    raises CheckpointError when the data have changed since.
    """
    run = load_run(folder)
    height, width, channels = run["image_shape"]
    if run["data_folder"] and not options.data_folder:
        options = dataclasses.replace(options, data_folder=Path(run["data_folder"]))
    options = dataclasses.replace(options, damaged=run.get("damaged", options.damaged))
    root = Path(run["root"]) if run.get("root") else options.root
    # Runs from before these options grouped near duplicates and knew no separator.
    options = dataclasses.replace(
        options,
        near_duplicates=run.get("near_duplicates", "group"),
        root=root,
        label_separator=run.get("label_separator", options.label_separator),
    )
    prepared = prepare(run["source"], options, target=ImageSpec((height, width), channels))
    splits = prepared.splits(int(run["split_seed"]))
    if splits.train.version != run["data_version"]:
        raise CheckpointError(
            f"the data of {folder} have changed since it was trained ({run['source']})",
            expected=run["data_version"],
            got=splits.train.version,
            cure="Bring the old data back, or train again.",
        )
    return splits
