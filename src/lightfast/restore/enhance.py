"""`fit_enhancer`: learn the picture changes that help a frozen classifier,
and refuse them where they do not help.
"""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from lightfast.base.errors import CheckpointError, DataError
from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.data.images import ImageSet
from lightfast.evaluate.predict import calibrate
from lightfast.models.build import fresh_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.enhanced import prepend_enhancer
from lightfast.models.infer import predict_logits
from lightfast.models.restorers import UNet
from lightfast.restore.denoise import restorer_checkpoint
from lightfast.restore.gate import Gate
from lightfast.restore.measure import judge
from lightfast.restore.pairs import DamagedPictures, DamageMix
from lightfast.restore.recognition import frozen_classifier
from lightfast.train.enhancement import Enhancement, Fidelity
from lightfast.train.fit import check_trainable, labelled_rows
from lightfast.train.loop import BatchSource, LoopContext, train
from lightfast.train.objectives import Batch, Restoration
from lightfast.train.recipe import Recipe, Training

CAMERA = "camera"
"""The suite of damages that photographs meet: noise, blur, low contrast, JPEG."""


FirstLoss = Literal["bce", "mse"]


@dataclass(frozen=True)
class EnhancerPlan:
    """How an enhancer is made.

    Attributes:
        model: `levels-unet` or `unet` (residual: untrained they change nothing), `paper-unet`, `own:A-B` …
        config: its keyword arguments.
        strengths: λ of the fidelity term; of several the one is taken that validation calls for (see
            `fit_enhancer`).
        fidelity: "ssim" (1 − SSIM) or "l1", against the clean picture.
        mix: damages of the pictures it learns on, with the share that stays clean; None = clean pictures
            only.
        recipe: how to train; `augment` moves picture and target alike.
        trial_epochs: epochs that each of several strengths gets before the choice; None = all of the
            recipe's.
        reconstruct: first learn to give the clean picture back, by pixels alone and this recipe: the paper's
            first step (there from clean pictures; where there is a `mix`, from damaged ones: a denoiser,
            which the classifier then makes a better one).
        first_loss: pixel loss of that first step, "bce" or "mse" (the paper names both); None: bce for what
            ends in a sigmoid, mse for what adds a correction.
        per_epoch: pictures an epoch, all when None.
    """

    model: str = "levels-unet"
    config: Mapping[str, Any] = field(default_factory=dict)
    strengths: tuple[float, ...] = (0.03, 0.3)
    fidelity: Fidelity = "ssim"
    mix: DamageMix | None = field(default_factory=lambda: DamageMix.of_suite(CAMERA, clean_share=0.5))
    recipe: Recipe = field(
        default_factory=lambda: Recipe(
            epochs=10, batch_size=16, learning_rate=2e-3, augment="flip", averaging=0.99
        )
    )
    trial_epochs: int | None = 2
    reconstruct: Recipe | None = None
    first_loss: FirstLoss | None = None
    per_epoch: int | None = None


def paper_enhancer_plan(
    model: str = "paper-unet", config: Mapping[str, Any] | None = None, *, epochs: tuple[int, int] = (5, 10)
) -> EnhancerPlan:
    """The perturbations paper's way: reproduce the picture by binary cross-entropy (`epochs[0]`), then only
    the cross-entropy of the frozen classifier (`epochs[1]`); clean pictures, nothing moved, nothing that
    holds the change back.
    """
    first, second = (Recipe(epochs=one, batch_size=64, learning_rate=1e-3) for one in epochs)
    return EnhancerPlan(model, config or {}, strengths=(0.0,), mix=None, recipe=second, reconstruct=first)


@dataclass(frozen=True)
class StrengthTrial:
    """One λ, after `epochs`: mean cross-entropy (nats) and accuracy (0..1) of the classifier on the
    validation rows, clean and damaged as the plan mixes them, the standard error of that mean, and the
    distance from the clean picture (1 − SSIM, or L1).
    """

    strength: float
    epochs: int
    cross_entropy: float
    standard_error: float
    accuracy: float
    change: float


@dataclass(frozen=True, eq=False)
class Enhanced:
    """What `fit_enhancer` gives: the enhancer alone (role "restorer"; its `details` name the strengths that
    were "tried" and the "strength" that was taken), the classifier behind it as one checkpoint, and the
    verdict of the gate.
    """

    checkpoint: Checkpoint
    enhancer: Checkpoint
    gate: Gate


def fit_enhancer(
    classifier: Checkpoint,
    train_images: ImageSet,
    val_images: ImageSet,
    *,
    plan: EnhancerPlan | None = None,
    training: Training | None = None,
    begin: Checkpoint | None = None,
) -> Enhanced:
    """Learn picture changes through the frozen `classifier`, on its labels of `train_images`.

    The cross-entropy is that of the classifier at its own temperature. Of several λ the largest is taken
    whose validation cross-entropy lies within one standard error of the best: of equally helpful enhancers
    the one that changes the picture least. The epoch, too, is chosen on validation. The classifier's weights
    and batch-norm statistics are compared bit by bit before and after.

    `begin`: a restorer of the plan's model and config to start from, a denoiser for example;
    `plan.reconstruct` is then left out. It helps damaged pictures sooner and clean ones later.

    Raises:
        CheckpointError: the classifier is a forest, or takes any number of labels a picture; its classes are
            not those of the pictures; `begin` is another network than the plan's.
        DataError: too few pictures.
    """
    plan, training = plan or EnhancerPlan(), training or Training()
    enhancer = learn_enhancer(classifier, train_images, val_images, plan=plan, training=training, begin=begin)
    checkpoint = calibrate(prepend_enhancer(enhancer, classifier), val_images)
    gate = judge(classifier, checkpoint, val_images, plan.mix, seed=training.seed)
    return Enhanced(checkpoint, enhancer, gate)


def learn_enhancer(
    classifier: Checkpoint,
    train_images: ImageSet,
    val_images: ImageSet,
    *,
    plan: EnhancerPlan,
    training: Training,
    begin: Checkpoint | None = None,
) -> Checkpoint:
    """The learning part of `fit_enhancer`: the enhancer, role "restorer", not judged yet."""
    _require_fit(classifier, train_images, plan, begin)
    before, wall, processor = (
        weights_digest(classifier.torch_network),
        time.perf_counter(),
        time.process_time(),
    )
    fitted = _Fit(classifier, train_images, val_images, plan, training, begin)
    tried = fitted.tried()
    strength = choose_strength(tried) if tried else plan.strengths[0]
    enhancer = fitted.fit(strength, plan.recipe, "enhancer")
    if weights_digest(classifier.torch_network) != before:
        raise CheckpointError(
            "the frozen classifier was changed while an enhancer learnt through it",
            cure="Please report this.",
        )
    facts = {
        "tried": as_json(tried),
        "classifier_digest": before,
        "fit_seconds": round(time.perf_counter() - wall, 1),
        "processor_seconds": round(time.process_time() - processor, 1),
    }
    return enhancer.replace(details={**enhancer.details, **facts})


def _require_fit(
    classifier: Checkpoint, train_images: ImageSet, plan: EnhancerPlan, begin: Checkpoint | None
) -> None:
    if classifier.task != "multi-class":
        raise CheckpointError(
            "enhance", expected="a classifier of one label a picture", got=f"a {classifier.task} one"
        )
    classifier.require_classes(train_images.class_names, train_images.name)
    check_trainable(train_images)
    if train_images.image_shape != classifier.image_shape:
        raise DataError(
            train_images.name,
            expected=f"pictures of {classifier.image_shape} (H, W, C)",
            got=str(train_images.image_shape),
        )
    wanted = f"restorer {plan.model} with {dict(plan.config)}"
    if begin is not None and (got := f"{begin.role} {begin.model} with {dict(begin.config)}") != wanted:
        raise CheckpointError(
            "begin", expected=f"a {wanted}", got=f"a {got}", cure="Give the plan its model and config."
        )


@dataclass(frozen=True)
class _Fit:
    """One enhancer's training, its λ apart."""

    classifier: Checkpoint
    train_images: ImageSet
    val_images: ImageSet
    plan: EnhancerPlan
    training: Training
    begin: Checkpoint | None

    def tried(self) -> list[StrengthTrial]:
        """Each of several strengths after its first epochs; nothing where there is no choice."""
        if len(self.plan.strengths) == 1 or not len(self.val_images):
            return []
        epochs = self.plan.trial_epochs or self.plan.recipe.epochs
        recipe = self.plan.recipe.updated([f"epochs={epochs}"])
        fitted = {one: self.fit(one, recipe, f"enhancer-trial-{one:g}") for one in self.plan.strengths}
        return [self._measured(enhancer, one, epochs) for one, enhancer in fitted.items()]

    @cached_property
    def begun(self) -> nn.Module:
        """The network after its first steps, which are the same for every λ."""
        if self.begin is not None:
            return self.begin.torch_network
        plan, seed, shape = self.plan, self.training.seed, self.train_images.image_shape
        network: nn.Module = fresh_network(plan.model, "restorer", shape, 0, plan.config, seed)
        if plan.reconstruct is not None:
            pixels = Restoration(plan.first_loss or ("mse" if isinstance(network, UNet) else "bce"))
            context = LoopContext.of(self.training, "enhancer-reconstruct")
            train(network, self._source(), pixels, plan.reconstruct, seed=seed, context=context)
        return network

    def fit(self, strength: float, recipe: Recipe, label: str) -> Checkpoint:
        plan, seed, context = self.plan, self.training.seed, LoopContext.of(self.training, label)
        network = copy.deepcopy(self.begun)
        read, temperature = frozen_classifier(self.classifier, context.device), self.classifier.temperature
        # Calibrated: a classifier that is sure of everything would send gradients only from the few pictures
        # that it reads wrongly.
        objective = Enhancement(
            lambda pixels: read(pixels) / temperature, strength, plan.fidelity, recipe.augment
        )
        history = train(network, self._source(), objective, recipe, seed=seed, context=context)
        details = {
            "seed": seed,
            "class_names": list(self.classifier.class_names),
            "strength": strength,
            "plan": as_json(plan),
        }
        return restorer_checkpoint(plan.model, plan.config, self.train_images, network, history, details)

    def _source(self) -> BatchSource:
        sets, seed, count = (self.train_images, self.val_images), self.training.seed, self.plan.per_epoch
        if self.plan.mix is None:
            return CleanPairs(*sets, seed, count)
        return DamagedPictures(*sets, self.plan.mix, seed, count)

    def _measured(self, enhancer: Checkpoint, strength: float, epochs: int) -> StrengthTrial:
        given, _, labels = self._source().validation()
        logits = torch.from_numpy(predict_logits(prepend_enhancer(enhancer, self.classifier), given.numpy()))
        losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none").numpy()
        return StrengthTrial(
            strength,
            epochs,
            cross_entropy=float(losses.mean()),
            standard_error=float(losses.std(ddof=1) / np.sqrt(len(losses))),
            accuracy=float((logits.argmax(1) == labels).float().mean()),
            change=min(enhancer.history, key=lambda row: row["val_loss"])["val_change"],
        )


def choose_strength(tried: Sequence[StrengthTrial]) -> float:
    """The largest λ whose cross-entropy lies within one standard error of the smallest."""
    best = min(tried, key=lambda one: one.cross_entropy)
    return max(one.strength for one in tried if one.cross_entropy <= best.cross_entropy + best.standard_error)


@dataclass(frozen=True)
class CleanPairs:
    """A loop source of (picture, the same picture, label); epochs walk through the whole set,
    `per_epoch` at a time.
    """

    train: ImageSet
    val: ImageSet
    seed: int
    per_epoch: int | None = None

    def epoch(self, number: int) -> Batch:
        """The rows of epoch `number`, or all."""
        rows, count = self.train, self.per_epoch
        if count is not None and count < len(rows):
            rows = rows.take(generator(self.seed, "enhance-epoch", number).permutation(len(rows))[:count])
        return _pairs(rows)

    def validation(self) -> Batch:
        """The validation rows."""
        return _pairs(self.val)


def _pairs(images: ImageSet) -> Batch:
    pictures, labels = labelled_rows(images)
    return pictures, pictures, labels


def weights_digest(network: nn.Module) -> str:
    """sha256 of every parameter and buffer (batch-norm statistics too), bit by bit."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
