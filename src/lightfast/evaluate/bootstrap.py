"""Many models, the same pictures drawn again: macro F1 and macro ROC area of every resample, fast enough for
10,000 pictures.

A resample is a count of how often each picture was drawn. F1 needs sums of those counts, which are one matrix
product; the ROC area needs their running sums in the order of the scores, and that order is found once a
class, not once a resample.

Resamples of few pictures, or of pictures that both models read alike, hardly differ. So every resample also
gets one more picture, of random weight, which only one of the two models reads rightly: the device of
`evaluate.macro`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import SettingsError
from lightfast.base.randomness import generator
from lightfast.evaluate.macro import Counts, mean_f1, with_picture
from lightfast.evaluate.predictions import Predictions
from lightfast.statistics.intervals import Interval

# Drawn counts held at once: a block of this size stays in the processor's cache while all classes go over it.
_BLOCK = 320_000


@dataclass(frozen=True, eq=False)
class BootstrapScores:
    """What each model scored on each resample, all models on the same ones.

    Attributes:
        macro_f1: float64 (M, R) in 0..1.
        auc: float64 (M, R), macro one-vs-rest ROC area in 0..1; NaN in resamples where no class occurs both
            as label and not.
        f1_ends, auc_ends: float64 (2, M, R), the same with one more picture of the rarest class, of random
            weight, that the model misreads, then that it reads rightly.
    """

    macro_f1: NDArray[np.float64]
    auc: NDArray[np.float64]
    f1_ends: NDArray[np.float64]
    auc_ends: NDArray[np.float64]

    def f1_interval(self, one: int, other: int, value: float) -> Interval:
        """95 % interval of macro F1(other) − macro F1(one), which is `value`."""
        return _difference(self.f1_ends, one, other, value) or Interval(-1.0, 1.0)

    def auc_interval(self, one: int, other: int, value: float) -> Interval | None:
        """The same of the ROC area; None when no resample has one."""
        return _difference(self.auc_ends, one, other, value)


def _difference(ends: NDArray[np.float64], one: int, other: int, value: float) -> Interval | None:
    misread, right = ends
    low = percentiles(misread[other] - right[one], value)
    high = percentiles(right[other] - misread[one], value)
    return None if low is None or high is None else Interval(low.low, high.high)


def resample(predictions: Sequence[Predictions], resamples: int, seed: int) -> BootstrapScores:
    """Score every model on the same `resamples` draws of the pictures, with replacement (Efron 1979).

    Args:
        predictions: M predictions of the same pictures in the same order, with the same labels and class
            lists.
        resamples: R, at least 1.
        seed: the draws are the same for the same seed and number of pictures.
    """
    if resamples < 1:
        raise SettingsError(f"{resamples} resamples", expected="at least 1, such as 2000")
    labels, classes = predictions[0].require_labels(), predictions[0].num_classes
    one_hot = np.eye(classes, dtype=np.float32)
    guesses = [one_hot[side.predicted_labels] for side in predictions]
    # Per model: hits and guesses a class, after the labels that all share.
    sides = np.concatenate(
        [one_hot[labels], *(part for guess in guesses for part in (guess * one_hot[labels], guess))], axis=1
    ).T
    orders = [[_order(side.pred_probs[:, k], labels == k) for k in range(classes)] for side in predictions]
    counted = sides.sum(axis=1).astype(np.float64).reshape(-1, classes)
    rarest = int(np.where(counted[0] > 0, counted[0], np.inf).argmin())
    f1, auc = [], []
    rng = generator(seed, "pictures drawn again", len(labels))
    more = generator(seed, "one picture more", len(labels))
    for drawn in draws(len(labels), resamples, rng):
        weight = more.exponential(size=drawn.shape[1])
        support, *counts = np.split((sides @ drawn).T, 1 + 2 * len(predictions), axis=1)
        rows = [
            (
                (counts[2 * m], support, counts[2 * m + 1]),
                (counted[1 + 2 * m], counted[0], counted[2 + 2 * m]),
            )
            for m in range(len(predictions))
        ]
        f1.append([f1_and_ends(*row, rarest, weight) for row in rows])
        auc.append([_area_and_ends(per_class, drawn, rarest, weight) for per_class in orders])
    (plain, *f1_ends), (areas, *auc_ends) = (
        np.concatenate(side, axis=2).transpose(1, 0, 2) for side in (f1, auc)
    )
    return BootstrapScores(plain, areas, np.stack(f1_ends), np.stack(auc_ends))


def f1_and_ends(
    drawn: Counts, counted: Counts, rarest: int, weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], ...]:
    """Macro F1 (r,) of drawn counts; with one more picture of the class `rarest`, misread as the class where
    that harms most; with it read rightly.
    """
    known = np.flatnonzero(counted[1] + counted[2]).tolist()
    others = [k for k in known if k != rarest] or [None]
    other = min(others, key=lambda k: float(mean_f1(*with_picture(counted, rarest, k))))
    ends = (with_picture(drawn, rarest, read, weight[:, None]) for read in (other, rarest))
    return (mean_f1(*drawn), *(mean_f1(*end) for end in ends))


def _area_and_ends(
    orders: Sequence[_Order | None], drawn: NDArray[np.float32], rarest: int, weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], ...]:
    """Macro ROC area (r,) of drawn counts; with one more picture of the class `rarest` that scores below,
    then above all others.
    """
    areas = {k: order.area(drawn) for k, order in enumerate(orders) if order is not None}
    own = orders[rarest]
    inside = np.zeros(drawn.shape[1]) if own is None else drawn[own.inside].sum(axis=0, dtype=np.float64)
    return means_and_ends(areas, rarest, inside, weight)


def means_and_ends(
    areas: Mapping[int, NDArray[np.float64]],
    rarest: int,
    inside: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> tuple[NDArray[np.float64], ...]:
    """The mean over classes of areas (r,) that are means over their pictures; with one more picture of the
    class `rarest`, of this weight, at 0, then at 1. Without an area of that class there is nothing to change.

    Args:
        areas: class → its area on every resample, NaN where it has none.
        rarest: the class of the one more picture.
        inside: pictures of that class in every resample.
        weight: of the one more picture.
    """
    plain = mean_known(list(areas.values()), len(weight))
    if rarest not in areas:
        return plain, plain, plain
    had = np.where(inside > 0, np.nan_to_num(areas[rarest]), 0.0)
    ends = [(inside * had + weight * share) / (inside + weight) for share in (0.0, 1.0)]
    return (plain, *(mean_known([*{**areas, rarest: end}.values()], len(weight)) for end in ends))


def percentiles(values: NDArray[np.float64], value: float) -> Interval | None:
    """The middle 95 % of the resampled `values` that are numbers, widened to hold the measured `value`;
    None when none is a number.
    """
    found = values[~np.isnan(values)]
    if not found.size:
        return None
    # Not 0.025: the last digit of earlier figures stays.
    low, high = np.quantile(found, [(1 - 0.95) / 2, 0.975])
    return Interval(min(float(low), value), max(float(high), value))


@dataclass(frozen=True, eq=False)
class _Order:
    """One class of one model: rows of its pictures, rows of the others by rising score, and how many others
    lie below each picture.

    `below` counts others with a smaller score, `upto` also those with the same one: ties count half.
    """

    inside: NDArray[np.int64]
    outside: NDArray[np.int64]
    below: NDArray[np.int64]
    upto: NDArray[np.int64]

    def area(self, drawn: NDArray[np.float32]) -> NDArray[np.float64]:
        """ROC area of every resample; NaN where the class or the rest was not drawn."""
        weights = drawn[self.inside]
        # Sums of counts below 2^24 are exact in float32.
        running = np.zeros((len(self.outside) + 1, drawn.shape[1]), np.float32)
        np.cumsum(drawn[self.outside], axis=0, out=running[1:])
        wins = (weights * (running[self.below] + running[self.upto])).sum(axis=0, dtype=np.float64) / 2
        pairs = weights.sum(axis=0, dtype=np.float64) * running[-1]
        return np.divide(wins, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)


def _order(scores: NDArray[np.float32], own: NDArray[np.bool_]) -> _Order | None:
    inside, outside = np.flatnonzero(own), np.flatnonzero(~own)
    if not (len(inside) and len(outside)):
        return None
    outside = outside[np.argsort(scores[outside], kind="stable")]
    # In rising order the look-ups below walk through memory instead of jumping.
    inside = inside[np.argsort(scores[inside], kind="stable")]
    below, upto = (np.searchsorted(scores[outside], scores[inside], side) for side in ("left", "right"))
    return _Order(inside, outside, below, upto)


def mean_known(areas: Sequence[NDArray[np.float64]], count: int) -> NDArray[np.float64]:
    """Mean over the classes that a resample can judge, (R,); NaN where it can judge none."""
    if not areas:
        return np.full(count, np.nan)
    table = np.stack(areas)
    known = ~np.isnan(table)
    return np.divide(
        np.where(known, table, 0).sum(axis=0),
        known.sum(axis=0),
        out=np.full(count, np.nan),
        where=known.any(axis=0),
    )


def draws(n: int, resamples: int, rng: np.random.Generator) -> Iterator[NDArray[np.float32]]:
    """Blocks (N, r) of how often each picture was drawn; all blocks together have `resamples` columns."""
    width = max(8, _BLOCK // n)
    for start in range(0, resamples, width):
        rows = (rng.integers(n, size=n) for _ in range(min(width, resamples - start)))
        yield np.stack([np.bincount(row, minlength=n) for row in rows], axis=1).astype(np.float32)
