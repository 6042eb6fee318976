"""How accuracy grows with pictures: a power law through measured points, and what it says about pictures not
yet labelled.

accuracy(n) = limit − scale · n^(−exponent), with 0 < limit ≤ 1 and scale, exponent > 0: the law that Hestness
et al. (2017) found for deep networks over many tasks, and Figueroa et al. (2012) used to predict sample
sizes. How it is fitted stands in `statistics.power_law`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.plain import HIDDEN
from lightfast.statistics.intervals import TAILS, Interval, tails
from lightfast.statistics.power_law import Floats, best, crossing, on_other_pictures, posterior, scatter

SECONDS_PER_LABEL = 3.0
# A forecast for more than so many times the largest measured size is called far.
FAR = 2.0
# No answer is given beyond so many times the largest measured size.
REACH = 1000.0
# Points this many times as far from the curve as counting error explains are called far.
FAR_POINTS = 3.0
# The curve is seen to level off when its limit leaves at least this share of the errors at the largest size.
_LEFT = 0.1


@dataclass(frozen=True)
class Forecast:
    """The accuracy (0..1) to be measured with `n` training pictures, with a 95 % prediction interval; `far`:
    a bold extrapolation.
    """

    n: int
    accuracy: float
    low: float
    high: float
    far: bool


@dataclass(frozen=True)
class LabelsNeeded:
    """How many more pictures a target accuracy takes.

    Attributes:
        target: accuracy, 0..1.
        more: pictures beyond the largest measured size; None when the target is out of reach.
        low, high: its 95 % interval; `high` None: the interval does not end within 1,000 times the measured
            size; `low` None: nor does it begin there.
        minutes: of labelling `more` pictures.
        minutes_low, minutes_high: of labelling `low` and `high` pictures.
        reachable: whether the curve gets there.
        reason: why not, or what to be careful about; may be empty.
    """

    target: float
    more: int | None
    low: int | None
    high: int | None
    minutes: float | None
    minutes_low: float | None
    minutes_high: float | None
    reachable: bool
    reason: str

    def sentence(self) -> str:
        """The answer in words."""
        goal = f"{100 * self.target:.4g} %"
        if self.more is None:
            best = (
                ""
                if self.low is None
                else f" In the best case within the 95 % interval, {self.low:,} more would do."
            )
            far = "out of reach" if self.low is None else "out of reach of the fitted curve"
            return f"{goal} is {far}: {self.reason}.{best}"
        if self.more == 0:
            return f"{goal} takes no more pictures: {self.reason}."
        ends = f"{self.low or 0:,} to {'no end in sight' if self.high is None else f'{self.high:,}'}"
        tail = f" {self.reason[0].upper()}{self.reason[1:]}." if self.reason else ""
        return (
            f"{goal} takes about {self.more:,} more pictures (95 % interval {ends}), "
            f"{_minutes(self.minutes or 0.0)} of labelling.{tail}"
        )


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """A fitted power law, and the many other curves that the points allow.

    Attributes:
        limit: accuracy that it levels off at, 0..1.
        scale, exponent: accuracy(n) = limit − scale · n^(−exponent).
        sizes, accuracies: float64 (P,), the points.
        residual_sd: root mean square distance of the points from the curve, in accuracy, over P − 3 degrees
            of freedom.
        n_points: P.
        test_n: pictures that an accuracy was measured on.
        draws: float64 (D, 7), curves from the posterior: limit, scale, exponent, shift (accuracy = limit −
            scale · (n + shift)^(−exponent)), dispersion (variance of a point over p(1 − p)), a standard
            normal number for the noise of a new point, and how lucky the test pictures are that all points
            share (0..1, 0.5 where they share none; `on_other_pictures`).
        misfit: `residual_sd` as a multiple of counting error, weighted as the fit.
    """

    JSON_PROPERTIES = ("limit_interval", "exponent_interval", "largest", "levels_off")

    limit: float
    scale: float
    exponent: float
    sizes: Floats = field(repr=False)
    accuracies: Floats = field(repr=False)
    residual_sd: float
    n_points: int
    test_n: int
    misfit: float
    draws: Floats = field(repr=False, metadata=HIDDEN)

    @property
    def largest(self) -> int:
        """The largest measured number of training pictures."""
        return int(self.sizes.max())

    @property
    def limit_interval(self) -> Interval:
        """95 % interval of `limit`, which lies inside. It ends at 1 where it does not leave a tenth of the
        errors at the largest size: then the points do not show that accuracy ends short of 100 %.
        """
        low, high = tails(on_other_pictures(self.draws[:, 0], self.draws[:, 6], self.test_n))
        ends = max(high, self.limit) < 1 - _LEFT * (1 - float(self.accuracy(self.largest)))
        return Interval(min(low, self.limit), max(high, self.limit) if ends else 1.0)

    @property
    def levels_off(self) -> bool:
        """Whether the points show that accuracy ends short of 100 %."""
        return self.limit_interval.high < 1

    @property
    def exponent_interval(self) -> Interval:
        """95 % interval of `exponent`, within the 0.05 to 2 that are considered."""
        return tails(self.draws[:, 2])

    def accuracy(self, n: ArrayLike) -> Floats:
        """The curve at `n` training pictures (any shape), in 0..1."""
        sizes = np.asarray(n, dtype=np.float64)
        return np.clip(self.limit - self.scale * sizes**-self.exponent, 0.0, 1.0)

    def predict(self, n: int, repeats: int = 1) -> Forecast:
        """What will be measured with `n` training pictures: the interval holds the curve's uncertainty and
        the noise of a new measurement; where all points share their test pictures, also what other pictures
        of the kind would have said of all of them.

        Args:
            n: training pictures, at least 1.
            repeats: how many new measurements are averaged.
        """
        if n < 1 or repeats < 1:
            raise SettingsError(
                f"forecast for {n} pictures, {repeats} repeats", expected="at least 1 of both"
            )
        limit, scale, exponent, shift, dispersion, noise, shared = self.draws.T
        # Below half of the smallest size a shifted law would count from nothing.
        mean = np.clip(limit - scale * np.maximum(n + shift, 1.0) ** -exponent, 0.0, 1.0)
        spread = np.sqrt(dispersion * scatter(mean, self.test_n) / repeats)
        mean = on_other_pictures(mean, shared, self.test_n)
        low, high = tails(np.clip(mean + spread * noise, 0.0, 1.0))
        centre = float(self.accuracy(n))
        return Forecast(int(n), centre, min(low, centre), max(high, centre), far=n > FAR * self.largest)

    def needed(self, target: float, seconds_per_label: float = SECONDS_PER_LABEL) -> LabelsNeeded:
        """How many more pictures bring the curve to `target`, counted from the largest measured size.

        Args:
            target: accuracy, between 0 and 1.
            seconds_per_label: a person's time for one picture.
        """
        if not 0 < target < 1:
            raise SettingsError(
                f"target {target}", expected="an accuracy between 0 and 1", cure="95 % is written 0.95."
            )
        if not seconds_per_label >= 0:
            raise SettingsError(f"seconds_per_label {seconds_per_label}", expected="0 or more")
        reach = REACH * self.largest
        limit, scale, exponent, shift = self.draws.T[:4]
        # inverted_cdf, since an end at infinity cannot be averaged with its neighbour.
        # Other pictures that say more of every accuracy let the same curve reach the target earlier.
        goal = 2 * target - on_other_pictures(np.full(len(limit), target), self.draws[:, 6], self.test_n)
        ends = np.quantile(crossing(limit, scale, exponent, goal) - shift, TAILS, method="inverted_cdf")
        fitted = (np.array([value]) for value in (self.limit, self.scale, self.exponent, target))
        size = float(crossing(*fitted)[0])

        def count(end: float) -> int | None:
            return None if end > reach else max(0, math.ceil(end - self.largest))

        def minutes(pictures: int | None) -> float | None:
            return None if pictures is None else pictures * seconds_per_label / 60

        more, low, high = count(size), count(min(ends[0], size)), count(max(ends[1], size))
        times = minutes(more), minutes(low), minutes(high)
        return LabelsNeeded(target, more, low, high, *times, more is not None, self._reason(target, size))

    def _reason(self, target: float, size: float) -> str:
        if size <= self.largest:
            return f"the curve reaches it within the {self.largest:,} measured"
        if target >= self.limit:
            return f"with more pictures of the same kind {self._limit_words()}"
        if size > REACH * self.largest:
            return f"it would take more than {REACH:,.0f} times the {self.largest:,} pictures measured"
        if size > FAR * self.largest:
            return f"this lies far beyond the {self.largest:,} pictures measured: measure again on the way"
        return ""

    def sentence(self) -> str:
        """The curve in words."""
        said = self._limit_words().replace("the curve", "it")
        return (
            f"From {self.n_points} points between {int(self.sizes.min()):,} and {self.largest:,} pictures: "
            f"accuracy = {100 * self.limit:.1f} % − {100 * self.scale:.3g} points · n^−{self.exponent:.2f}; "
            f"{said}.{self._misfit_words()}"
        )

    def _limit_words(self) -> str:
        low, high = self.limit_interval
        around = f"[{100 * low:.1f} to {100 * high:.1f}]"
        if self.levels_off:
            return f"the curve levels off at {100 * self.limit:.1f} % {around}"
        return f"no levelling off is seen: the curve ends at {100 * self.limit:.1f} % {around}"

    def _misfit_words(self) -> str:
        if self.misfit <= FAR_POINTS:
            return ""
        return (
            f" The measured points lie {100 * self.residual_sd:.1f} percentage points from it, "
            f"{self.misfit:.1f} times what counting {self.test_n:,} pictures explains: what follows from it "
            "is rough; measure more repeats or sizes."
        )


def fit_learning_curve(
    sizes: ArrayLike,
    accuracies: ArrayLike,
    *,
    rng: np.random.Generator,
    test_n: int = 1000,
    shared: bool = False,
) -> LearningCurve:
    """Fit the power law to measured points.

    Points weigh by 1 / p(1 − p), so that large sizes count more, as in Figueroa et al. (2012). The
    uncertainty is Bayesian: flat in the accuracies at the smallest and the largest size, log-uniform in
    exponents from 0.05 to 2, and a variance that starts from the counting noise of `test_n` pictures and
    learns from the scatter of the points. For each exponent this is solved exactly (normal and inverse
    chi-square), so few points give the wide tails of Student's t.

    Args:
        sizes: (P,) training pictures, at least 3 different numbers; a size measured several times stands
            several times.
        accuracies: (P,) in 0..1, or (P, R) with R repeats of every size.
        rng: source of the curves in `draws`.
        test_n: pictures that one accuracy was measured on.
        shared: whether all accuracies were measured on the same pictures. Then their counting error is one
            for all, does not show in the scatter, and is added to every interval.

    Raises:
        DataError: fewer than 3 different sizes, sizes below 1, accuracies outside 0..1, or accuracies that
            fall as sizes grow.
        SettingsError: `test_n` below 1.
    """
    if test_n < 1:
        raise SettingsError(f"test_n {test_n}", expected="at least 1 picture")
    n, y = _points(sizes, accuracies)
    first = best(n, y, np.ones(len(n)))
    weights = 1 / scatter(first[0] - first[1] * n ** -first[2], test_n)
    limit, scale, exponent = best(n, y, weights)
    rest = y - (limit - scale * n**-exponent)
    free = max(1, len(n) - 3)
    residual_sd = float(np.sqrt((rest**2).sum() / free))
    counting = scatter(limit - scale * n**-exponent, test_n) / test_n
    misfit = float(np.sqrt((rest**2 / counting).sum() / free))
    draws = posterior(n, y, weights, test_n, rng)
    place = rng.random(len(draws)) if shared else np.full(len(draws), 0.5)
    draws = np.column_stack([draws, place])
    return LearningCurve(limit, scale, exponent, n, y, residual_sd, len(n), test_n, misfit, draws)


def _points(sizes: ArrayLike, accuracies: ArrayLike) -> tuple[Floats, Floats]:
    n, y = np.asarray(sizes, dtype=np.float64), np.asarray(accuracies, dtype=np.float64)
    if n.ndim != 1 or y.ndim not in (1, 2) or len(y) != len(n):
        raise DataError(
            "learning curve",
            expected="sizes (P,) and accuracies (P,) or (P, repeats)",
            got=f"shapes {n.shape} and {y.shape}",
        )
    if y.ndim == 2:
        n, y = np.repeat(n, y.shape[1]), y.ravel()
    if not (np.isfinite(n) & (n >= 1)).all():
        raise DataError(
            "learning curve: sizes",
            expected="at least 1 picture each",
            got=f"{n[~(n >= 1)][:1]}",
            cure="Leave out the points without training pictures.",
        )
    if not ((y >= 0) & (y <= 1)).all():
        raise DataError(
            "learning curve: accuracies",
            expected="shares in 0..1",
            got=f"{y[~((y >= 0) & (y <= 1))][0]:g}",
            cure="87 % is written 0.87; leave out points that were not measured.",
        )
    different = len(np.unique(n))
    if different < 3:
        raise DataError(
            "learning curve",
            expected="at least 3 different sizes",
            got=str(different),
            cure="Measure more sizes, such as a quarter, a half and all of the pictures.",
        )
    return n, y


def _minutes(minutes: float) -> str:
    return f"{minutes:,.0f} minutes" if minutes < 120 else f"{minutes / 60:,.1f} hours"
