"""`score`: from predictions with labels to an `Evaluation`, every share with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.plain import fields_json
from lightfast.evaluate.calibration import ece, ece_by_chance
from lightfast.evaluate.macro import macro_f1_bounds
from lightfast.evaluate.predictions import Predictions, checked_labels
from lightfast.statistics.intervals import Interval, wilson, wilson_bounds


@dataclass(frozen=True)
class ClassScore:
    """One class: precision, recall and F1 in 0..1 (0 where undefined), each with its 95 % interval, and how
    many pictures carry its label.

    Precision and recall have Wilson's interval. F1 = 2J / (1 + J) with J = TP / (TP + FP + FN), which rises
    with J; given how many pictures are of the class or read as it, J is a plain share, so both ends of its
    Wilson interval map to those of F1. A share of no pictures, and the F1 of a class that no picture is of,
    may be anything: (0, 1).
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int
    precision_interval: Interval
    recall_interval: Interval
    f1_interval: Interval


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How well one set of predictions agrees with its labels.

    Attributes:
        name: name of the predictions.
        n: pictures scored.
        accuracy: share of right top-1 predictions, 0..1.
        accuracy_interval: its 95 % Wilson interval.
        top_k: k → (share of pictures whose label is among the k most probable, its interval).
        macro_precision, macro_recall, macro_f1: plain means over the classes that occur as label or as
            prediction.
        macro_f1_interval: 95 % interval of macro F1 (`macro.macro_bounds`).
        roc_auc: area under the ROC curve, one class against the rest, plain mean over the classes that occur
            both as label and not; None when there is no such class. 0..1, 0.5 = no better than chance.
        per_class: one `ClassScore` a class, in the order of the class names.
        confusion: int64 (K, K), rows = given label, columns = predicted label.
        ece: expected calibration error, 15 bins, 0..1.
        ece_by_chance: what it stays below in 95 of 100 perfectly calibrated models of these confidences
            (`calibration.ece_by_chance`).
        seed: seed of the model, or None.
    """

    name: str
    n: int
    accuracy: float
    accuracy_interval: Interval
    top_k: Mapping[int, tuple[float, Interval]]
    macro_precision: float
    macro_recall: float
    macro_f1: float
    macro_f1_interval: Interval
    roc_auc: float | None
    per_class: tuple[ClassScore, ...]
    confusion: NDArray[np.int64]
    ece: float
    ece_by_chance: float
    seed: int | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of the confusion matrix."""
        return tuple(row.name for row in self.per_class)

    @property
    def miscalibrated(self) -> bool:
        """Whether confidence differs from accuracy by more than chance alone explains."""
        return self.ece > self.ece_by_chance

    def calibration_sentence(self) -> str:
        """Whether the confidence means what it says, in words; of too few pictures nothing is claimed."""
        if not self.miscalibrated:
            return f"That confidence differs from accuracy is not shown (n = {self.n:,})"
        return (
            f"Confidence differs from accuracy by {100 * self.ece:.1f} % on average (n = {self.n:,}; by "
            f"chance alone up to {100 * self.ece_by_chance:.1f} %)"
        )

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values under the keys that `metrics.json` and `--json` share."""
        top_k = {
            str(k): {"accuracy": value, "interval": list(interval)}
            for k, (value, interval) in self.top_k.items()
        }
        return fields_json(self) | {"top_k": top_k}


def score(predictions: Predictions, *, top_k: Sequence[int] = (1, 3)) -> Evaluation:
    """Score labelled predictions; raises DataError when there are no labels or no pictures.

    A `top_k` entry that every guess would pass (k at least the number of classes) is left out, except k = 1.
    """
    labels = predictions.require_labels()
    if len(predictions) == 0:
        raise DataError(f"{predictions.name}: no pictures to score")
    confusion = confusion_matrix(labels, predictions.predicted_labels, predictions.num_classes)
    per_class = class_scores(confusion, predictions.class_names)
    seen = [per_class[k] for k in np.flatnonzero(confusion.sum(axis=0) + confusion.sum(axis=1))]
    means: dict[str, Any] = {
        f"macro_{name}": float(np.mean([getattr(row, name) for row in seen]))
        for name in ("precision", "recall", "f1")
    }
    right = int(confusion.trace())
    areas = one_vs_rest_auc(predictions.pred_probs, labels)
    return Evaluation(
        name=predictions.name,
        n=len(predictions),
        seed=predictions.seed,
        confusion=confusion,
        per_class=per_class,
        accuracy=right / len(predictions),
        accuracy_interval=wilson(right, len(predictions)),
        top_k={
            k: top_k_accuracy(predictions.pred_probs, labels, k)
            for k in top_k
            if k == 1 or k < predictions.num_classes
        },
        **means,
        macro_f1_interval=macro_f1_bounds(confusion),
        roc_auc=None if np.isnan(areas).all() else float(np.nanmean(areas)),
        ece=ece(predictions.pred_probs, labels),
        ece_by_chance=ece_by_chance(predictions.pred_probs),
    )


def confusion_matrix(labels: ArrayLike, predicted_labels: ArrayLike, num_classes: int) -> NDArray[np.int64]:
    """int64 (K, K) counts: rows = given label, columns = predicted label."""
    given, predicted = (
        checked_labels(side, np.size(labels), num_classes, "confusion") for side in (labels, predicted_labels)
    )
    return np.bincount(given * num_classes + predicted, minlength=num_classes**2).reshape(
        num_classes, num_classes
    )


def class_scores(confusion: NDArray[np.int64], class_names: Sequence[str]) -> tuple[ClassScore, ...]:
    """Precision, recall and F1 a class, with intervals, from a confusion matrix (rows = given label)."""
    hits, support, guesses = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    shares = (_share(hits, guesses), _share(hits, support), _share(2 * hits, support + guesses))
    bounds = (wilson_bounds(hits, guesses), wilson_bounds(hits, support), _f1_bounds(hits, support, guesses))
    precision, recall, f1 = (side.tolist() for side in shares)
    around = (
        [Interval(*ends) for ends in zip(low.tolist(), high.tolist(), strict=True)] for low, high in bounds
    )
    return tuple(map(ClassScore, map(str, class_names), precision, recall, f1, support.tolist(), *around))


def one_vs_rest_auc(pred_probs: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """float64 (K,): area under the ROC curve of each class against the rest, 0..1; NaN for a class that all
    or no pictures are of.

    The share of pairs (picture of the class, other picture) in which the class is more probable for the
    first; equal ones count half (Mann and Whitney 1947).
    """
    areas = np.full(pred_probs.shape[1], np.nan)
    for k in range(len(areas)):
        own = labels == k
        inside, outside = np.sort(pred_probs[own, k]), np.sort(pred_probs[~own, k])
        if len(inside) and len(outside):
            below, upto = (np.searchsorted(outside, inside, side).mean() for side in ("left", "right"))
            areas[k] = (below + upto) / 2 / len(outside)
    return areas


def top_k_accuracy(
    pred_probs: NDArray[np.float32], labels: NDArray[np.int64], k: int
) -> tuple[float, Interval]:
    """Share of pictures whose label is among the `k` most probable classes (of equals,
    the lower number first), with its interval.
    """
    if k < 1:
        raise SettingsError(f"top_k {k}", expected="at least 1")
    own = np.take_along_axis(pred_probs, labels[:, None], axis=1)
    earlier = np.arange(pred_probs.shape[1]) < labels[:, None]
    rank = (pred_probs > own).sum(axis=1) + ((pred_probs == own) & earlier).sum(axis=1)
    hits = int((rank < k).sum())
    return hits / len(labels), wilson(hits, len(labels))


def mce(errors: Mapping[str, Sequence[float]], baseline: Mapping[str, Sequence[float]]) -> float:
    """Mean corruption error (Hendrycks and Dietterich 2019, section 4): 1 = as bad as the baseline, 0 = no
    error.

    For each corruption c, CE_c = sum over severities of the model's errors / sum over severities of the
    baseline's errors; the result is the mean of CE_c. The paper's baseline is AlexNet and it prints 100 ×
    this; name your baseline beside the figure.

    Args:
        errors: corruption name → error rates (0..1), one a severity.
        baseline: the same corruptions and severities, measured with the baseline model.
    """
    if set(errors) != set(baseline) or not errors:
        differing = ", ".join(sorted(set(errors) ^ set(baseline))) or "none given"
        raise DataError(
            "mce",
            expected="the same corruptions for the model and its baseline",
            got=f"a difference in: {differing}",
        )
    return float(np.mean([_corruption_error(name, errors[name], baseline[name]) for name in errors]))


def _corruption_error(name: str, errors: Sequence[float], baseline: Sequence[float]) -> float:
    if len(errors) != len(baseline) or sum(baseline) <= 0:
        raise DataError(
            f"mce: {name}",
            expected="as many severities in the baseline, with at least one error",
            got=f"{len(errors)} and {len(baseline)} severities, baseline errors {list(baseline)}",
        )
    return float(sum(errors)) / float(sum(baseline))


def _f1_bounds(
    hits: NDArray, support: NDArray, guesses: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = wilson_bounds(hits, support + guesses - hits)
    unknown = support == 0
    return np.where(unknown, 0.0, 2 * low / (1 + low)), np.where(unknown, 1.0, 2 * high / (1 + high))


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
