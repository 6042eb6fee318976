"""Linear heads compared where validation pictures are few: out of fold, over all labelled pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.base.randomness import generator
from lightfast.evaluate.calibration import fit_temperature
from lightfast.train.label_quality import out_of_fold_probs
from lightfast.train.linear import LinearData, LinearSettings, fit_linear

FEW_VALIDATION = 100
"""With fewer validation pictures than this a difference of losses on them is mostly chance."""
HEAD_FOLDS = 5


@dataclass(frozen=True, eq=False)
class FoldLosses:
    """What a head that is fitted on the other folds makes of every picture.

    Attributes:
        losses: float64 (N,), calibrated cross-entropy, nats.
        accuracy: 0..1 over the N.
    """

    losses: NDArray[np.float64]
    accuracy: float


def fold_losses(
    train: LinearData, val: LinearData, columns: slice, classes: int, settings: LinearSettings
) -> FoldLosses | None:
    """Losses of a softmax head on these columns of the features, out of fold over training and validation
    pictures together; mirror images of training pictures learn, and are not read.

    Args:
        train: rows of the pictures, and behind them, of the same `groups`, those of their mirror images.
        val: rows of the validation pictures.
        columns: of both.
        classes: K.
        settings: of every fit; its strengths are chosen inside the rest of a fold.

    Returns None where a class has fewer pictures than there are folds.
    """
    count = len(train.targets) if train.groups is None else int(train.groups.max()) + 1
    own = np.arange(count) if train.groups is None else train.groups
    groups = np.concatenate([own, np.arange(count, count + len(val.targets))])
    both = LinearData(
        np.concatenate([train.features[:, columns], val.features[:, columns]]),
        np.concatenate([train.targets, val.targets]),
        groups=groups,
    )
    read = np.concatenate([np.arange(count), np.arange(len(train.targets), len(both.targets))])
    labels = both.targets[read]
    if np.bincount(labels, minlength=classes).min() < HEAD_FOLDS:
        return None
    # Every fifth picture of a class chooses strengths, where it is not read.
    order = generator(settings.seed, "strengths out of fold").permutation(len(labels))
    chooses = np.empty(len(labels), dtype=bool)
    chooses[order[np.argsort(labels[order], kind="stable")]] = np.arange(len(labels)) % HEAD_FOLDS == 0

    def fit_and_predict(rest: NDArray[np.intp], fold: NDArray[np.intp]) -> NDArray[np.floating]:
        asked = chooses[groups[rest]]
        head = fit_linear(both.take(rest[~asked]), both.take(rest[asked]), classes, settings)
        return head.probs(both.features[fold])

    probs = out_of_fold_probs(both.targets, HEAD_FOLDS, settings.seed, fit_and_predict, groups)[read]
    logits = np.log(np.maximum(probs, 1e-12))
    cooled = logits / fit_temperature(logits, labels)
    cooled -= np.logaddexp.reduce(cooled, axis=1, keepdims=True)
    return FoldLosses(
        -cooled[np.arange(len(labels)), labels].astype(np.float64),
        float((probs.argmax(axis=1) == labels).mean()),
    )
