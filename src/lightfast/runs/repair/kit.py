"""The repair kit of a run: detector, restorer and rules,
trained on the training part of the data that the run was trained on.
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

from lightfast.base.errors import CheckpointError, StorageError
from lightfast.base.files import load_json, require_writable, write_json
from lightfast.base.plain import as_json
from lightfast.data.dataset import ImageSpec
from lightfast.data.images import ImageSet, sample
from lightfast.data.splits import Splits
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.forest import Forest
from lightfast.restore.denoise import fit_restorer
from lightfast.restore.detector import fit_detector
from lightfast.restore.pairs import DamageMix
from lightfast.restore.pipeline import Pipeline, calibrate_pipeline
from lightfast.restore.views import (
    AUTO_VIEWS,
    ONE_VIEW,
    VIEWS_COUNTED,
    choose_reread_views,
    views_of_restorer,
    with_reread_views,
)
from lightfast.runs.folder import REPAIR_FOLDER, load_run
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import prepare
from lightfast.runs.repair.plan import (
    AUTOENCODERS,
    REPAIR_BUDGET,
    VAL_WATCHED,
    KitChoice,
    KitRecord,
    RepairPlan,
    within_budget,
)
from lightfast.train.recipe import Training

PIPELINE_FILE, PLAN_FILE = "kit.json", "plan.json"
TARGET_ACCURACY = 0.99
"""Wanted of the predictions that no person checks; fixes the review thresholds."""


def fit_pipeline(
    classifier: Checkpoint, parts: tuple[ImageSet, ImageSet], plan: RepairPlan, training: Training
) -> tuple[Pipeline, dict[str, float]]:
    """Train detector and restorer on damaged pictures of `parts` (train, val) and calibrate the rules on val.

    Returns: the pipeline, and the seconds of each step, those before an interruption among them.
    """
    watched = parts[0], sample(parts[1], VAL_WATCHED, training.seed)
    detector = fit_detector(*watched, plan.mix, plan=plan.detector, training=training)
    reader = reader_of(classifier)
    restorer = fit_restorer(*watched, plan.mix, classifier=reader, plan=plan.restorer, training=training)
    kit, mix, started = (detector, restorer), plan.mix, time.perf_counter()
    pipeline = calibrate_pipeline(
        classifier, kit, parts[1], mix, seed=training.seed, target_accuracy=TARGET_ACCURACY
    )
    seconds = {part.role: sum(float(row["seconds"]) for row in part.history) for part in kit}
    return pipeline, {**seconds, "rules": time.perf_counter() - started}


def reader_of(classifier: Checkpoint) -> Checkpoint | None:
    """What a restorer can learn through: nothing where the classifier is a forest, which has no gradients to
    send back; it then learns from the pixels alone.
    """
    return None if isinstance(classifier.network, Forest) else classifier


def save_pipeline(folder: Path, pipeline: Pipeline, made: KitRecord) -> None:
    """Write `folder`/repair: detector/, restorer/, rules.json and kit.json."""
    target = folder / REPAIR_FOLDER
    pipeline.save(target)
    write_json(target / PIPELINE_FILE, as_json(made))


def load_pipeline(folder: Path, classifier: Checkpoint, choice: KitChoice) -> Pipeline | None:
    """The kit in `folder`/repair, or None when there is none,
    or only one that was made for another suite or budget or has another restorer than asked for.
    """
    target = folder / REPAIR_FOLDER
    if not (target / "rules.json").is_file():
        return None
    made = kit_record(folder)
    if made is not None and choice.suite not in (None, made.suite):
        return None
    if choice.budget is not None and (made is None or choice.budget != made.budget):
        return None
    pipeline = Pipeline.load(target, classifier)
    return pipeline if choice.restorer in (None, pipeline.restorer.model) else None


def kit_record(folder: Path) -> KitRecord | None:
    """What is told of the kit in `folder`/repair, where something is."""
    told = folder / REPAIR_FOLDER / PIPELINE_FILE
    return KitRecord(**load_json(told)) if told.is_file() else None


def pipeline_for_run(
    folder: Path, classifier: Checkpoint, choice: KitChoice, options: RunOptions
) -> tuple[Pipeline, tuple[str, ...]]:
    """(the kit of the run, what is to be said of it). A missing kit is trained first, on the run's own
    training pictures; where the run cannot be written it is kept in, and found again in, `out`.

    What `choice` leaves open any kit that is there serves. Other views than the kit's are nothing to train:
    its rules are fitted anew on validation pictures.
    """
    pipeline, notes = _kit_for_run(folder, classifier, choice, options)
    wanted, chosen = choice.views, VIEWS_COUNTED in pipeline.restorer.details
    if wanted in (None, views_of_restorer(pipeline.restorer)) or (wanted == AUTO_VIEWS and chosen):
        return pipeline, notes
    home = _kit_home(folder, options)
    learnt = pipeline.restorer.details
    mix = DamageMix(tuple((name, severity) for name, severity in learnt["damages"]), learnt["clean_share"])
    val, seed = splits_of_run(folder, options).val, int(load_run(folder)["seed"])
    if wanted == AUTO_VIEWS:
        restorer = choose_reread_views(classifier, pipeline.restorer, val, mix, seed=seed)
    else:
        restorer = with_reread_views(pipeline.restorer, str(wanted))
    pipeline = calibrate_pipeline(
        classifier, (pipeline.detector, restorer), val, mix, seed=seed, target_accuracy=TARGET_ACCURACY
    )
    pipeline.save(home / REPAIR_FOLDER)
    made = kit_record(folder)
    if home != folder and made is not None and load_pipeline(folder, classifier, choice) is not None:
        # It was the kit of the run: what is told of it goes along, over that of another kit.
        write_json(home / REPAIR_FOLDER / PIPELINE_FILE, as_json(made))
    views = views_of_restorer(restorer)
    said = f"re-readings over {views} view{'s' * (views != ONE_VIEW)}: the rules were fitted anew for them"
    return pipeline, (*notes, said)


def _kit_for_run(
    folder: Path, classifier: Checkpoint, choice: KitChoice, options: RunOptions
) -> tuple[Pipeline, tuple[str, ...]]:
    """`pipeline_for_run` with whatever views the kit has."""
    if there := load_pipeline(folder, classifier, choice):
        return there, _told(folder)
    home = _kit_home(folder, options)
    if home != folder and (there := load_pipeline(home, classifier, choice)):
        return there, (f"the detector and the restorer are those in {home / REPAIR_FOLDER}", *_told(home))
    before = kit_record(folder)
    choice = dataclasses.replace(choice, suite=choice.suite or (before and before.suite))
    splits = splits_of_run(folder, options)
    training = dataclasses.replace(options.training(home / REPAIR_FOLDER), seed=int(load_run(folder)["seed"]))
    plan = plan_of(choice, classifier, splits.train, training)
    replaced = _told(home)
    pipeline, seconds = fit_pipeline(classifier, (splits.train, splits.val), plan, training)
    budget = None if plan.restorer.model in AUTOENCODERS else choice.budget or REPAIR_BUDGET
    save_pipeline(home, pipeline, KitRecord.of(plan, seconds, budget))
    note = (
        f"the detector and the restorer were trained first, on {len(splits.train):,} training pictures of "
        f"this run damaged by {plan.suite}, restorer {plan.restorer.model} ({sum(seconds.values()):.0f} s); "
        f"no test picture was used"
    )
    notes = (*(f"replaced: {one}" for one in replaced), *_told(home), note)
    kept = f"{folder} cannot be written; detector and restorer are kept in {home / REPAIR_FOLDER}"
    return pipeline, (*notes, kept) if home != folder else notes


def _told(folder: Path) -> tuple[str, ...]:
    """What is told of the kit in `folder`/repair, as notes."""
    made = kit_record(folder)
    return () if made is None else (made.sentence(),)


def plan_of(
    choice: KitChoice, classifier: Checkpoint | None, train_images: ImageSet, training: Training
) -> RepairPlan:
    """The plan within the budget, for a restorer that learns through `classifier` (None: from pixels alone).

    It is kept beside the state of the training, so that one that goes on is not measured anew.
    """
    kept = (training.folder or Path()) / ".training" / PLAN_FILE
    # Views are no part of a training, and plans of before do not name them.
    unplanned = {"views": None}
    if training.resume and kept.is_file():
        told = load_json(kept)
        if {**told["choice"], **unplanned} == {**as_json(choice), **unplanned}:
            return RepairPlan.from_json(told["plan"])
    reader = None if classifier is None else reader_of(classifier)
    plan = within_budget(choice, reader, train_images, training)
    write_json(kept, {"choice": as_json(choice), "plan": as_json(plan)})
    return plan


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
