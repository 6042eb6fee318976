"""Whether a clean-up paid: one model trained on the labels before and on the cleaned ones, both tried on the
same test pictures, and the outcome noted in the repair ledger.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.files import json_digest, make_folder
from lightfast.curate.ledger import LEDGER_FILE, LedgerEntry, RepairLedger, cleanup_effect
from lightfast.data.dataset import concatenate
from lightfast.data.decisions import Decision
from lightfast.data.images import ImageSet
from lightfast.data.replay import Replayed
from lightfast.data.ruled_out import RuledOut
from lightfast.data.splits import Splits
from lightfast.data.trainable import check_trainable
from lightfast.evaluate.predict import calibrate, predict
from lightfast.evaluate.predictions import Predictions
from lightfast.experiments.auto import AUTO_MODEL
from lightfast.models.load import load_checkpoint
from lightfast.runs.fit import TrainingJob, prepare_job
from lightfast.runs.folder import TOUCH_FILE, load_run, record_scoring
from lightfast.runs.options import RunOptions
from lightfast.train.fit import ClassifierPlan, recipe_of
from lightfast.train.recipe import Recipe

PROOF_FOLDER = "proof"


@dataclass(frozen=True)
class ProofOptions:
    """How a clean-up is proved.

    Attributes:
        run: a run folder whose model, recipe, seed and split are taken; "": a linear head on a frozen
            backbone for photographs, the small network for the rest.
        minutes: what people spent; None: the seconds of the decisions.
        ledger: the file; None: ledger.jsonl beside the folder of the next version.
    """

    run: str = ""
    minutes: float | None = None
    ledger: Path | None = None

    def __post_init__(self) -> None:
        if self.minutes is not None and not 0 <= self.minutes < float("inf"):
            raise SettingsError(f"`minutes` {self.minutes}", expected="a number of at least 0")


@dataclass(frozen=True, eq=False)
class ProofTask:
    """What is to be proved: the training of a run, or the usual one, on the labels before, and the splits
    with the cleaned labels; `test` is the test part by the cleaned labels, its left-out pictures gone.
    """

    job: TrainingJob
    after: Splits
    options: RunOptions
    ledger: RepairLedger
    wanted: ProofOptions

    @property
    def trains_anew(self) -> bool:
        """Whether what is learned from or chosen on has changed."""
        before = self.job.splits
        return any(
            one.version != other.version
            for one, other in ((before.train, self.after.train), (before.val, self.after.val))
        )

    @property
    def test_changed(self) -> bool:
        """Whether labels of the test part were cleaned."""
        return self.job.splits.test.version != self.after.test.version


def prepare_proof(
    source: str, found: Mapping[str, Replayed], wanted: ProofOptions, options: RunOptions
) -> ProofTask:
    """Read and split the labels as they were, and carry the cleaned labels over to the same three parts.

    Args:
        source: the data before the clean-up.
        found: its parts after the clean-up; pictures that are missing there were left out, and those of
            them that are learned from teach what they are not.

    Raises DataError where too little is left to learn from, CheckpointError for a run that is none.
    """
    plan = None
    if wanted.run:
        checkpoint, told = load_checkpoint(Path(wanted.run)), load_run(Path(wanted.run))
        recipe = Recipe.of(**checkpoint.details.get("recipe", {}))
        plan = ClassifierPlan(checkpoint.model, recipe, dict(checkpoint.config))
        size = told.get("image_size")
        options = dataclasses.replace(
            options,
            seed=int(told.get("split_seed", options.seed)),
            image_size=tuple(size) if size else options.image_size,
        )
    # Left to `auto`, so that it is found out whether these are photographs.
    job = prepare_job(source, options, model=plan.model if plan else "auto")
    if plan is None and job.model == "auto":
        plan = ClassifierPlan(AUTO_MODEL, recipe_of(AUTO_MODEL, {}))
    if plan is not None:
        job = dataclasses.replace(job, model=plan.model, recipe=plan.recipe, config=plan.config)
    before, labels = job.splits, _labels_now(found)
    after = Splits(
        _cleaned(before.train, labels),
        _cleaned(before.val, labels),
        _cleaned(before.test, labels),
        ruled_out=_beside(before, found),
    )
    for part in (before.train, after.train):
        check_trainable(part)
    if not len(after.val):
        raise DataError("the clean-up leaves no validation picture", cure="Leave out fewer pictures.")
    place = wanted.ledger or options.folder("relabel").parent / LEDGER_FILE
    return ProofTask(job, after, options, RepairLedger(place), wanted)


def _labels_now(found: Mapping[str, Replayed]) -> dict[str, str]:
    return {
        name: images.class_names[label]
        for images in (one.images for one in found.values())
        for name, label in zip(images.ids, images.require_labels().tolist(), strict=True)
    }


def _beside(before: Splits, found: Mapping[str, Replayed]) -> RuledOut | None:
    """What is known of training pictures only for what they are not; of pictures that the model is chosen on
    or tested by nothing is learned.
    """
    mine, sets = set(before.train.ids), [] if before.ruled_out is None else [before.ruled_out]
    fresh = [one.ruled_out for one in found.values() if one.ruled_out is not None]
    sets += [one.take([row for row, name in enumerate(one.images.ids) if name in mine]) for one in fresh]
    sets = [one for one in sets if len(one)]
    if not sets:
        return None
    images = concatenate([one.images for one in sets])
    return RuledOut(images, np.concatenate([one.classes for one in sets]))


def _cleaned(part: ImageSet, labels: Mapping[str, str]) -> ImageSet:
    """A part with the labels that its pictures have now, without those that have none."""
    kept = part.take([row for row, name in enumerate(part.ids) if name in labels])
    given, names = kept.require_labels(), part.class_names
    others = {row: labels[name] for row, name in enumerate(kept.ids) if labels[name] != names[given[row]]}
    step = {"verb": "relabel", "changed": len(others), "left_out": len(part) - len(kept)}
    return kept.relabel(others, step=step) if others else kept


def prove_cleanup(
    task: ProofTask, used: Sequence[Decision], versions: tuple[Mapping[str, str], Mapping[str, str]]
) -> tuple[LedgerEntry, tuple[str, ...]]:
    """Train on both, try both on the test part, and append the outcome to the ledger; (entry, notes).

    OUT/proof keeps what either model says of the test pictures. A run that was named records that its test
    part was used once more.

    Args:
        used: the decisions of the clean-up.
        versions: of every part before and after.
    """
    job, options, test = task.job, task.options, task.job.splits.test
    folder, notes = (
        make_folder(options.folder("relabel") / PROOF_FOLDER),
        list(task.ledger.read().notes(task.ledger.path)),
    )
    plan = ClassifierPlan(job.model, job.recipe, job.config)
    read: list[Predictions] = []
    for name, splits in (("before", job.splits), ("after", task.after)):
        options.report("proof", len(read), 2, name)
        training = dataclasses.replace(options.training(folder), folder=None, ruled_out=splits.ruled_out)
        fitted = calibrate(plan.fit(splits.train, splits.val, training), splits.val)
        predictions = dataclasses.replace(predict(fitted, test), name=name)
        predictions.save(folder / f"{name}.parquet")
        read.append(predictions)
    options.report("proof", 2, 2)
    if task.wanted.run:
        command = options.command or "relabel"
        notes += record_scoring(task.wanted.run, test.version, command, folder / TOUCH_FILE).notes
    entry = _entry(task, read, used, versions)
    task.ledger.append(entry)
    return entry, (*notes, *_notes(task, entry))


def _entry(
    task: ProofTask,
    read: Sequence[Predictions],
    used: Sequence[Decision],
    versions: tuple[Mapping[str, str], Mapping[str, str]],
) -> LedgerEntry:
    before, after, job = task.job.splits, task.after, task.job
    as_given = cleanup_effect(*(one.correct for one in read))
    cleaned = None
    if task.test_changed and len(after.test):
        place = {name: row for row, name in enumerate(before.test.ids)}
        rows = np.array([place[name] for name in after.test.ids])
        truth = after.test.require_labels()
        cleaned = cleanup_effect(*(one.pred_probs[rows].argmax(axis=1) == truth for one in read))
    test = json_digest({"pictures": sorted(before.test.content_hashes)}, 8)
    said = task.wanted.minutes
    return LedgerEntry(
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        parent=json_digest(dict(versions[0]), 8),
        version=json_digest(dict(versions[1]), 8),
        test=test,
        model=job.model,
        seed=task.options.seed,
        decisions=len(used),
        minutes=sum(one.seconds for one in used) / 60 if said is None else said,
        changed=sum(_differences(getattr(before, part), getattr(after, part))[0] for part in _PARTS),
        left_out=sum(_differences(getattr(before, part), getattr(after, part))[1] for part in _PARTS),
        uses=1 + sum(one.test == test for one in task.ledger.read().records),
        as_given=as_given,
        cleaned=cleaned,
        verdict=as_given.verdict,
    )


_PARTS = ("train", "val", "test")


def _differences(before: ImageSet, after: ImageSet) -> tuple[int, int]:
    """(labels that are others, pictures that are gone)."""
    now = dict(zip(after.ids, after.require_labels().tolist(), strict=True))
    was = zip(before.ids, before.require_labels().tolist(), strict=True)
    return sum(now.get(name, label) != label for name, label in was), len(before) - len(after)


def _notes(task: ProofTask, entry: LedgerEntry) -> list[str]:
    notes = []
    if not entry.minutes and task.wanted.minutes is None:
        notes.append("the decisions do not say how long they took: `minutes` notes it in the ledger")
    if entry.uses > 1:
        notes.append(
            f"these test pictures have now answered {entry.uses} times for {task.ledger.path.name}: the more "
            "often they are asked, the likelier a gain by chance"
        )
    if entry.cleaned is not None:
        notes.append(
            "labels of the test part were cleaned: the verdict is by the labels as they were; by the cleaned "
            "ones a clean-up is flattered by its own decisions"
        )
    return notes
