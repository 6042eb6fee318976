"""`fit`: splits in, classifier checkpoint out."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from lightfast.base.errors import SettingsError
from lightfast.base.randomness import derive_seed
from lightfast.data.images import ImageSet
from lightfast.data.preprocess import Preprocess, to_pixels
from lightfast.data.trainable import check_trainable
from lightfast.models.build import find_model, fresh_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.forest import Forest
from lightfast.models.sizes import check_model
from lightfast.models.transfer import TransferSettings, load_weights, preprocess_of
from lightfast.models.whitened import Whitened
from lightfast.train.balance import BalancedDraws, class_weights
from lightfast.train.loop import ArraySource, BatchSource, LoopContext, train
from lightfast.train.not_these import checked_ruled_out, ruled_out_facts, why_unlearned
from lightfast.train.objectives import Classification
from lightfast.train.ranks import Ranks
from lightfast.train.recipe import Recipe, Training
from lightfast.train.transfer import TransferTask, default_recipe, fit_transfer, labelled_rows, with_pictures

_MET = 5_000
"""Pictures that a network is made to fit before its first step."""
_RECIPES = {
    "whitened": Recipe(
        epochs=10,
        batch_size=1024,
        optimizer="sgd",
        learning_rate=1.0,
        weight_decay=5e-4,
        label_smoothing=0.2,
        augment="mirror",
        averaging=0.95,
        keep="last",
        clip=100.0,
    )
}
"""Recipes that belong to a model; every other one has the recipe's defaults."""


@dataclass(frozen=True)
class ClassifierPlan:
    """What is fitted, apart from the pictures: model by name, its config, the recipe."""

    model: str = "cnn"
    recipe: Recipe = field(default_factory=Recipe)
    config: Mapping[str, Any] = field(default_factory=dict)

    def fit(self, train_images: ImageSet, val_images: ImageSet, training: Training) -> Checkpoint:
        """`fit` with these settings."""
        return fit(
            train_images,
            val_images,
            model=self.model,
            recipe=self.recipe,
            config=self.config,
            training=training,
        )


def fit(
    train_images: ImageSet,
    val_images: ImageSet,
    *,
    model: str = "cnn",
    recipe: Recipe | None = None,
    config: Mapping[str, Any] | None = None,
    training: Training | None = None,
) -> Checkpoint:
    """Train the classifier called `model` on `train_images`, choosing the best epoch on `val_images`.

    Args:
        train_images, val_images: labelled sets of one picture shape and one class list.
        model: a registry name (`cnn`, `mlp`, `resnet9`, `random-forest`, `timm:NAME` …).
        recipe: how to train; forests ignore it.
        config: keyword arguments of the network.
        training: seed, device, folder, resume, reporter; `ruled_out`, which forests, trees of decisions and
            `robust` heads leave aside (`train.not_these.why_unlearned`).

    Returns: a Checkpoint with role "classifier", not yet calibrated (temperature 1).
    """
    training, config = training or Training(), dict(config or {})
    check_trainable(train_images)
    recipe = recipe or recipe_of(model, config)
    ruled_out = checked_ruled_out(train_images, training.ruled_out)
    if why_unlearned(model, config):
        ruled_out = None
    training = dataclasses.replace(training, ruled_out=ruled_out)
    shape, classes, started = train_images.image_shape, train_images.num_classes, _clocks()
    if not find_model(model, "classifier").transfer:
        check_model(model, shape, classes, config)
    network = fresh_network(model, "classifier", shape, classes, config, training.seed)
    preprocess, history, facts = Preprocess.of(train_images), [], {}
    if find_model(model, "classifier").transfer:
        with Ranks.of_process().failing_together():
            # Each machine has a cache of its own.
            source = load_weights(network, model, config)
        preprocess = preprocess_of(model, shape, config)
        settings = TransferSettings.of(**config)
        if settings.mode != "head":
            _require_labels_for(recipe, train_images)
        context = LoopContext.of(training, "classifier")
        task = TransferTask(
            train_images, val_images, settings, recipe, training.seed, context, training.taxonomy, ruled_out
        )
        fitted = fit_transfer(network, preprocess, task)
        history, config = fitted.history, fitted.config
        facts = {"transfer": {"weights": source, **fitted.facts}}
    elif isinstance(network, Forest):
        preprocess = Preprocess.identity(shape)
        labels = train_images.require_labels()
        network.fit(train_images.images, labels, derive_seed(training.seed, "forest") % 2**31)
    else:
        history = _fit_network(network, preprocess, (train_images, val_images), recipe, training)
    return Checkpoint(
        role="classifier",
        model=model,
        image_shape=shape,
        outputs=classes,
        class_names=train_images.class_names,
        preprocess=preprocess,
        network=network,
        config=config,
        details={
            **_details(train_images, val_images, recipe, training, started),
            **facts,
            **ruled_out_facts(train_images, training),
        },
        history=tuple(history),
        task="multi-class" if train_images.tags is None else "multi-label",
    )


def _fit_network(
    network: nn.Module,
    preprocess: Preprocess,
    sides: tuple[ImageSet, ImageSet],
    recipe: Recipe,
    training: Training,
) -> list[dict[str, Any]]:
    """A network that learns whole from (training, validation) pictures; its history."""
    _require_labels_for(recipe, sides[0])
    rows, val_rows = map(labelled_rows, sides)
    classes = sides[0].num_classes
    if isinstance(network, Whitened):
        with torch.no_grad():
            network.meet(preprocess(to_pixels(rows[0][:_MET])))
    weights = class_weights(rows[1], classes) if recipe.balance == "weights" else None
    drawn = recipe.balance in ("sampling", "augment")
    objective = Classification(
        preprocess, recipe.label_smoothing, recipe.augment, weights, same_rows=not drawn
    )
    source: BatchSource = ArraySource(rows, val_rows)
    if drawn:
        draws = derive_seed(training.seed, "balance")
        source = BalancedDraws(rows, val_rows, classes, draws, moved=recipe.balance == "augment")
    source = with_pictures(source, training.ruled_out)
    context = LoopContext.of(training, "classifier")
    return train(network, source, objective, recipe, seed=training.seed, context=context)


def _details(
    train_images: ImageSet,
    val_images: ImageSet,
    recipe: Recipe,
    training: Training,
    started: tuple[float, float],
) -> dict[str, Any]:
    return {
        "data": train_images.name,
        "data_version": train_images.version,
        "n_train": len(train_images),
        "n_val": len(val_images),
        "seed": training.seed,
        "recipe": recipe.model_dump(),
        "fit_seconds": round(_clocks()[0] - started[0], 3),
        "fit_processor_seconds": round(Ranks.of_process().total(_clocks()[1] - started[1]), 3),
    }


def _clocks() -> tuple[float, float]:
    """Seconds by the clock, and of processor time of all threads of this process."""
    return time.perf_counter(), time.process_time()


def _require_labels_for(recipe: Recipe, images: ImageSet) -> None:
    if recipe.balance != "none" and images.tags is not None:
        raise SettingsError(
            f"balance={recipe.balance} needs one label a picture; {images.name} has any number",
            cure="Leave it out.",
        )


def recipe_of(model: str, config: Mapping[str, Any]) -> Recipe:
    """The recipe that a model is trained by when none is given."""
    if not find_model(model, "classifier").transfer:
        return _RECIPES.get(model, Recipe())
    return default_recipe(TransferSettings.of(**dict(config)).mode)
