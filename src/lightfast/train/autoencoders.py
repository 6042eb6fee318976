"""What the regularised autoencoders minimise, and the training of a stacked one layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from lightfast.base.randomness import derive_seed
from lightfast.data.preprocess import to_pixels
from lightfast.models.autoencoders import PenalisedAutoencoder, StackedAutoencoder, TiedAutoencoder
from lightfast.train.augment import uniform
from lightfast.train.loop import BatchSource, LoopContext, train
from lightfast.train.objectives import Batch, Restoration, pixel_loss
from lightfast.train.recipe import Recipe, Training

LAYER_SHARE = 5
"""Each layer of a stacked autoencoder learns alone for one in so many of the epochs; the rest is for all."""


@dataclass(frozen=True)
class PenalisedRestoration:
    """`Restoration` of a `PenalisedAutoencoder`, its penalty added in training: validation compares restored
    pictures alone, so that autoencoders of different penalties can be compared.
    """

    restoration: Restoration

    def __call__(
        self, network: nn.Module, batch: Batch, generator: torch.Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and measures of the restoration; in training also `penalty`."""
        loss, measures = self.restoration(network, batch, generator)
        if generator is None:
            return loss, measures
        penalty = cast(PenalisedAutoencoder, network).penalty(to_pixels(batch[0]), generator)
        return loss + penalty, {**measures, "penalty": penalty.detach()}


@dataclass(frozen=True)
class LayerDenoising:
    """One layer of a stacked autoencoder as a denoising autoencoder of its own (Vincent et al. 2010, section
    3.5): layer 0 from damaged to clean pixels by `pixels`, a higher one from the masked code of the clean
    picture to that code, by the mean squared error. The layers below are as they are.

    Batches as for `Restoration`.
    """

    level: int
    pixels: str = "mse"

    def __call__(
        self, network: nn.Module, batch: Batch, generator: torch.Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """(loss, no measures); validation masks alike each time."""
        stack = cast(StackedAutoencoder, network)
        degraded, clean = to_pixels(batch[0]), to_pixels(batch[1])
        if self.level == 0:
            height, width = clean.shape[-2:]
            restored = stack.decode_layer(stack.encode(degraded, 1), 0)[..., :height, :width]
            return pixel_loss(self.pixels, restored.float(), clean), {}
        with torch.no_grad():
            below = stack.encode(clean, self.level)
        drawn = uniform(below.shape, generator or torch.Generator().manual_seed(0), below)
        given = below * (drawn >= stack.masked)
        found = stack.decode_layer(stack.encode_layer(given, self.level), self.level)
        return functional.mse_loss(found.float(), below.float()), {}


def train_restorer(
    network: nn.Module, source: BatchSource, restoration: Restoration, recipe: Recipe, training: Training
) -> list[dict[str, Any]]:
    """Fit a restorer in place by `recipe`, a stacked autoencoder layer by layer first.

    Returns: the rows of the history. Those of a layer that learns alone have its number, from 1, as `layer`;
    epochs count through.
    """
    before: list[dict[str, Any]] = []
    if isinstance(network, StackedAutoencoder):
        alone, recipe = layer_recipes(recipe, len(network.layers))
        for level in range(len(network.layers)):
            before += _layer_history(network, level, source, restoration.pixel_loss, alone, training)
    context = LoopContext.of(training, "restorer")
    penalised = isinstance(network, PenalisedAutoencoder)
    objective = PenalisedRestoration(restoration) if penalised else restoration
    rows = train(network, source, objective, recipe, seed=training.seed, context=context)
    return [{**row, "epoch": number} for number, row in enumerate([*before, *rows], start=1)]


def layer_recipes(recipe: Recipe, layers: int) -> tuple[Recipe, Recipe]:
    """(of each layer alone, of all together): the epochs of `recipe` divided, at least one each."""
    alone = max(1, recipe.epochs // LAYER_SHARE)
    together = max(1, recipe.epochs - alone * layers)
    return (recipe.updated([f"epochs={alone}", "patience=none"]), recipe.updated([f"epochs={together}"]))


def _layer_history(
    network: StackedAutoencoder,
    level: int,
    source: BatchSource,
    pixels: str,
    recipe: Recipe,
    training: Training,
) -> list[dict[str, Any]]:
    context = LoopContext.of(training, f"restorer-layer-{level + 1}")
    seed = derive_seed(training.seed, "layer", level)
    with _learning_alone(network, level):
        rows = train(network, source, LayerDenoising(level, pixels), recipe, seed=seed, context=context)
    return [{**row, "layer": level + 1} for row in rows]


@contextmanager
def _learning_alone(network: TiedAutoencoder, level: int) -> Iterator[None]:
    """Only layer `level` receives gradients."""
    network.requires_grad_(False)
    network.layers[level].requires_grad_(True)
    try:
        yield
    finally:
        network.requires_grad_(True)
