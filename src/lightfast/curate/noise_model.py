"""How labels came to be wrong: a class, hidden; what speaks for each class; the label that was given.

The probability of the hidden class of a row is a product of experts, softmax(Σ weight · log source + bias).
The label is drawn from it by a transition matrix. All of it is fitted by expectation and maximisation on the
given labels alone, since no source was allowed to see the label of its row. A start from the rows that are
read most confidently keeps the transitions from being explained away by soft probabilities (anchor rows:
Liu and Tao 2016; Patrini et al. 2017, section 4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.base.randomness import generator

# Of the rows read as a class, the share that is read most confidently.
_ANCHORS = 0.5
# Pictures' worth of belief that labels of a class are as often wrong as those of the others.
_PRIOR = 5.0
_ROUNDS, _MORE_ROUNDS = 8, 4
_FLOOR = 1e-4
_GUESSED, _GUESSED_MORE = 0.15, 0.5
_GUESSED_AT_MOST = 0.5
# Cells (rows × classes) on which the few parameters are fitted.
_CELLS = 200_000


@dataclass(frozen=True, eq=False)
class NoiseModel:
    """Attributes: weights float64 (S,) of the sources; bias float64 (K,); transition float64 (K, K), the
    probability of each given label (column) for each true class (row).
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    transition: NDArray[np.float64]

    def class_probs(self, sources: NDArray[np.floating]) -> NDArray[np.floating]:
        """(N, K): the classes by the sources alone, log probabilities (S, N, K)."""
        return _softmax(
            np.tensordot(self.weights.astype(sources.dtype), sources, 1) + self.bias.astype(sources.dtype)
        )

    def posterior(
        self, sources: NDArray[np.floating], labels: NDArray[np.int64], guessed: float = 0.0
    ) -> NDArray[np.floating]:
        """(N, K): the classes by the sources and the given label, where a share `guessed` of the labels was
        drawn from what the picture looks like.
        """
        found = self.class_probs(sources)
        likely = (1 - guessed) * self.transition.T.astype(found.dtype)[labels]
        likely += guessed * found[np.arange(len(labels)), labels, None]
        found *= likely
        found /= found.sum(axis=1, keepdims=True)
        return found

    def judged(
        self, sources: NDArray[np.floating], labels: NDArray[np.int64], evened: float
    ) -> NDArray[np.floating]:
        """(N, K): the posterior to judge labels by.

        People err where a picture is unclear, which a transition by class alone does not know: with it, the
        number of wrong labels of crowds comes out too low by a third to a half. So a share of the labels,
        15 % and half of the share that looks wrong, counts as guessed from what the picture looks like; and a
        share `evened`
        of each transition is spread evenly over the other classes, so that errors which no class is known
        for are ranked high. The labels themselves can tell neither share: they were chosen on part of the
        sets of benchmarks/label_issues.py, which lists the others apart.
        """
        found = self.posterior(sources, labels)
        wrong = 1 - float(found[np.arange(len(labels)), labels].mean(dtype=np.float64))
        right = np.diag(self.transition)
        even = np.repeat(((1 - right) / (len(right) - 1))[:, None], len(right), axis=1)
        np.fill_diagonal(even, right)
        model = NoiseModel(self.weights, self.bias, (1 - evened) * self.transition + evened * even)
        return model.posterior(sources, labels, min(_GUESSED + _GUESSED_MORE * wrong, _GUESSED_AT_MOST))


def log_sources(*sources: NDArray[np.floating]) -> NDArray[np.float32]:
    """float32 (S, N, K): logarithms, nowhere below that of one in 10,000."""
    return np.stack([np.log(np.clip(one, _FLOOR, 1).astype(np.float32)) for one in sources])


def fit_noise_model(
    sources: NDArray[np.floating],
    labels: NDArray[np.int64],
    *,
    start: NoiseModel | None = None,
    seed: int = 0,
) -> NoiseModel:
    """The noise model of log probabilities (S, N, K) and labels (N,).

    `start` is a model of the same kind of sources, whose weights are gone on from. Of large sets the
    weights are fitted on rows drawn by `seed`, the transitions on all.
    """
    _, n, classes = sources.shape
    count = max(_CELLS // classes, 2_000)
    rows = (
        np.arange(n)
        if n <= count
        else np.sort(generator(seed, "noise model").choice(n, count, replace=False))
    )
    drawn, given = sources[:, rows].astype(np.float64), labels[rows]
    equal = NoiseModel(np.full(len(sources), 1 / len(sources)), np.zeros(classes), np.eye(classes))
    model = _anchored(start or equal, drawn, given)
    for _ in range(_ROUNDS if start is None else _MORE_ROUNDS):
        model = _step(model, drawn, given)
    if len(rows) < n:
        counts = _counts(model.posterior(sources, labels), labels, classes)
        model = NoiseModel(model.weights, model.bias, smoothed_transition(counts))
    return model


def smoothed_transition(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K, K) rows that sum to 1, from counts (true class, given label); classes with few pictures lean on the
    share of wrong labels of all.
    """
    classes = len(counts)
    share = (counts.sum() - np.trace(counts) + 1) / (counts.sum() + 2)
    prior = np.full((classes, classes), share / (classes - 1))
    np.fill_diagonal(prior, 1 - share)
    return (counts + _PRIOR * prior) / (counts.sum(axis=1, keepdims=True) + _PRIOR)


def _anchored(model: NoiseModel, sources: NDArray[np.float64], labels: NDArray[np.int64]) -> NoiseModel:
    """The model with the transitions that the anchor rows show."""
    probs = model.class_probs(sources)
    classes, read, sure = probs.shape[1], probs.argmax(axis=1), probs.max(axis=1)
    counts = np.zeros((classes, classes))
    for one in range(classes):
        rows = np.flatnonzero(read == one)
        if len(rows):
            anchors = rows[sure[rows] >= np.quantile(sure[rows], 1 - _ANCHORS)]
            counts[one] = np.bincount(labels[anchors], minlength=classes)
    return NoiseModel(model.weights, model.bias, smoothed_transition(counts))


def _step(model: NoiseModel, sources: NDArray[np.float64], labels: NDArray[np.int64]) -> NoiseModel:
    from scipy.optimize import minimize

    count, n, classes = sources.shape
    likely = model.transition.T[labels]
    centre = np.r_[np.full(count, 1 / count), np.zeros(classes)]
    pull = np.r_[np.full(count, 2.0), np.ones(classes)]

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        probs = _softmax(np.tensordot(flat[:count], sources, 1) + flat[count:])
        joint = probs * likely
        given = joint.sum(axis=1, keepdims=True)
        rest = joint / given - probs
        away = flat - centre
        slope = np.r_[np.tensordot(sources, rest, 2), rest.sum(axis=0)]
        return (float(-np.log(given).sum() + (pull * away**2).sum() / 2) / n, (pull * away - slope) / n)

    found = minimize(
        loss,
        np.r_[model.weights, model.bias],
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, 8)] * count + [(-5, 5)] * classes,
        options={"maxiter": 30},
    ).x
    fitted = NoiseModel(found[:count], found[count:], model.transition)
    counts = _counts(fitted.posterior(sources, labels), labels, classes)
    return NoiseModel(fitted.weights, fitted.bias, smoothed_transition(counts))


def _counts(posterior: NDArray[np.floating], labels: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    return np.stack(
        [np.bincount(labels, weights=posterior[:, one], minlength=classes) for one in range(classes)]
    )


def _softmax(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits
