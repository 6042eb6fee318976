"""How far damage hurts a classifier: accuracy by corruption and severity, with intervals,
and mCE against a named baseline.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.base.plain import HIDDEN, fields_json
from lightfast.base.progress import Reporter, silent
from lightfast.base.randomness import generator
from lightfast.corrupt.registry import CORRUPTIONS, SeverityTable
from lightfast.corrupt.suite import SUITES, corrupt
from lightfast.data.images import ImageSet
from lightfast.evaluate.metrics import mce
from lightfast.statistics.bounded_mean import bounded_mean
from lightfast.statistics.intervals import Interval, wilson

if TYPE_CHECKING:
    from lightfast.models.checkpoint import Checkpoint

NO_BASELINE = "no baseline"
PredictProbs = Callable[[NDArray[np.uint8]], NDArray[np.floating]]
"""uint8 (N, H, W, C) → class probabilities (N, K)."""
PredictMany = Callable[[NDArray[np.uint8]], Mapping[str, NDArray[np.floating]]]
"""The same pictures read in several ways at once: name of the way → class probabilities (N, K)."""
DamageCell = tuple[str, int, SeverityTable]
"""(corruption, severity, table of severities)."""


@dataclass(frozen=True)
class CorruptionScore:
    """Accuracy (0..1, with its 95 % Wilson interval) on `n` pictures damaged
    by one corruption at one severity.
    """

    corruption: str
    family: str
    severity: int
    n: int
    accuracy: float
    interval: Interval


@dataclass(frozen=True, eq=False)
class Robustness:
    """Accuracy under every corruption of a suite, all measured on the same pictures.

    Attributes:
        suite: name of the suite.
        seed: of the damage.
        n: pictures, each damaged in every way.
        rows: one score a (corruption, severity).
        clean_accuracy, clean_interval: the undamaged pictures, 0..1.
        correct: bool (rows, n), which pictures were read rightly: for paired tests and for the interval of
            the mean.
        mce: mean corruption error against `baseline` (1 = as many errors), or None.
        baseline: name of the baseline, or "no baseline".
    """

    JSON_PROPERTIES: ClassVar = ("robust_accuracy", "robust_interval")

    suite: str
    seed: int
    n: int
    rows: tuple[CorruptionScore, ...]
    clean_accuracy: float
    clean_interval: Interval
    correct: NDArray[np.bool_] = field(repr=False, metadata=HIDDEN)
    mce: float | None = None
    baseline: str = NO_BASELINE

    @property
    def errors(self) -> dict[str, list[float]]:
        """Corruption → error rates (0..1), one a severity: what serves as a baseline for another model."""
        return {name: [1 - row.accuracy for row in rows] for name, rows in self.by_corruption.items()}

    @cached_property
    def by_corruption(self) -> dict[str, tuple[CorruptionScore, ...]]:
        """Corruption → its rows, mild to strong."""
        names = dict.fromkeys(row.corruption for row in self.rows)
        return {name: tuple(row for row in self.rows if row.corruption == name) for name in names}

    @cached_property
    def corruption_means(self) -> dict[str, float]:
        """Corruption → mean accuracy over its severities."""
        return {
            name: float(np.mean([row.accuracy for row in rows])) for name, rows in self.by_corruption.items()
        }

    @cached_property
    def robust_accuracy(self) -> float:
        """Mean over the corruptions of their means: each corruption counts the same,
        whatever its number of severities.
        """
        return float(np.mean(list(self.corruption_means.values())))

    @cached_property
    def robust_interval(self) -> Interval:
        """95 % interval of `robust_accuracy`: of the pictures' own means over all of their damages, since
        those are not independent predictions.
        """
        weights = np.array(
            [1 / (len(self.by_corruption) * len(self.by_corruption[row.corruption])) for row in self.rows]
        )
        return robust_mean_interval(weights @ self.correct, self.seed)

    def against(self, baseline: Robustness | Mapping[str, Sequence[float]], name: str) -> Self:
        """A copy with its mCE against `baseline` (another result, or corruption → error rates),
        which is called `name`.
        """
        errors = baseline.errors if isinstance(baseline, Robustness) else baseline
        return dataclasses.replace(self, mce=mce(self.errors, errors), baseline=name)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return fields_json(self) | {"per_corruption": self.corruption_means}


def robust_mean_interval(means: NDArray[np.float64], seed: int) -> Interval:
    """95 % interval (`bounded_mean`) of the mean of pictures' own mean accuracies, (N,) in 0..1. Where
    all were read rightly under every damage it is Clopper and Pearson's.
    """
    return bounded_mean(np.clip(means, 0.0, 1.0), (0.0, 1.0), generator(seed, "robust-interval"))


def robustness(
    classifier: Checkpoint | PredictProbs,
    images: ImageSet,
    suite: str,
    *,
    severities: Sequence[int] | None = None,
    seed: int = 0,
    report: Reporter = silent,
) -> Robustness:
    """Read labelled clean pictures under every corruption of `suite`.

    Args:
        classifier: a classifier checkpoint, or any function from uint8 pictures (N, H, W, C) to class
            probabilities (N, K): a classifier behind repair, for instance.
        images: clean, labelled; each picture is damaged in every way. Use `sample` for fewer.
        suite: a registered suite, at its own severities or at `severities` (1..5).
        seed: of the damage; the same seed damages alike, so results with one seed are paired.
        report: told after each corruption.

    Raises:
        UnknownName: no such suite. DataError: no labels or no pictures.
    """
    predict = _predict_function(classifier, images)
    return robustness_of_many(
        lambda pictures: {"": predict(pictures)},
        images,
        suite,
        severities=severities,
        seed=seed,
        report=report,
    )[""]


def robustness_of_many(
    predict: PredictMany,
    images: ImageSet,
    suite: str,
    *,
    severities: Sequence[int] | None = None,
    seed: int = 0,
    report: Reporter = silent,
) -> dict[str, Robustness]:
    """Like `robustness` for several classifiers of the same damaged pictures (before and after repair):
    one result each.
    """
    labels = images.require_labels()
    if not len(images):
        raise DataError(f"{images.name}: no pictures to damage")
    entries = SUITES.get(suite).entries
    cells: list[DamageCell] = [
        (name, level, table) for name, own, table in entries for level in (severities or own)
    ]
    clean = {key: _right(probs, labels) for key, probs in predict(images.images).items()}
    correct: dict[str, list[NDArray[np.bool_]]] = {key: [] for key in clean}
    for done, (name, severity, table) in enumerate(cells, start=1):
        damaged = corrupt(images, name, severity, seed, table).images
        for key, probs in predict(damaged).items():
            correct[key].append(_right(probs, labels))
        report("corruptions", done, len(cells), f"{name} {severity}")
    return {key: _gathered(suite, seed, cells, clean[key], np.array(correct[key])) for key in clean}


def _predict_function(classifier: Checkpoint | PredictProbs, images: ImageSet) -> PredictProbs:
    if not hasattr(classifier, "role"):
        return classifier  # pyright: ignore[reportReturnType]
    # Here, because the statistics of this module serve readers that need no torch.
    from lightfast.evaluate.predict import pred_probs

    checkpoint: Any = classifier
    checkpoint.require_classes(images.class_names, images.name)
    return lambda pictures: pred_probs(checkpoint, pictures)


def _right(probs: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    if probs.ndim != 2 or len(probs) != len(labels):
        wanted = f"probabilities of shape ({len(labels)}, classes)"
        raise DataError("robustness: the reader's answer", expected=wanted, got=str(probs.shape))
    return probs.argmax(axis=1) == labels


def _gathered(
    suite: str, seed: int, cells: Sequence[DamageCell], clean: NDArray[np.bool_], correct: NDArray[np.bool_]
) -> Robustness:
    n = len(clean)
    rows = tuple(
        CorruptionScore(
            name,
            CORRUPTIONS.get(name).family,
            int(severity),
            n,
            float(right.mean()),
            wilson(int(right.sum()), n),
        )
        for (name, severity, _), right in zip(cells, correct, strict=True)
    )
    return Robustness(suite, seed, n, rows, float(clean.mean()), wilson(int(clean.sum()), n), correct)
