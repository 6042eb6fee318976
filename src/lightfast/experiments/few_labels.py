"""A linear head for few labels: all of them teach it, pictures without a label help, and what it says of a
labelled picture was found without that picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from lightfast.base.errors import DataError
from lightfast.base.randomness import generator
from lightfast.evaluate.calibration import fit_temperature
from lightfast.train.convex import Problem
from lightfast.train.principal import PrincipalFeatures

FEW_LABELS = 500
"""With fewer labelled pictures than this none is kept back to choose on: everything is chosen out of fold."""
LABEL_FOLDS = 5
_PRIORS = (1.0, 10.0)
"""L2 on standardised features beside a loss that is summed over rows."""
_GUESS_WEIGHT = 0.1
"""How much a guessed label counts beside one that a person gave."""
_SURE = 0.8
"""Below this probability a guess is no label."""
_ROUNDS = 3
# The loss is far below 1 where classes are told apart, and `ftol` counts in steps of 1 there.
_SOLVER = {"maxiter": 100, "ftol": 1e-6, "gtol": 1e-4}


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """Features float32 (n, D), int64 labels (n,) in 0..K-1, and int64 groups (n,): rows of one number
    (copies, near duplicates) share a fold.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class UnlabelledRows:
    """Features float32 (M, D), and bool (M, K) the classes that people said they are not; rows of which
    nothing is ruled out are only unlabelled.
    """

    features: NDArray[np.float32]
    ruled_out: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class FewLabelHead:
    """What `fit_few_labels` found.

    Attributes:
        weight: float32 (K, D). bias: float32 (K,). On the features as they are.
        prior: the L2 that was chosen.
        guesses: whether guessed labels of unlabelled rows were found to help.
        temperature: of the probabilities, fitted out of fold.
        probs: float32 (n, K) of the labelled rows, calibrated, each by a head that was fitted without its
            fold.
        counted: rows that `loss` and `temperature` are of: those whose class other folds have, too. Of a
            class of one picture the heads of other folds can know nothing, the one on all rows does.
        loss: their cross-entropy, nats.
        accuracy: 0..1, how often the label is the most probable class, of all rows.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    prior: float
    guesses: bool
    temperature: float
    probs: NDArray[np.float32]
    counted: NDArray[np.intp]
    loss: float
    accuracy: float


def fit_few_labels(
    labelled: LabelledRows, unlabelled: UnlabelledRows | None, classes: int, seed: int = 0
) -> FewLabelHead:
    """A softmax head on all labelled rows; its L2, and whether guessed labels help, are chosen by the
    calibrated loss out of fold, over all labelled rows.

    Guesses are self-training: a head on the labels says what the unlabelled rows are, those of which it is
    sure join with a tenth of the weight of a label, three times. A row of which classes are ruled out joins
    as what is left, as probable as the head says.

    Raises DataError for fewer than two labelled classes.
    """
    present = np.unique(labelled.labels)
    if len(present) < 2:
        raise DataError("head for few labels", expected="labels of at least 2 classes", got=len(present))
    rows = _Rows.of(labelled, unlabelled, classes)
    folds = _folds(labelled, seed)
    tried = [
        _out_of_fold(rows, folds, prior, guesses)
        for guesses in ([False, True] if unlabelled is not None else [False])
        for prior in _PRIORS
    ]
    best = min(tried, key=lambda one: one.loss)
    solution = rows.fit(np.ones(len(labelled.labels), np.bool_), best.prior, best.guesses)
    weight, bias = rows.space.folded(solution)
    return FewLabelHead(
        weight,
        bias,
        best.prior,
        best.guesses,
        best.temperature,
        best.probs,
        _taught_elsewhere(labelled.labels, folds),
        best.loss,
        float((best.probs.argmax(axis=1) == labelled.labels).mean()),
    )


@dataclass(frozen=True, eq=False)
class _Tried:
    prior: float
    guesses: bool
    temperature: float
    probs: NDArray[np.float32]
    loss: float


@dataclass(frozen=True, eq=False)
class _Rows:
    """All rows on the principal axes of all of them: the labelled ones, then the unlabelled ones."""

    space: PrincipalFeatures
    labels: NDArray[np.int64]
    ruled_out: NDArray[np.bool_]
    classes: int

    @classmethod
    def of(cls, labelled: LabelledRows, unlabelled: UnlabelledRows | None, classes: int) -> _Rows:
        features, ruled_out = labelled.features, np.zeros((0, classes), np.bool_)
        if unlabelled is not None:
            features = np.concatenate([features, unlabelled.features])
            ruled_out = unlabelled.ruled_out
        return cls(PrincipalFeatures.of(features), labelled.labels, ruled_out, classes)

    def fit(self, teaches: NDArray[np.bool_], prior: float, guesses: bool) -> NDArray[np.float64]:
        """The head (R + 1, K) on the labelled rows that `teaches` (bool (n,)) names."""
        own = np.flatnonzero(teaches)
        targets = np.eye(self.classes, dtype=np.float32)[self.labels[own]]
        present = np.bincount(self.labels[own], minlength=self.classes) > 0
        solution = self._solve(own, targets, np.ones(len(own), np.float32), prior, None)
        for _ in range(_ROUNDS if guesses or self.ruled_out.any() else 0):
            places, guessed, weights = self._guessed(solution, present, guesses)
            solution = self._solve(
                np.concatenate([own, places]),
                np.concatenate([targets, guessed]),
                np.concatenate([np.ones(len(own), np.float32), weights]),
                prior,
                solution,
            )
        return solution

    def _guessed(
        self, solution: NDArray[np.float64], present: NDArray[np.bool_], guesses: bool
    ) -> tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float32]]:
        """(places of unlabelled rows, what each is taken for float32 (m, K), weights)."""
        start = len(self.labels)
        probs = np.where(self.ruled_out | ~present, 0, softmax(self.logits(solution, slice(start, None)), 1))
        probs = probs / np.maximum(probs.sum(axis=1, keepdims=True), 1e-12)
        said = self.ruled_out.sum(axis=1) > 0
        taken: NDArray[np.bool_] = (said & probs.any(axis=1)) | (
            ~said & guesses & (probs.max(axis=1) >= _SURE)
        )
        sure = np.eye(self.classes)[probs.argmax(axis=1)]
        targets = np.where(said[:, None], probs, sure)[taken].astype(np.float32)
        weights = np.where(said, 1.0, _GUESS_WEIGHT)[taken].astype(np.float32)
        return start + np.flatnonzero(taken), targets, weights

    def _solve(
        self,
        places: NDArray[np.intp],
        targets: NDArray[np.float32],
        weights: NDArray[np.float32],
        prior: float,
        start: NDArray[np.float64] | None,
    ) -> NDArray[np.float64]:
        shares = (weights / weights.sum())[:, None]
        problem = Problem(self.space.values[places], targets, shares, "softmax", self.space.ridge)
        return problem.solve(prior / float(weights.sum()), start, **_SOLVER)

    def logits(self, solution: NDArray[np.float64], places: NDArray[np.intp] | slice) -> NDArray[np.float32]:
        """float32 (m, K)."""
        return self.space.values[places] @ solution[:-1].astype(np.float32) + solution[-1].astype(np.float32)


def _folds(labelled: LabelledRows, seed: int) -> NDArray[np.intp]:
    """The fold of every labelled row, each class spread over all; rows of one group share it."""
    _, first, group = np.unique(labelled.groups, return_index=True, return_inverse=True)
    order = generator(seed, "few labels").permutation(len(first))
    order = order[np.argsort(labelled.labels[first][order], kind="stable")]
    folds = np.empty(len(first), np.intp)
    folds[order] = np.arange(len(first)) % LABEL_FOLDS
    return folds[group]


def _out_of_fold(rows: _Rows, folds: NDArray[np.intp], prior: float, guesses: bool) -> _Tried:
    logits = np.zeros((len(folds), rows.classes), np.float32)
    for fold in np.unique(folds):
        own = np.flatnonzero(folds == fold)
        logits[own] = rows.logits(rows.fit(folds != fold, prior, guesses), own)
    counted = _taught_elsewhere(rows.labels, folds)
    temperature = fit_temperature(logits[counted], rows.labels[counted])
    probs = softmax(logits / temperature, axis=1).astype(np.float32)
    losses = -np.log(np.maximum(probs[counted, rows.labels[counted]], 1e-12))
    return _Tried(prior, guesses, temperature, probs, float(losses.mean()))


def _taught_elsewhere(labels: NDArray[np.int64], folds: NDArray[np.intp]) -> NDArray[np.intp]:
    """The rows whose class other folds have, too; all where there is none such."""
    counts = np.zeros((LABEL_FOLDS, int(labels.max()) + 1), np.int64)
    np.add.at(counts, (folds, labels), 1)
    elsewhere = counts.sum(axis=0)[labels] > counts[folds, labels]
    return np.flatnonzero(elsewhere | ~elsewhere.any())
