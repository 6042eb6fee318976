"""`score`: from predictions with labels to an `Evaluation`, every share with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightfast.base.errors import DataError, SettingsError
from lightfast.evaluate.calibration import ece
from lightfast.evaluate.intervals import Interval, wilson
from lightfast.evaluate.predictions import Predictions, checked_labels


@dataclass(frozen=True)
class ClassScore:
    """One class: precision, recall and F1 in 0..1 (0 where undefined), and how many pictures carry its label."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How well one set of predictions agrees with its labels.

    Attributes:
        name: name of the predictions.
        n: pictures scored.
        accuracy: share of right top-1 predictions, 0..1.
        accuracy_interval: its 95 % Wilson interval.
        top_k: k → (share of pictures whose label is among the k most probable, its interval).
        macro_precision, macro_recall, macro_f1: plain means over the classes that occur as label or as prediction.
        per_class: one `ClassScore` a class, in the order of the class names.
        confusion: int64 (K, K), rows = given label, columns = predicted label.
        ece: expected calibration error, 15 bins, 0..1.
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
    per_class: tuple[ClassScore, ...]
    confusion: NDArray[np.int64]
    ece: float
    seed: int | None = None

    @property
    def error(self) -> float:
        """1 - accuracy."""
        return 1.0 - self.accuracy

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of the confusion matrix."""
        return tuple(row.name for row in self.per_class)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values under the keys that `metrics.json` and `--json` share."""
        return {
            "name": self.name, "n": self.n, "seed": self.seed,
            "accuracy": self.accuracy, "accuracy_interval": list(self.accuracy_interval),
            "top_k": {str(k): {"accuracy": value, "interval": list(interval)} for k, (value, interval) in self.top_k.items()},
            "macro_precision": self.macro_precision, "macro_recall": self.macro_recall, "macro_f1": self.macro_f1, "ece": self.ece,
            "per_class": [asdict(row) for row in self.per_class], "confusion": self.confusion.tolist(),
        }


def score(predictions: Predictions, *, top_k: Sequence[int] = (1, 3)) -> Evaluation:
    """Score labelled predictions; raises DataError when there are no labels or no pictures.

    A `top_k` entry that every guess would pass (k at least the number of classes) is left out, except k = 1.
    """
    labels = predictions.require_labels()
    if len(predictions) == 0:
        raise DataError(f"{predictions.name}: no pictures to score")
    confusion = confusion_matrix(labels, predictions.predicted_labels, predictions.num_classes)
    per_class = class_scores(confusion, predictions.class_names)
    seen = [row for row, occurs in zip(per_class, (confusion.sum(axis=0) + confusion.sum(axis=1)) > 0, strict=True) if occurs]
    right = int(confusion.trace())
    return Evaluation(
        name=predictions.name, n=len(predictions), seed=predictions.seed, confusion=confusion, per_class=per_class,
        accuracy=right / len(predictions), accuracy_interval=wilson(right, len(predictions)),
        top_k={k: top_k_accuracy(predictions.pred_probs, labels, k) for k in top_k if k == 1 or k < predictions.num_classes},
        macro_precision=float(np.mean([row.precision for row in seen])), macro_recall=float(np.mean([row.recall for row in seen])),
        macro_f1=float(np.mean([row.f1 for row in seen])), ece=ece(predictions.pred_probs, labels),
    )


def confusion_matrix(labels: ArrayLike, predicted_labels: ArrayLike, num_classes: int) -> NDArray[np.int64]:
    """int64 (K, K) counts: rows = given label, columns = predicted label."""
    given, predicted = (checked_labels(side, np.size(labels), num_classes, "confusion") for side in (labels, predicted_labels))
    return np.bincount(given * num_classes + predicted, minlength=num_classes**2).reshape(num_classes, num_classes)


def class_scores(confusion: NDArray[np.int64], class_names: Sequence[str]) -> tuple[ClassScore, ...]:
    """Precision, recall and F1 a class from a confusion matrix (rows = given label)."""
    hits, support, guesses = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    precision, recall, f1 = _share(hits, guesses), _share(hits, support), _share(2 * hits, support + guesses)
    rows = zip(class_names, precision, recall, f1, support, strict=True)
    return tuple(ClassScore(str(name), float(p), float(r), float(f), int(n)) for name, p, r, f, n in rows)


def top_k_accuracy(pred_probs: NDArray[np.float32], labels: NDArray[np.int64], k: int) -> tuple[float, Interval]:
    """Share of pictures whose label is among the `k` most probable classes (of equals, the lower number first), with its interval."""
    if k < 1:
        raise SettingsError(f"top_k {k}", expected="at least 1")
    own = np.take_along_axis(pred_probs, labels[:, None], axis=1)
    earlier = np.arange(pred_probs.shape[1]) < labels[:, None]
    rank = (pred_probs > own).sum(axis=1) + ((pred_probs == own) & earlier).sum(axis=1)
    hits = int((rank < k).sum())
    return hits / len(labels), wilson(hits, len(labels))


def mce(errors: Mapping[str, Sequence[float]], baseline: Mapping[str, Sequence[float]]) -> float:
    """Mean corruption error (Hendrycks and Dietterich 2019, section 4): 1 = as bad as the baseline, 0 = no error.

    For each corruption c, CE_c = sum over severities of the model's errors / sum over severities of the baseline's errors;
    the result is the mean of CE_c. The paper's baseline is AlexNet and it prints 100 × this; name your baseline beside the figure.

    Args:
        errors: corruption name → error rates (0..1), one a severity.
        baseline: the same corruptions and severities, measured with the baseline model.
    """
    if set(errors) != set(baseline) or not errors:
        differing = ", ".join(sorted(set(errors) ^ set(baseline))) or "none given"
        raise DataError("mce", expected="the same corruptions for the model and its baseline", got=f"a difference in: {differing}")
    return float(np.mean([_corruption_error(name, errors[name], baseline[name]) for name in errors]))


def _corruption_error(name: str, errors: Sequence[float], baseline: Sequence[float]) -> float:
    if len(errors) != len(baseline) or sum(baseline) <= 0:
        raise DataError(f"mce: {name}", expected="as many severities in the baseline, with at least one error",
                        got=f"{len(errors)} and {len(baseline)} severities, baseline errors {list(baseline)}")
    return float(sum(errors)) / float(sum(baseline))


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
