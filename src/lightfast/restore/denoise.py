"""Restorers: trained on damaged / clean pairs,
with or without the frozen classifier's word on what matters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from lightfast.base.errors import CheckpointError
from lightfast.data.images import ImageSet
from lightfast.data.preprocess import Preprocess, to_images, to_pixels, to_tensor
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.registry import fresh_network
from lightfast.restore.pairs import DamagedPictures, DamageMix
from lightfast.restore.recognition import frozen
from lightfast.train.fit import Training
from lightfast.train.loop import train
from lightfast.train.objectives import Restoration
from lightfast.train.recipe import Recipe


@dataclass(frozen=True)
class RestorerPlan:
    """How a restorer is made.

    Attributes:
        model: `unet` or `autoencoder`, with `config` as its keyword arguments.
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
    place = training.where("restorer").device
    reader = frozen(classifier, place) if classifier is not None and plan.recognition > 0 else None
    objective = Restoration(plan.pixel_loss, reader, plan.recognition if reader else 0.0)
    source = DamagedPictures(train_images, val_images, mix, training.seed, plan.per_epoch)
    history = train(
        network, source, objective, plan.recipe, seed=training.seed, where=training.where("restorer")
    )
    details = {
        "data": train_images.name,
        "data_version": train_images.version,
        "n_train": len(train_images),
        "seed": training.seed,
        "damages": [list(choice) for choice in mix.choices],
        "clean_share": mix.clean_share,
        "pixel_loss": plan.pixel_loss,
        "recognition": objective.recognition,
        "recipe": plan.recipe.model_dump(),
    }
    return Checkpoint(
        role="restorer",
        model=plan.model,
        image_shape=train_images.image_shape,
        outputs=0,
        class_names=(),
        preprocess=Preprocess.identity(train_images.image_shape),
        network=network,
        config=dict(plan.config),
        details=details,
        history=tuple(history),
    )


@torch.inference_mode()
def restore_images(
    restorer: Checkpoint, images: NDArray[np.uint8], *, batch_size: int = 256
) -> NDArray[np.uint8]:
    """uint8 (N, H, W, C) degraded → uint8 restored of the same shape;
    raises CheckpointError for another number of channels.
    """
    if images.shape[-1] != restorer.image_shape[2]:
        raise CheckpointError(
            "restorer",
            expected=f"pictures with {restorer.image_shape[2]} channels",
            got=str(images.shape[-1]),
            cure="Convert the pictures, or train a restorer on pictures like these.",
        )
    network = restorer.torch_network.eval()
    device = next(network.parameters()).device
    restored = np.empty_like(images)
    for start in range(0, len(images), batch_size):
        batch = to_tensor(images[start : start + batch_size]).to(device)
        restored[start : start + batch_size] = to_images(network(to_pixels(batch)))
    return restored
