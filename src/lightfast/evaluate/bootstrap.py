"""Many models, the same pictures drawn again: macro F1 and macro ROC area of every resample, fast enough for
10,000 pictures.

A resample is a count of how often each picture was drawn. F1 needs sums of those counts, which are one matrix
product; the ROC area needs their running sums in the order of the scores, and that order is found once a
class, not once a resample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import SettingsError
from lightfast.base.randomness import generator
from lightfast.evaluate.macro import mean_f1
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
    """

    macro_f1: NDArray[np.float64]
    auc: NDArray[np.float64]


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
    f1, auc = [], []
    rng = generator(seed, "pictures drawn again", len(labels))
    for drawn in draws(len(labels), resamples, rng):
        support, *counts = np.split((sides @ drawn).T, 1 + 2 * len(predictions), axis=1)
        f1.append([mean_f1(counts[2 * m], support, counts[2 * m + 1]) for m in range(len(predictions))])
        auc.append(
            [
                mean_known([order.area(drawn) for order in per_class if order is not None], drawn.shape[1])
                for per_class in orders
            ]
        )
    return BootstrapScores(np.concatenate(f1, axis=1), np.concatenate(auc, axis=1))


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
