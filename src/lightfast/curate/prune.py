"""How many of the least trusted labels to leave out: a plain search by cross-validated accuracy.

Kapp, Song and Rodriguez Echavarria (section 8) propose to remove a share α of the examples of lowest standard
deviation and to learn α; they think of a genetic algorithm, and of one number a plain search is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import SettingsError
from lightfast.base.randomness import generator
from lightfast.statistics.intervals import Interval, difference_interval

SHARES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
"""Shares that are tried unless others are given."""

FitPredict = Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.integer]]


@dataclass(frozen=True)
class PruneTrial:
    """One share α: cross-validated accuracy on rows that are trusted, and its difference to leaving out
    nothing, with a 95 % interval.
    """

    share: float
    accuracy: float
    gain: float
    interval: Interval


@dataclass(frozen=True, eq=False)
class Pruning:
    """Attributes: share: the chosen α. kept: bool (N,), the rows that stay. trials: every α that was tried.
    n: rows by which the accuracy was measured.
    """

    share: float
    kept: NDArray[np.bool_]
    trials: tuple[PruneTrial, ...]
    n: int


def choose_pruning(
    label_quality: NDArray[np.floating],
    labels: NDArray[np.int64],
    fit_and_predict: FitPredict,
    *,
    shares: tuple[float, ...] = SHARES,
    folds: int = 5,
    seed: int = 0,
) -> Pruning:
    """Leave out the share of lowest quality that reads best, in cross-validation.

    Every share is fitted on the rows of the other folds without their least trusted ones, and reads the whole
    fold: as it is labelled, so that nothing is chosen by the rows that it leaves out. Wrong labels in the
    fold cost all shares alike. Among shares within one standard error of the best, the lowest is taken:
    nothing is left out without need. Of a class, the most trusted row always stays.

    Args:
        label_quality: (N,), low: probably wrong; out of sample.
        labels: int64 (N,).
        fit_and_predict: fits on the rows given first and reads labels (M,) of the rows given second.
        shares: α, in 0..1 without 1; 0 is always tried.
        folds, seed: of the cross-validation.

    Raises SettingsError for shares out of range and fewer than 2 folds.
    """
    tried = tuple(sorted({0.0, *shares}))
    if tried[0] < 0 or tried[-1] >= 1 or folds < 2:
        raise SettingsError(
            f"pruning by {shares} in {folds} folds", expected="shares in 0..1, below 1, and 2 folds or more"
        )
    fold_of = generator(seed, "pruning").permutation(len(labels)) % folds
    correct = np.zeros((len(tried), len(labels)), dtype=np.bool_)
    for number, share in enumerate(tried):
        stay = _kept(label_quality, labels, share)
        for fold in range(folds):
            rest, held = np.flatnonzero(stay & (fold_of != fold)), np.flatnonzero(fold_of == fold)
            correct[number, held] = fit_and_predict(rest, held) == labels[held]
    accuracy = correct.mean(axis=1)
    best = int(accuracy.argmax())
    error = np.sqrt((correct != correct[best]).mean(axis=1) / len(labels))
    chosen = int(np.flatnonzero(accuracy[best] - accuracy <= error)[0])
    trials = tuple(
        PruneTrial(
            share,
            float(accuracy[number]),
            float(accuracy[number] - accuracy[0]),
            difference_interval(correct[0], correct[number]),
        )
        for number, share in enumerate(tried)
    )
    return Pruning(tried[chosen], _kept(label_quality, labels, tried[chosen]), trials, len(labels))


def _kept(label_quality: NDArray[np.floating], labels: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    """bool (N,): all but the share of lowest quality, and the best row of every class."""
    order = np.argsort(label_quality, kind="stable")
    kept = np.ones(len(labels), dtype=np.bool_)
    kept[order[: int(share * len(labels))]] = False
    best_last = labels[order][::-1]
    kept[order[::-1][np.unique(best_last, return_index=True)[1]]] = True
    return kept
