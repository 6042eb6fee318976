"""From the measured points of a sweep to its levels:
one figure with an interval for every cut of the data.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from lightfast.base.errors import DataError, LightfastError
from lightfast.base.plain import HIDDEN
from lightfast.base.randomness import generator
from lightfast.data.images import ImageSet
from lightfast.experiments.sweep import PointResult, SweepPoint
from lightfast.experiments.sweep_plan import SweepOptions
from lightfast.statistics.intervals import Interval, wilson_bounds
from lightfast.statistics.learning_curve import Forecast, LabelsNeeded, LearningCurve, fit_learning_curve
from lightfast.statistics.regression import Regression, ols

Measure = Callable[[PointResult], float]
INTERVAL_METHOD = (
    "95 %: scatter between repeats (Student's t; a level's own, steadied by that of all levels in proportion "
    "to p(1 − p)) and counting error of the held-out pictures (Wilson)"
)
# How many repeats the scatter of all levels counts for in that of one: where it does not shrink as p(1 − p),
# more would make the best level's interval too narrow (simulated: 84 % instead of 95 % when all are pooled,
# 92 % with two), fewer would make all of them wide.
_BORROWED = 2


@dataclass(frozen=True)
class Level:
    """All repeats of one cut: `value` is their mean, 0..1, measured on `n_test` pictures each;
    `interval` by `INTERVAL_METHOD`.
    """

    point: SweepPoint
    repeats: int
    n_train: int
    n_test: int
    value: float
    interval: Interval


def accuracy(one: PointResult) -> float:
    """The measure of most sweeps."""
    return one.accuracy


def recall_of(name: str) -> Measure:
    """The recall of one class."""
    return lambda one: one.recalls[name]


def levels(
    measured: Sequence[PointResult],
    measure: Measure = accuracy,
    counted: Callable[[PointResult], int] = lambda one: one.n_test,
) -> tuple[Level, ...]:
    """One level for every point, its repeats put together, in the order of their first appearance.

    The intervals are those of `INTERVAL_METHOD`: the variance of a level's repeats is averaged with that of
    all levels, which counts for two further repeats (a variance steadied by its neighbours, as in Smyth
    2004), and added to the counting error. In simulated sweeps they covered the true accuracy 97 to 100 times
    in 100, in the worst level of the worst case 92 times; with one repeat everywhere nothing is known of the
    scatter and they hold the counting error alone.

    Args:
        measured: points with repeats.
        measure: what is averaged, a share in 0..1.
        counted: how many held-out pictures that share counts (for a recall: those of the class).
    """
    groups: dict[SweepPoint, list[PointResult]] = {}
    for one in measured:
        groups.setdefault(dataclasses.replace(one.point, repeat=0), []).append(one)
    values = {point: np.array([measure(one) for one in group]) for point, group in groups.items()}
    # Repeats of one level are few. Their scatter shrinks as accuracy rises, about as counting error does: in
    # that unit levels are alike.
    freedom = sum(len(some) - 1 for some in values.values())
    squares = {
        point: float(((some - some.mean()) ** 2).sum()) / _unit(float(some.mean()), counted(groups[point][0]))
        for point, some in values.items()
    }
    found = []
    for point, group in groups.items():
        own = len(group) - 1
        borrowed = min(_BORROWED, freedom - own)
        pooled = sum(squares.values()) / freedom if freedom else 0.0
        variance = (borrowed * pooled + squares[point]) / (borrowed + own) if freedom else 0.0
        scatter = float(stdtrit(borrowed + own, 0.975)) * math.sqrt(variance) if freedom else 0.0
        found.append(_level(point, group, values[point], scatter, counted))
    return tuple(found)


def _level(
    point: SweepPoint,
    group: Sequence[PointResult],
    values: np.ndarray,
    scatter: float,
    counted: Callable[[PointResult], int],
) -> Level:
    mean, n = float(values.mean()), counted(group[0])
    low, high = (float(end) for end in wilson_bounds(mean * n, n))
    spread = scatter * math.sqrt(_unit(mean, n) / len(values))
    interval = Interval(
        max(0.0, mean - math.hypot(mean - low, spread)), min(1.0, mean + math.hypot(high - mean, spread))
    )
    return Level(point, len(group), group[0].n_train, n, mean, interval)


def _unit(share: float, n: int) -> float:
    """p(1 − p), kept from 0 where all or none were right."""
    inside = min(max(share, 0.5 / n), 1 - 0.5 / n)
    return inside * (1 - inside)


def size_curve(measured: Sequence[PointResult], seed: int, *, other_pictures: bool = True) -> LearningCurve:
    """The learning curve through all points of a sweep over training pictures; needs at least three sizes.

    Its intervals are those of other pictures of the kind; without `other_pictures` those of accuracies on the
    same held-out pictures, which all points share.
    """
    return fit_learning_curve(
        [one.n_train for one in measured],
        [one.accuracy for one in measured],
        rng=generator(seed, "learning curve"),
        test_n=measured[0].n_test,
        shared=other_pictures,
    )


def held_out_forecast(measured: Sequence[PointResult], seed: int) -> tuple[Forecast, float]:
    """(what the curve through all smaller sizes says of the largest, the mean that was measured there).

    Raises DataError when fewer than three smaller sizes were measured.
    """
    largest = max(one.n_train for one in measured)
    smaller = [one for one in measured if one.n_train < largest]
    if len({one.n_train for one in smaller}) < 3:
        raise DataError(
            "forecast of the largest size",
            expected="at least three smaller sizes",
            cure="Sweep over more sizes.",
        )
    last = [one.accuracy for one in measured if one.n_train == largest]
    # The largest size was measured on the same pictures.
    curve = size_curve(smaller, seed, other_pictures=False)
    return curve.predict(largest, repeats=len(last)), float(np.mean(last))


def size_regression(measured: Sequence[PointResult]) -> Regression:
    """Accuracy on the logarithm of the training pictures (base 2: the coefficient is that of a doubling)."""
    return _accuracy_on(measured, doublings=np.log2([one.n_train for one in measured]))


def last_loss(one: PointResult) -> float:
    """Cross-entropy of the held-out pictures after the last epoch."""
    return one.epochs[max(one.epochs)]["val_loss"]


def class_regression(
    measured: Sequence[PointResult], measure: Measure = accuracy, response: str = "accuracy"
) -> Regression:
    """`measure`, called `response`, on the number of classes and, where it varies, the training pictures a
    class.
    """
    columns = {name: [getattr(one.point, name) or 0 for one in measured] for name in ("classes", "rows")}
    varied = {name: some for name, some in columns.items() if len(set(some)) > 1}
    return ols({response: [measure(one) for one in measured], **varied}, response, list(varied))


def _accuracy_on(measured: Sequence[PointResult], **columns: ArrayLike) -> Regression:
    return ols({"accuracy": [one.accuracy for one in measured], **columns}, "accuracy", list(columns))


def imbalance_regression(measured: Sequence[PointResult], minority: str) -> Regression:
    """Recall of the minority on the logarithm of its pictures (base 10), points without a remedy only."""
    plain = [
        (one.recalls[minority], one.point.minority[1])
        for one in measured
        if one.point.balance == "none" and one.point.minority
    ]
    recalls, sizes = np.array(plain).reshape(-1, 2).T
    return ols({"recall": recalls, "tenfold": np.log10(sizes)}, "recall", ["tenfold"])


EACH = {
    "doublings": "each doubling of the training pictures",
    "classes": "each class",
    "rows": "every 100 pictures a class",
    "tenfold": "ten times the pictures of the class",
}
"""Column of a regression → what one step of it is."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SweepSummary:
    """What a sweep found: every measured point, the levels, and the models through them (None:
    too few points, see `notes`).

    Attributes:
        sweep_options: what was asked.
        levels, minority_recall: by accuracy; by the recall of the class `minority` that was made rare.
        forecast: accuracies along `curve`, from the smallest size measured to where the target is reached.
    """

    JSON_PROPERTIES = ("over", "repeats", "sentences")

    sweep_options: SweepOptions = field(metadata=HIDDEN)
    points: Sequence[PointResult]
    levels: Sequence[Level]
    interval_method: str = INTERVAL_METHOD
    minority: str | None = None
    minority_recall: Sequence[Level] = ()
    curve: LearningCurve | None = None
    needed: LabelsNeeded | None = None
    regression: Regression | None = None
    forecast: Sequence[Forecast] = field(default=(), metadata=HIDDEN)
    notes: tuple[str, ...] = field(default=(), metadata=HIDDEN)

    @property
    def over(self) -> str:
        """What was varied."""
        return self.sweep_options.over

    @property
    def repeats(self) -> int:
        """Of every level."""
        return self.sweep_options.repeats

    @property
    def shown(self) -> Sequence[Level]:
        """The levels that the sweep is about: those of the rare class where one was made rare."""
        return self.minority_recall or self.levels

    @property
    def measure(self) -> str:
        """What the value of these levels is."""
        return f"recall of {self.minority}" if self.minority else "accuracy"

    @property
    def sentences(self) -> list[str]:
        """What may be concluded, in words."""
        told = [model.sentence() for model in (self.curve, self.needed) if model is not None]
        if self.regression is not None:
            for one in self.regression.coefficients[1:]:
                step = 100 if one.name == "rows" else 1
                text = self.regression.sentence(one.name, each=EACH[one.name], step=step)
                told.append(f"{text[0].upper()}{text[1:]}.")
        return told


def summarise_sweep(
    measured: Sequence[PointResult], test: ImageSet, sweep_options: SweepOptions, seed: int
) -> SweepSummary:
    """Levels, and where there are points enough the learning curve and the regression."""
    found: dict[str, Any] = {"levels": levels(measured)}
    notes: list[str] = []

    def where_possible(key: str, model: Callable[[], Any]) -> None:
        # The measured points stand without a line through them; the reason is told.
        try:
            found[key] = model()
        except LightfastError as error:
            notes.append(f"no {key}: {error}")

    if sweep_options.over == "train_size":
        where_possible("curve", lambda: size_curve(measured, seed))
        if "curve" in found:
            curve = found["curve"]
            found["needed"] = curve.needed(sweep_options.target, sweep_options.seconds_per_label)
            found["forecast"] = _along(curve, found["needed"].more)
        where_possible("regression", lambda: size_regression(measured))
    elif sweep_options.over == "classes":
        where_possible("regression", lambda: class_regression(measured))
    else:
        name = next(one.point.minority[0] for one in measured if one.point.minority)
        carried = int((test.require_labels() == test.class_names.index(name)).sum())
        found |= {"minority": name, "minority_recall": levels(measured, recall_of(name), lambda _: carried)}
        where_possible("regression", lambda: imbalance_regression(measured, name))
    return SweepSummary(sweep_options=sweep_options, points=measured, notes=tuple(notes), **found)


def _along(curve: LearningCurve, more: int | None) -> list[Forecast]:
    """From the smallest size to `more` beyond the largest, at least twice and at most ten times that."""
    largest = curve.largest
    end = min(max(2 * largest, largest + (more or 0)), 10 * largest)
    sizes = np.unique(np.geomspace(curve.sizes.min(), end, 40).round().astype(int)).tolist()
    return [curve.predict(size) for size in sizes]
