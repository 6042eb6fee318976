"""Rows whose label is probably wrong, from probabilities that a model gave
them without having been trained on them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import SettingsError
from lightfast.base.randomness import generator


@dataclass(frozen=True)
class LabelIssueRow:
    """One training picture whose label is probably wrong.

    Attributes:
        id: of the picture in its `ImageSet`: for files their path below the folder that was given.
        given_label: the name of the class that it carries.
        suggested_label: the class that is confidently more probable.
        label_quality: how probable the given label is beside the best other class, 0..1.
    """

    id: str
    given_label: str
    suggested_label: str
    label_quality: float


def label_issue_mask(probs: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """bool (N,): whether another class is confidently more probable than the given one, see
    `confident_labels`.

    Args:
        probs: float (N, K), out of sample: of models that were not trained on the row.
        labels: (N,) in 0..K-1.
    """
    winner = confident_labels(probs, labels)
    return (winner >= 0) & (winner != labels)


def confident_labels(probs: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64 (N,): the class that each row confidently belongs to, -1 where no class is confident.

    A class counts as confident where its probability reaches the mean that it has on the pictures labelled
    with it; of those the most probable wins, and a row whose winner is not its label is a label issue: the
    off-diagonal of the confident joint of Northcutt, Jiang and Chuang (2021, section 3.1). Rows where no
    class is confident are none. A class without pictures is never confident.

    Args:
        probs: float (N, K), out of sample: of models that were not trained on the row.
        labels: (N,) in 0..K-1.
    """
    own = probs[np.arange(len(labels)), labels].astype(np.float64)
    counts = np.bincount(labels, minlength=probs.shape[1])
    sums = np.bincount(labels, weights=own, minlength=probs.shape[1])
    needed = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    confident = np.where(probs >= needed, probs, -1.0)
    return np.where(confident.max(axis=1) >= 0, confident.argmax(axis=1), -1).astype(np.int64)


def label_quality(probs: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """float64 (N,) in 0..1: how probable the given label is beside the best other class, at most 1; `probs`
    (N, K) out of sample.
    """
    rows = np.arange(len(labels))
    others = probs.astype(np.float64)
    others[rows, labels] = 0
    # A row that counts nothing at all could take its class away.
    return np.clip(probs[rows, labels] / np.maximum(others.max(axis=1), 1e-12), 1e-3, 1.0)


def out_of_fold_probs(
    labels: NDArray[np.int64],
    folds: int,
    seed: int,
    fit_and_predict: Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.floating]],
    groups: NDArray[np.int64] | None = None,
) -> NDArray[np.float32]:
    """float32 (N, K): `fit_and_predict(rest, fold)` for every fold, put together; the folds hold as many of
    each class as can be.

    Args:
        labels: (N,).
        folds: at least 2.
        seed: of the folds.
        fit_and_predict: fits on the rows `rest` and gives probabilities (len(fold), K).
        groups: int64 (N,): rows of one number stand in one fold, as a picture and its mirror image must;
            None: every row is its own.
    """
    if folds < 2:
        raise SettingsError(f"folds {folds}", expected="at least 2")
    fold_of = _fold_of(labels, folds, seed)
    if groups is not None:
        _, first, number_of = np.unique(groups, return_index=True, return_inverse=True)
        fold_of = _fold_of(labels[first], folds, seed)[number_of]
    parts = [
        (fold, fit_and_predict(np.flatnonzero(fold_of != number), fold))
        for number in range(folds)
        if len(fold := np.flatnonzero(fold_of == number))
    ]
    probs = np.empty((len(labels), parts[0][1].shape[1]), dtype=np.float32)
    for fold, read_probs in parts:
        probs[fold] = read_probs
    return probs


def _fold_of(labels: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """int64 (N,): a fold for each label, drawn, as many of each class in every one as can be."""
    shuffled = generator(seed, "folds of doubt").permutation(len(labels))
    fold_of = np.empty(len(labels), dtype=np.int64)
    fold_of[shuffled[np.argsort(labels[shuffled], kind="stable")]] = np.arange(len(labels)) % folds
    return fold_of
