"""Single scores of a label, each in 0..1 and low where the label is probably wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from lightfast.curate.evidence import LabelEvidence
from lightfast.train.label_quality import label_issue_mask

NEIGHBOURS, LEFT_OUT_FIT = "neighbours", "left_out_fit"


def self_confidence(probs: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.floating]:
    """(N,): the probability of the given label."""
    return probs[np.arange(len(labels)), labels]


def log_margin(probs: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.floating]:
    """(N,): the given label beside the best other class, p / (p + p other): the logarithmic margin through a
    logistic function.
    """
    own, other = self_confidence(probs, labels), best_other(probs, labels)[1]
    return own / np.maximum(own + other, 1e-12)


def confident_learning(probs: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.floating]:
    """(N,): the margin, each class measured by the mean probability that it has on the pictures given it;
    below a half only where the confident joint (Northcutt, Jiang and Chuang 2021, section 3.1) calls the
    label wrong.
    """
    counts = np.bincount(labels, minlength=probs.shape[1])
    own = np.bincount(labels, weights=self_confidence(probs, labels), minlength=probs.shape[1])
    usual = np.where(counts > 0, own / np.maximum(counts, 1), 1).astype(probs.dtype)
    margin = log_margin(probs / np.maximum(usual, 1e-12), labels)
    wrong = label_issue_mask(probs, labels)
    return np.where(wrong, np.minimum(margin, 0.5 - 1e-6), 0.5 + margin / 2)


def output_spread(probs: NDArray[np.floating]) -> NDArray[np.floating]:
    """(N,): standard deviation of the output vector, as a share of the largest possible.

    Kapp, Song and Rodriguez Echavarria (Table 2) found poorly labelled pictures among the lowest.
    """
    classes = probs.shape[1]
    return np.clip(probs.std(axis=1) * classes / np.sqrt(classes - 1), 0, 1)


def agreement(repeats: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.floating]:
    """(N,): the given label's log margin, at its mean over the repeats (R, N, K) less its standard deviation:
    low where the models of other folds disagree with the label, or among each other.
    """
    margins = np.stack([log_margin(one, labels) for one in repeats])
    return np.clip(margins.mean(axis=0) - margins.std(axis=0), 0, 1)


class SingleScores(Mapping[str, NDArray[np.floating]]):
    """Every score that can be had, by name, (N,); each is computed when it is first asked for."""

    def __init__(self, evidence: LabelEvidence, by_features: Mapping[str, NDArray[np.floating]]) -> None:
        """`by_features`: class probabilities (N, K) that the features give, by name of the score."""
        probs, labels, repeats, margins = (
            evidence.pred_probs,
            evidence.labels,
            evidence.repeats,
            evidence.margins,
        )
        self._known: dict[str, NDArray[np.floating]] = {}
        self._how: dict[str, Callable[[], NDArray[np.floating]]] = {
            "self_confidence": lambda: self_confidence(probs, labels),
            "log_margin": lambda: log_margin(probs, labels),
            "confident_learning": lambda: confident_learning(probs, labels),
            "output_spread": lambda: output_spread(probs),
        }
        if repeats is not None and len(repeats) > 1:
            self._how["agreement"] = lambda: agreement(repeats, labels)
        if margins is not None:
            self._how["epoch_margin"] = lambda: (margins + 1) / 2
        for name, found in by_features.items():
            self._how[name] = partial(log_margin, found, labels)

    def __getitem__(self, name: str) -> NDArray[np.floating]:
        if name not in self._known:
            self._known[name] = self._how[name]()
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._how)

    def __len__(self) -> int:
        return len(self._how)


def best_other(
    probs: NDArray[np.floating], labels: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    """(class int64 (N,), value (N,)): the highest of the classes that were not given."""
    others = probs.copy()
    rows = np.arange(len(labels))
    others[rows, labels] = -1
    best = others.argmax(axis=1)
    return best.astype(np.int64), others[rows, best]
