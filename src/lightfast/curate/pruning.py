"""How large a share of the pictures with the most doubtful labels to leave out: chosen by cross-validated
accuracy (the media-library paper's proposal, section 4.2, searched plainly).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from lightfast.base.progress import Reporter, silent
from lightfast.statistics.intervals import Interval
from lightfast.statistics.resampled import corrected_interval
from lightfast.train.linear import LinearData, LinearSettings, fit_linear

SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
"""Shares that are tried."""


@dataclass(frozen=True, eq=False)
class Pruning:
    """What leaving out the most doubtful pictures does to the accuracy on pictures that are never left out.

    Attributes:
        shares: of the training pictures of every fold, 0 first.
        accuracy: float64 (S, F): of every share on every fold, by the given labels.
        chosen: the share with the best mean, the smallest of equals; or the one that was asked for.
        gain: its accuracy minus that of leaving out nothing; `interval` at 95 %, corrected for the training
            pictures that the folds share (Nadeau and Bengio 2003). (0, 0) where nothing is left out.
    """

    shares: tuple[float, ...]
    accuracy: NDArray[np.float64]
    chosen: float
    gain: float
    interval: Interval

    @property
    def means(self) -> tuple[float, ...]:
        """Mean accuracy of every share."""
        return tuple(self.accuracy.mean(axis=1).tolist())

    @property
    def shown(self) -> bool:
        """Whether the interval of the gain leaves out 0."""
        return self.interval.low > 0


def label_margin(pred_probs: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """float64 (N,), −1..1: probability of the given label minus that of the best other class; the pictures
    are left out in this order, lowest first.
    """
    rows = np.arange(len(labels))
    others = pred_probs.astype(np.float64)
    others[rows, labels] = -1
    return pred_probs[rows, labels] - others.max(axis=1)


def keep_mask(margin: NDArray[np.float64], labels: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    """bool (N,): all but the `share` of rows with the lowest margin; the best row of every class stays, so
    that none is lost.
    """
    kept = np.ones(len(margin), dtype=np.bool_)
    kept[np.argsort(margin, kind="stable")[: int(share * len(margin))]] = False
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        if not kept[own].any():
            kept[own[margin[own].argmax()]] = True
    return kept


def choose_share(
    rows: LinearData,
    numbers: NDArray[np.int64],
    strength: float,
    *,
    shares: Sequence[float] = SHARES,
    report: Reporter = silent,
) -> Pruning:
    """The share whose leaving out makes linear heads most accurate on folds that they never saw.

    Nothing about a held-out fold decides what is left out: the margins of its training pictures come from
    heads that saw neither their own fold nor the held-out one. The held-out pictures are all counted, also
    those that would be left out themselves, by the labels that they carry.

    Args:
        rows: features with labels.
        numbers: int64 (N,), the fold of every row; at least 3 folds.
        strength: L2 factor of the heads.
        shares: to try, 0 first.
    """
    folds, classes, labels = int(numbers.max()) + 1, int(rows.targets.max()) + 1, rows.targets
    settings = LinearSettings((strength,))
    margins = np.full((folds, len(labels)), np.nan)
    pairs = list(combinations(range(folds), 2))
    total = len(pairs) + folds * len(shares)
    for done, (first, second) in enumerate(pairs, start=1):
        seen = np.flatnonzero((numbers != first) & (numbers != second))
        for held, other in ((first, second), (second, first)):
            own = numbers == other
            margins[held, own] = label_margin(_probs(rows, seen, own, classes, settings), labels[own])
        report("pruning", done, total)
    accuracy = np.zeros((len(shares), folds))
    for held in range(folds):
        seen, tested = np.flatnonzero(numbers != held), numbers == held
        for place, share in enumerate(shares):
            kept = seen[keep_mask(margins[held, seen], labels[seen], share)]
            read = _probs(rows, kept, tested, classes, settings).argmax(axis=1)
            accuracy[place, held] = (read == labels[tested]).mean()
            report("pruning", len(pairs) + held * len(shares) + place + 1, total)
    return pruned_at(tuple(shares), accuracy, int(accuracy.mean(axis=1).argmax()))


def pruned_at(shares: tuple[float, ...], accuracy: NDArray[np.float64], best: int) -> Pruning:
    """What the share at place `best` gains against the first; `accuracy` (S, F) of shares and folds."""
    gains = accuracy[best] - accuracy[0]
    low, high = corrected_interval(gains, 1 / (accuracy.shape[1] - 1)) if best else (0.0, 0.0)
    return Pruning(shares, accuracy, shares[best], float(gains.mean()), Interval(low, high))


def _probs(
    rows: LinearData,
    seen: NDArray[np.int64],
    tested: NDArray[np.bool_],
    classes: int,
    settings: LinearSettings,
) -> NDArray[np.float32]:
    if len(np.unique(rows.targets[seen])) < 2:
        return np.eye(classes, dtype=np.float32)[np.full(int(tested.sum()), rows.targets[seen[0]])]
    fitted = rows.take(seen)
    head = fit_linear(fitted, fitted, classes, settings)
    return softmax(rows.features[tested] @ head.weight.T + head.bias, axis=1)
