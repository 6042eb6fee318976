"""Pictures that are known only for what they are not, as rows of a training: behind the labelled ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightfast.base.errors import DataError
from lightfast.data.images import ImageSet
from lightfast.data.ruled_out import RuledOut
from lightfast.models.build import find_model
from lightfast.models.transfer import TransferSettings
from lightfast.train.linear import LinearData, LinearHead, LinearSettings, fit_linear
from lightfast.train.loop import BatchSource
from lightfast.train.objectives import Batch
from lightfast.train.recipe import Training

# Rounds of guessing and fitting, and the probability below which a guess is no row.
_ROUNDS, _NEGLIGIBLE = 3, 0.01


@dataclass(frozen=True)
class WithRuledOut:
    """A source whose epochs end with rows that have no label.

    Attributes:
        source: gives the labelled rows, targets int64 (N,) last.
        more: their pictures (and whatever else stands before the targets of `source`), M rows.
        ruled_out: bool (M, K).
    """

    source: BatchSource
    more: Batch
    ruled_out: Tensor

    def epoch(self, number: int) -> Batch:
        """(rows of `source` and then those of `more`, targets with -1 for these, bool (N + M, K))."""
        *given, targets = self.source.epoch(number)
        count, classes = self.ruled_out.shape
        both = (torch.cat([one, other]) for one, other in zip(given, self.more, strict=True))
        none = torch.zeros(len(targets), classes, dtype=torch.bool)
        labels = torch.cat([targets, torch.full((count,), -1, dtype=targets.dtype)])
        return (*both, labels, torch.cat([none, self.ruled_out]))

    def validation(self) -> Batch:
        """The validation rows, which all have a label."""
        return self.source.validation()


def checked_ruled_out(images: ImageSet, ruled_out: RuledOut | None) -> RuledOut | None:
    """`ruled_out` as a training on `images` can use it, but for rows that rule nothing out: None for none;
    raises DataError where its pictures or classes are others.
    """
    if ruled_out is None or not ruled_out.says_something.any():
        return None
    if not ruled_out.says_something.all():
        ruled_out = ruled_out.take(np.flatnonzero(ruled_out.says_something))
    got = (ruled_out.images.image_shape, ruled_out.classes.shape[1])
    if images.labels is None or got != (images.image_shape, images.num_classes):
        raise DataError(
            f"{images.name}: pictures known only for what they are not",
            expected=f"pictures {images.image_shape} and {images.num_classes} classes, one label a picture",
            got=f"{got[0]} and {got[1]} classes",
        )
    return ruled_out


def ruled_out_facts(images: ImageSet, training: Training) -> dict[str, Any]:
    """What a checkpoint tells of such pictures; nothing where a training on `images` had none."""
    found = checked_ruled_out(images, training.ruled_out)
    if found is None:
        return {}
    return {"ruled_out": {"pictures": len(found), "version": found.version}}


def why_unlearned(model: str, config: Mapping[str, Any]) -> str:
    """Why a model does not learn from what pictures are not, in words; "" where it does."""
    if find_model(model, "classifier").transfer:
        settings = TransferSettings.of(**dict(config))
        if settings.head == "tree":
            return "a tree of binary decisions asks for one side or the other"
        return "`config.robust` weighs labels, and these have none" if settings.robust else ""
    return "a forest counts labels" if model.startswith("random-forest") else ""


@dataclass(frozen=True, eq=False)
class RuledOutRows:
    """Features float32 (M, D) of pictures without a label, and bool (M, K) what they are not."""

    features: NDArray[np.float32]
    classes: NDArray[np.bool_]


def fit_linear_beside(
    train: LinearData, val: LinearData, classes: int, settings: LinearSettings, beside: RuledOutRows
) -> LinearHead:
    """`fit_linear`, and then again with the unlabelled rows as each of the classes that are left to them, as
    probable as the head before says (expectation and maximisation of the likelihood of "not this"); the
    strength is that of the first fit.
    """
    head = fit_linear(train, val, classes, settings)
    fixed = dataclasses.replace(settings, strengths=(head.strength,))
    weights = np.ones(len(train.targets)) if train.weights is None else train.weights
    for _ in range(_ROUNDS):
        guessed = np.where(beside.classes, 0, np.maximum(head.probs(beside.features), 1e-12))
        guessed /= guessed.sum(axis=1, keepdims=True)
        guessed[guessed < _NEGLIGIBLE] = 0
        rows, labels = np.nonzero(guessed)
        both = LinearData(
            np.concatenate([train.features, beside.features[rows]]),
            np.concatenate([train.targets, labels]),
            np.concatenate([weights, guessed[rows, labels]]),
        )
        head = fit_linear(both, val, classes, fixed)
    return head
