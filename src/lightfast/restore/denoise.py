"""Restorers: trained on damaged / clean pairs,
with or without the frozen classifier's word on what matters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn

from lightfast.data.images import ImageSet
from lightfast.data.preprocess import Preprocess
from lightfast.models.build import fresh_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.device import resolve_device

# The verb of this room; it stands below, since explanations of an enhancer need it too.
from lightfast.models.infer import restore  # noqa: F401
from lightfast.restore.pairs import DamagedPictures, DamageMix
from lightfast.restore.recognition import frozen_classifier
from lightfast.train.autoencoders import train_restorer
from lightfast.train.objectives import Restoration
from lightfast.train.recipe import Recipe, Training


@dataclass(frozen=True)
class RestorerPlan:
    """How a restorer is made.

    Attributes:
        model: a restorer of the table of models, with `config` as its keyword arguments; what it adds to the
            loss (sparse and contractive autoencoders) or to the training (stacked) comes with it.
        pixel_loss: "mse", "l1", or "bce" as in the paper.
        recognition: weight of the frozen classifier's cross-entropy on the restored picture; 0 = pixels only.
        recipe: how to train.
        per_epoch: pictures an epoch, all when None.
    """

    model: str = "unet"
    config: Mapping[str, Any] = field(default_factory=dict)
    pixel_loss: Literal["mse", "l1", "bce"] = "mse"
    recognition: float = 0.02
    recipe: Recipe = field(default_factory=lambda: Recipe(epochs=10, learning_rate=2e-3, averaging=0.998))
    per_epoch: int | None = None


def fit_restorer(
    train_images: ImageSet,
    val_images: ImageSet,
    mix: DamageMix,
    *,
    classifier: Checkpoint | None = None,
    plan: RestorerPlan | None = None,
    training: Training | None = None,
) -> Checkpoint:
    """Train a restorer on pictures of `train_images` damaged by `mix`, choosing the best epoch on damaged
    `val_images`.

    The classifier, when given and `plan.recognition` > 0, is frozen: it only tells how readable the restored
    picture is. The labels that its cross-entropy needs are those of the training pictures.

    Returns: a Checkpoint with role "restorer".
    """
    plan, training = plan or RestorerPlan(), training or Training()
    network = fresh_network(plan.model, "restorer", train_images.image_shape, 0, plan.config, training.seed)
    wanted = classifier if plan.recognition > 0 else None
    reader = wanted and frozen_classifier(wanted, resolve_device(training.device))
    objective = Restoration(plan.pixel_loss, reader, plan.recognition if reader else 0.0)
    source = DamagedPictures(train_images, val_images, mix, training.seed, plan.per_epoch)
    history = train_restorer(network, source, objective, plan.recipe, training)
    details = {
        "seed": training.seed,
        "damages": [list(choice) for choice in mix.choices],
        "clean_share": mix.clean_share,
        "pixel_loss": plan.pixel_loss,
        "recognition": objective.recognition,
        "recipe": plan.recipe.model_dump(),
    }
    return restorer_checkpoint(plan.model, plan.config, train_images, network, history, details)


def restorer_checkpoint(
    model: str,
    config: Mapping[str, Any],
    train_images: ImageSet,
    network: nn.Module,
    history: Sequence[Mapping[str, Any]],
    details: Mapping[str, Any],
) -> Checkpoint:
    """A network that was trained on `train_images` as a checkpoint with role "restorer"."""
    data = {"data": train_images.name, "data_version": train_images.version, "n_train": len(train_images)}
    shape = train_images.image_shape
    return Checkpoint(
        "restorer",
        model,
        shape,
        0,
        (),
        Preprocess.identity(shape),
        network,
        config=dict(config),
        details={**data, **details},
        history=tuple(history),
    )
