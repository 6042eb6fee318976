"""How labels came to be wrong: a class, hidden; what speaks for each class; the label that was given.

The probability of the hidden class of a row is a product of experts, softmax(Σ weight · log source + bias).
The label is drawn from it by a transition matrix. All of it is fitted by expectation and maximisation on the
given labels alone, since no source was allowed to see the label of its row. A start from the rows that are
read most confidently keeps the transitions from being explained away by soft probabilities (anchor rows:
Liu and Tao 2016; Patrini et al. 2017, section 4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.base.randomness import generator

# Of the rows read as a class, the share that is read most confidently.
_ANCHORS = 0.5
# Pictures' worth of belief that labels of a class are as often wrong as those of the others.
_PRIOR = 5.0
_ROUNDS = 8
_FLOOR = 1e-4
_GUESSED, _GUESSED_MORE = 0.15, 0.5
_GUESSED_AT_MOST = 0.5
# Cells (rows × classes) on which the few parameters are fitted, and rows a class from which on the
# transitions need no others.
_CELLS, _ENOUGH = 100_000, 500
# Columns that stay in the processor's cache while they are worked on.
_BLOCK = 8_192


@dataclass(frozen=True, eq=False)
class NoiseModel:
    """Attributes:
    weights: float64 (S,) of the sources. bias: float64 (K,).
    transition: float64 (K, K), the probability of each given label (column) for each true class (row).
    wrong: share of the fitted labels that are wrong by the transitions alone.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    transition: NDArray[np.float64]
    wrong: float = 0.0

    def class_probs(self, sources: NDArray[np.floating]) -> NDArray[np.floating]:
        """(K, N): the classes by the sources alone, log probabilities (S, K, N)."""
        logits = self.weights[0].astype(sources.dtype) * sources[0]
        for weight, source in zip(self.weights[1:], sources[1:], strict=True):
            logits += weight.astype(sources.dtype) * source
        logits += self.bias.astype(sources.dtype)[:, None]
        return _softmax(logits)

    def posterior(
        self, sources: NDArray[np.floating], labels: NDArray[np.int64], guessed: float = 0.0
    ) -> NDArray[np.floating]:
        """(K, N): the classes by the sources (S, K, N) and the given label, where a share `guessed` of the
        labels was drawn from what the picture looks like.
        """
        found = self.class_probs(sources)
        likely = ((1 - guessed) * self.transition).astype(found.dtype)[:, labels]
        if guessed:
            likely += guessed * found[labels, np.arange(len(labels))]
        found *= likely
        found /= found.sum(axis=0)
        return found

    def judged(
        self, sources: NDArray[np.floating], labels: NDArray[np.int64], evened: float
    ) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
        """(quality (N,), suggested int64 (N,)): the chance that each label is right, and the best other
        class.

        People err where a picture is unclear, which a transition by class alone does not know: with it, the
        number of wrong labels of crowds comes out too low by a third to a half. So a share of the labels,
        15 % and half of the share that looks wrong, counts as guessed from what the picture looks like; and a
        share `evened` of each transition is spread evenly over the other classes, so that errors which no
        class is known for are ranked high. The labels themselves can tell neither share: the first was chosen
        on part of the sets of benchmarks/label_issues.py, which lists the others apart, the second over all
        of them, a family left out at a time.
        """
        right = np.diag(self.transition)
        even = np.repeat(((1 - right) / (len(right) - 1))[:, None], len(right), axis=1)
        np.fill_diagonal(even, right)
        model = NoiseModel(self.weights, self.bias, (1 - evened) * self.transition + evened * even)
        guessed = min(_GUESSED + _GUESSED_MORE * self.wrong, _GUESSED_AT_MOST)
        quality = np.empty(len(labels), dtype=sources.dtype)
        suggested = np.empty(len(labels), dtype=np.int64)
        for block in _blocks(len(labels)):
            found = model.posterior(sources[:, :, block], labels[block], guessed)
            quality[block], suggested[block] = _own_and_other(found, labels[block])
        return quality, suggested


def log_sources(*sources: NDArray[np.floating]) -> NDArray[np.float32]:
    """float32 (S, K, N): logarithms of probabilities (N, K), nowhere below that of one in 10,000."""
    n, classes = sources[0].shape
    logs = np.empty((len(sources), classes, n), dtype=np.float32)
    for source, log in zip(sources, logs, strict=True):
        for block in _blocks(n):
            np.log(np.clip(source[block].T, _FLOOR, 1), out=log[:, block])
    return logs


def fit_noise_model(sources: NDArray[np.floating], labels: NDArray[np.int64], seed: int = 0) -> NoiseModel:
    """The noise model of log probabilities (S, K, N) and labels (N,).

    Of large sets the weights are fitted on rows drawn by `seed`; so are the transitions, where these are
    enough.
    """
    count, classes, n = sources.shape
    size = max(_CELLS // classes, 2_000)
    rows = (
        slice(None) if n <= size else np.sort(generator(seed, "noise model").choice(n, size, replace=False))
    )
    drawn, given = sources[:, :, rows].astype(np.float64), labels[rows]
    equal = NoiseModel(np.full(count, 1 / count), np.zeros(classes), np.eye(classes))
    model = _anchored(equal, drawn, given)
    for _ in range(_ROUNDS):
        model = _step(model, drawn, given)
    if size < n and size < _ENOUGH * classes:
        counts = np.zeros((classes, classes))
        for block in _blocks(n):
            counts += _counts(model.posterior(sources[:, :, block], labels[block]), labels[block])
        model = _with_counts(model, counts)
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
    classes, read, sure = len(probs), probs.argmax(axis=0), probs.max(axis=0)
    counts = np.zeros((classes, classes))
    for one in range(classes):
        rows = np.flatnonzero(read == one)
        if len(rows):
            anchors = rows[sure[rows] >= np.quantile(sure[rows], 1 - _ANCHORS)]
            counts[one] = np.bincount(labels[anchors], minlength=classes)
    return _with_counts(model, counts)


def _step(model: NoiseModel, sources: NDArray[np.float64], labels: NDArray[np.int64]) -> NoiseModel:
    from scipy.optimize import minimize

    count, classes, n = sources.shape
    likely = model.transition[:, labels]
    centre = np.r_[np.full(count, 1 / count), np.zeros(classes)]
    pull = np.r_[np.full(count, 2.0), np.ones(classes)]

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        probs = NoiseModel(flat[:count], flat[count:], likely).class_probs(sources)
        joint = probs * likely
        given = joint.sum(axis=0)
        joint /= given
        joint -= probs
        away = flat - centre
        slope = np.r_[[float(np.vdot(source, joint)) for source in sources], joint.sum(axis=1)]
        value = float(-np.log(given).sum() + (pull * away**2).sum() / 2)
        return value / n, (pull * away - slope) / n

    found = minimize(
        loss,
        np.r_[model.weights, model.bias],
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, 8)] * count + [(-5, 5)] * classes,
        options={"maxiter": 30},
    ).x
    fitted = NoiseModel(found[:count], found[count:], model.transition)
    return _with_counts(fitted, _counts(fitted.posterior(sources, labels), labels))


def _with_counts(model: NoiseModel, counts: NDArray[np.float64]) -> NoiseModel:
    wrong = 1 - float(np.trace(counts) / max(counts.sum(), 1e-12))
    return NoiseModel(model.weights, model.bias, smoothed_transition(counts), wrong)


def _counts(posterior: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    rows = [np.bincount(labels, weights=one, minlength=len(posterior)) for one in posterior]
    return np.stack(rows).astype(np.float64)


def _own_and_other(
    posterior: NDArray[np.floating], labels: NDArray[np.int64]
) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
    """(value of the label, best other class) of (K, b); class by class, which is quicker than argmax."""
    places = np.arange(len(labels))
    own = posterior[labels, places]
    posterior[labels, places] = -1
    best, highest = np.zeros(len(labels), dtype=np.int64), posterior[0].copy()
    for one, values in enumerate(posterior[1:], 1):
        better = values > highest
        best[better] = one
        np.maximum(highest, values, out=highest)
    return own, best


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK))


def _softmax(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    """Along the first axis, in place."""
    logits -= logits.max(axis=0)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=0)
    return logits
