"""Detect → restore → read again: one pass over pictures of unknown state, by rules that were calibrated on
validation pictures.

No label of the pictures is ever looked at: what is restored is decided by the detector, what is kept by the
reader's own confidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import CheckpointError
from lightfast.base.files import load_json, write_json
from lightfast.base.randomness import generator
from lightfast.data.images import ImageSet
from lightfast.evaluate.calibration import apply_temperature, fit_temperature
from lightfast.evaluate.compare import PairedTest, mcnemar
from lightfast.evaluate.predict import pred_probs
from lightfast.evaluate.predictions import Predictions
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.load import load_checkpoint
from lightfast.restore.detector import UNKNOWN, Damage, detect
from lightfast.restore.pairs import DamageMix
from lightfast.restore.rules import (
    CONFIDENCE,
    UNKNOWN_MARGIN,
    Rehearsal,
    choose_margin,
    rehearsed,
    review_thresholds,
)
from lightfast.restore.views import restored_and_read


@dataclass(frozen=True)
class RepairCalibration:
    """The calibrated part of a pipeline.

    Attributes:
        margins: damage kind → the re-read is kept when its confidence exceeds the first prediction's by more
            than this (-1 always, 2 never); `unknown` has its own.
        temperature: of re-read probabilities, on top of the classifier's own.
        review_threshold: final predictions below this confidence go to a person.
        target_accuracy: accuracy wanted of what does not go to a person; `review_threshold` was chosen for
            it.
        n: damaged validation pictures that they were fitted on.
        review_thresholds: damage kind → its own threshold in place of `review_threshold`: a prediction of 99
            % confidence is worth less on canny edges than on a clean picture.
        confidence: how surely `target_accuracy` holds for every kind on fresh pictures, 0..1; None for rules
            of an earlier version, which held on the validation pictures alone.
    """

    margins: Mapping[str, float]
    temperature: float
    review_threshold: float
    target_accuracy: float
    n: int
    review_thresholds: Mapping[str, float] = field(default_factory=dict)
    confidence: float | None = None

    def threshold(self, kind: str) -> float:
        """The confidence below which a final prediction under this damage goes to a person."""
        return self.review_thresholds.get(kind, self.review_threshold)


@dataclass(frozen=True, eq=False)
class Repair:
    """What became of N pictures.

    Attributes:
        before: first predictions; `after`: final predictions (the first one where nothing better was found).
            Same rows.
        damage: what the detector said.
        restored: uint8 (N, H, W, C), equal to the input where nothing was restored; where the restorer has
            several views, that of the unmoved picture.
        attempted, kept: bool (N,): the picture was restored; the re-read replaced the first prediction.
        needs_review: bool (N,): for a person, with `reasons` (empty text where not doubtful).
    """

    before: Predictions
    after: Predictions
    damage: Damage
    restored: NDArray[np.uint8]
    attempted: NDArray[np.bool_]
    kept: NDArray[np.bool_]
    needs_review: NDArray[np.bool_]
    reasons: tuple[str, ...]

    @cached_property
    def paired(self) -> PairedTest:
        """McNemar's test of the first against the final predictions of the same labelled pictures."""
        test = mcnemar(self.before, self.after)
        return replace(test, before_name="the first reading", after_name="the repaired reading")

    @property
    def sure_accuracy(self) -> float | None:
        """The accuracy of the final predictions that no person checks; None where there is none."""
        sure = ~self.needs_review
        return float(self.after.correct[sure].mean()) if sure.any() else None


@dataclass(frozen=True, eq=False)
class Pipeline:
    """A frozen classifier with the detector and the restorer that stand before it,
    and the rules between them.
    """

    classifier: Checkpoint
    detector: Checkpoint
    restorer: Checkpoint
    calibration: RepairCalibration

    def save(self, folder: Path) -> Path:
        """Write detector/, restorer/ and rules.json into `folder`; the classifier stays where it is
        (its data version is noted).
        """
        self.detector.save(folder / "detector")
        self.restorer.save(folder / "restorer")
        rules = asdict(self.calibration) | {"class_names": self.classifier.class_names}
        write_json(folder / "rules.json", rules)
        return folder

    @classmethod
    def load(cls, folder: Path, classifier: Checkpoint) -> Self:
        """Read what `save` wrote; raises CheckpointError when it was calibrated for another class list."""
        content: dict[str, Any] = load_json(folder / "rules.json")
        # What the versions before called the two fields.
        for old, name in (("doubt", "review_threshold"), ("doubts", "review_thresholds")):
            content |= {name: content.pop(old)} if old in content else {}
        classifier.require_classes(tuple(content.pop("class_names")), str(folder))
        return cls(
            classifier,
            load_checkpoint(folder / "detector"),
            load_checkpoint(folder / "restorer"),
            RepairCalibration(**content),
        )


def repair(pipeline: Pipeline, images: ImageSet) -> Repair:
    """Detect the damage of every picture, restore what is not surely clean, read again, keep the better
    prediction, name the doubtful.

    Pictures of another shape than the restorer's are refused (CheckpointError); labels, when there, only
    travel along.
    """
    if images.image_shape != pipeline.restorer.image_shape:
        raise CheckpointError(
            f"{images.name}",
            expected=f"pictures of {pipeline.restorer.image_shape} (H, W, C)",
            got=str(images.image_shape),
            cure="Give pictures of the size and channels that the run was trained on.",
        )
    if images.labels is not None:
        pipeline.classifier.require_classes(images.class_names, images.name)
    damage = detect(pipeline.detector, images.images)
    first = pred_probs(pipeline.classifier, images.images)
    restored, again = _reread(pipeline, images.images, damage, first)
    kept = keep_restored(pipeline.calibration, damage, first, again)
    final = np.where(kept[:, None], again, first)
    names, seed = pipeline.classifier.class_names, pipeline.classifier.details.get("seed")
    before = Predictions(first, names, images.ids, images.labels, "before repair", seed)
    after = Predictions(final, names, images.ids, images.labels, "after repair", seed)
    reasons = _reasons(pipeline.calibration, damage, before, after)
    needs_review = np.array([bool(reason) for reason in reasons], dtype=bool)
    return Repair(before, after, damage, restored, ~damage.is_clean, kept, needs_review, reasons)


def _reread(
    pipeline: Pipeline, images: NDArray[np.uint8], damage: Damage, first: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """(restored pictures, their probabilities);
    rows that are surely clean keep picture and first prediction.
    """
    rows = np.flatnonzero(~damage.is_clean)
    restored, again = images.copy(), first.copy()
    if len(rows):
        restored[rows], probs = restored_and_read(pipeline.classifier, pipeline.restorer, images[rows])
        again[rows] = apply_temperature(probs, pipeline.calibration.temperature)
    return restored, again


def keep_restored(
    calibration: RepairCalibration, damage: Damage, first: NDArray[np.float32], again: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """bool (N,): the re-read is kept. `first` and `again` are float32 (N, K) probabilities."""
    margins = np.array([calibration.margins.get(name, UNKNOWN_MARGIN) for name in damage.names])
    return ~damage.is_clean & (again.max(axis=1) - first.max(axis=1) > margins)


def _reasons(
    calibration: RepairCalibration, damage: Damage, before: Predictions, after: Predictions
) -> tuple[str, ...]:
    reasons = [""] * len(after)
    for row, name in enumerate(damage.names):
        confidence = float(after.confidence[row])
        if confidence < calibration.threshold(name):
            said = f", damage {name}" if name == UNKNOWN else f" after {name}" if name != "clean" else ""
            reasons[row] = f"reading only {confidence:.0%} sure{said}"
            old, new = (before.class_names[side.predicted_labels[row]] for side in (before, after))
            if old != new:
                reasons[row] += f"; repair changed {old} to {new}"
    return tuple(reasons)


def calibrate_pipeline(
    classifier: Checkpoint,
    kit: tuple[Checkpoint, Checkpoint],
    val_images: ImageSet,
    mix: DamageMix,
    *,
    seed: int = 0,
    target_accuracy: float = 0.995,
) -> Pipeline:
    """Put `kit` = (detector, restorer) before the frozen classifier, with rules fitted on `val_images`
    damaged by every kind of `mix` in turn.

    Fitted are the re-read temperature, a margin a damage kind (`rules.choose_margin`), and a review threshold
    a kind (`rules.review_thresholds`), by which the predictions that no person checks reach `target_accuracy`
    (0..1) on fresh pictures as well. All are of re-readings over the restorer's own views (`restore.views`).
    """
    rng = generator(seed, "pipeline-calibration")
    degraded, labels, true = rehearsed(val_images, mix, rng)
    pipeline = Pipeline(classifier, *kit, RepairCalibration({}, 1.0, 0.0, target_accuracy, len(degraded)))
    damage = detect(pipeline.detector, degraded)
    first = pred_probs(classifier, degraded)
    _, again = _reread(pipeline, degraded, damage, first)
    attempted, temperature = ~damage.is_clean, 1.0
    if attempted.any():
        temperature = fit_temperature(np.log(np.clip(again[attempted], 1e-12, None)), labels[attempted])
    again[attempted] = apply_temperature(again[attempted], temperature)
    rows = Rehearsal(np.array(damage.names), true, first, again, labels)
    margins = {name: choose_margin(rows.of(rows.found == name)) for name in (*mix.kinds[1:], UNKNOWN)}
    calibration = replace(pipeline.calibration, margins=margins, temperature=temperature)
    final = np.where(keep_restored(calibration, damage, first, again)[:, None], again, first)
    right = final.argmax(axis=1) == labels
    common, own = review_thresholds(final.max(axis=1), right, rows, target_accuracy)
    calibration = replace(calibration, review_threshold=common, review_thresholds=own, confidence=CONFIDENCE)
    return replace(pipeline, calibration=calibration)
