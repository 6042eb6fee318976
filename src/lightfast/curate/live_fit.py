"""The arithmetic of a live head: one head on all decided rows and one a fold on the others, each started
from where it stood before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

from lightfast.train.convex import Problem
from lightfast.train.principal import PrincipalFeatures

FOLDS = 5
PRIOR = 1.0
"""L2 on standardised features beside a loss that is summed over rows: the strength is this over their number.
"""
# The loss is far below 1 where classes are told apart, and `ftol` counts in steps of 1 there.
_SOLVER = {"maxiter": 100, "ftol": 1e-6, "gtol": 1e-4}


@dataclass(frozen=True, eq=False)
class Said:
    """What is known of the decided rows.

    Attributes:
        rows: intp (n,), into the features.
        targets: float32 (n, K), rows sum to 1: the class, or how probable each class is that was not ruled
            out.
        named: bool (n,): a class was said, so that the row can be scored.
        folds: int8 (n,), 0..FOLDS-1.
    """

    rows: NDArray[np.intp]
    targets: NDArray[np.float32]
    named: NDArray[np.bool_]
    folds: NDArray[np.int8]


def fit_folds(
    features: PrincipalFeatures, said: Said, start: NDArray[np.float64] | None, folds: int = FOLDS
) -> NDArray[np.float64]:
    """float64 (folds + 1, R + 1, K): the head on all rows, then for each fold the head on the others."""
    values = features.values[said.rows]
    count = said.targets.shape[1]
    solutions = np.zeros((folds + 1, values.shape[1] + 1, count))
    for number in range(folds + 1):
        inside = said.folds != number - 1 if number else np.ones(len(said.rows), np.bool_)
        before = start[number] if start is not None and number < len(start) else None
        if number and before is None:
            before = solutions[0]
        solutions[number] = _fit(features, values, said, inside, before)
    return solutions


def _fit(
    features: PrincipalFeatures,
    values: NDArray[np.float32],
    said: Said,
    inside: NDArray[np.bool_],
    start: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """The head (R + 1, K) on the rows `inside`; a class that none of them names gets no weights, and a bias
    that makes it at most as probable as one row in n + K.
    """
    count, total = said.targets.shape[1], max(int(inside.sum()), 1)
    named = inside & said.named
    present = np.flatnonzero(said.targets[named].sum(axis=0) > 0)
    solution = np.zeros((values.shape[1] + 1, count))
    if len(present) > 1:
        targets = said.targets[:, present]
        mass = targets.sum(axis=1)
        shares = (inside * mass / max(float((inside * mass).sum()), 1e-12)).astype(np.float32)
        targets = targets / np.maximum(mass, 1e-12)[:, None]
        problem = Problem(values, targets, shares[:, None], "softmax", features.ridge)
        first = None if start is None else start[:, present]
        solution[:, present] = problem.solve(PRIOR / total, first, **_SOLVER)
    absent = np.setdiff1d(np.arange(count), present)
    if len(absent) and len(present):
        solution[-1, absent] = absent_bias(features, solution[:, present], total + count)
    return solution


def absent_bias(features: PrincipalFeatures, solution: NDArray[np.float64], odds: int) -> float:
    """The bias of a class without weights that makes it at most as probable as 1 in `odds` on every picture,
    also on one that is like none of the classes of `solution` (R + 1, K).
    """
    return float(np.asarray(logsumexp(logits_of(features, solution), axis=1)).min() - np.log(odds))


def logits_of(
    features: PrincipalFeatures, solution: NDArray[np.float64], rows: NDArray[np.intp] | slice = slice(None)
) -> NDArray[np.float32]:
    """float32 (n, K) of the rows."""
    return features.values[rows] @ solution[:-1].astype(np.float32) + solution[-1].astype(np.float32)


def out_of_fold_logits(
    features: PrincipalFeatures, said: Said, solutions: NDArray[np.float64]
) -> NDArray[np.float32]:
    """float32 (n, K): of every decided row by the head that was fitted without its fold."""
    found = np.empty(said.targets.shape, np.float32)
    for fold in range(FOLDS):
        mine = said.folds == fold
        found[mine] = logits_of(features, solutions[fold + 1], said.rows[mine])
    return found


def scorable(said: Said) -> NDArray[np.bool_]:
    """bool (n,): a class was said, and named rows of other folds have it too: the head that was fitted
    without the row could know it.
    """
    counts = np.zeros((FOLDS, said.targets.shape[1]), np.int64)
    classes = said.targets.argmax(axis=1)
    np.add.at(counts, (said.folds[said.named], classes[said.named]), 1)
    elsewhere = counts.sum(axis=0) - counts
    return said.named & (elsewhere[said.folds, classes] > 0)


def softened(logits: NDArray[np.float32], allowed: NDArray[np.bool_]) -> NDArray[np.float32]:
    """softmax of the logits (n, K) over the classes that are `allowed` (n, K); a row that allows none keeps
    all of them.
    """
    none = ~allowed.any(axis=1, keepdims=True)
    return softmax(np.where(allowed | none, logits, -np.inf), axis=1).astype(np.float32)
