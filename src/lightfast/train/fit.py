"""`fit`: splits in, classifier checkpoint out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.randomness import derive_seed
from lightfast.data.images import ImageSet
from lightfast.data.preprocess import Preprocess, to_tensor
from lightfast.models.build import find_model, fresh_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.checkpoint import Task as ClassifierTask
from lightfast.models.forest import Forest
from lightfast.models.transfer import TransferSettings, load_weights, preprocess_of
from lightfast.train.balance import BalancedDraws, class_weights
from lightfast.train.loop import ArraySource, BatchSource, LoopContext, train
from lightfast.train.objectives import Batch, Classification
from lightfast.train.recipe import Recipe, Training
from lightfast.train.transfer import TransferTask, default_recipe, fit_transfer, targets_of


@dataclass(frozen=True)
class ClassifierPlan:
    """What is fitted, apart from the pictures: model by name, its config, the recipe."""

    model: str = "cnn"
    recipe: Recipe = field(default_factory=Recipe)
    config: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values, enough to fit the same again."""
        return {"model": self.model, "config": dict(self.config), "recipe": self.recipe.model_dump()}

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
        training: seed, device, folder, resume, reporter.

    Returns: a Checkpoint with role "classifier", not yet calibrated (temperature 1).
    """
    training, config = training or Training(), dict(config or {})
    check_trainable(train_images)
    if find_model(model, "classifier").transfer:
        return _fit_on_backbone(
            train_images,
            val_images,
            ClassifierPlan(model, recipe or recipe_of(model, config), config),
            training,
        )
    recipe = recipe or Recipe()
    network = fresh_network(
        model, "classifier", train_images.image_shape, train_images.num_classes, config, training.seed
    )
    preprocess = Preprocess.of(train_images)
    started = time.perf_counter()
    history: list[dict[str, Any]] = []
    if isinstance(network, Forest):
        train_images.require_labels()
        preprocess = Preprocess.identity(train_images.image_shape)
        network.fit(
            train_images.images, train_images.require_labels(), derive_seed(training.seed, "forest") % 2**31
        )
    else:
        rows, classes = labelled_rows(train_images), train_images.num_classes
        _require_labels_for(recipe, train_images)
        weights = class_weights(rows[1], classes) if recipe.balance == "weights" else None
        objective = Classification(preprocess, recipe.label_smoothing, recipe.augment, weights)
        source: BatchSource = ArraySource(rows, labelled_rows(val_images))
        if recipe.balance in ("sampling", "augment"):
            draws = derive_seed(training.seed, "balance")
            source = BalancedDraws(
                rows, labelled_rows(val_images), classes, draws, moved=recipe.balance == "augment"
            )
        history = train(
            network,
            source,
            objective,
            recipe,
            seed=training.seed,
            context=LoopContext.of(training, "classifier"),
        )
    details = _details(train_images, val_images, recipe, training, started)
    return Checkpoint(
        role="classifier",
        model=model,
        image_shape=train_images.image_shape,
        outputs=train_images.num_classes,
        class_names=train_images.class_names,
        preprocess=preprocess,
        network=network,
        config=config,
        details=details,
        history=tuple(history),
        task=_task(train_images),
    )


def _fit_on_backbone(
    train_images: ImageSet, val_images: ImageSet, plan: ClassifierPlan, training: Training
) -> Checkpoint:
    started = time.perf_counter()
    settings = TransferSettings.of(**plan.config)
    if settings.mode != "head":
        _require_labels_for(plan.recipe, train_images)
    network = fresh_network(
        plan.model,
        "classifier",
        train_images.image_shape,
        train_images.num_classes,
        plan.config,
        training.seed,
    )
    source = load_weights(network, plan.model, plan.config)
    preprocess = preprocess_of(plan.model, train_images.image_shape, plan.config)
    task = TransferTask(
        train_images,
        val_images,
        settings,
        plan.recipe,
        training.seed,
        LoopContext.of(training, "classifier"),
        training.taxonomy,
    )
    fitted = fit_transfer(network, preprocess, task)
    details = {
        **_details(train_images, val_images, plan.recipe, training, started),
        "transfer": {"weights": source, **fitted.facts},
    }
    return Checkpoint(
        role="classifier",
        model=plan.model,
        image_shape=train_images.image_shape,
        outputs=train_images.num_classes,
        class_names=train_images.class_names,
        preprocess=preprocess,
        network=network,
        config=fitted.config,
        details=details,
        history=tuple(fitted.history),
        task=_task(train_images),
    )


def _details(
    train_images: ImageSet, val_images: ImageSet, recipe: Recipe, training: Training, started: float
) -> dict[str, Any]:
    return {
        "data": train_images.name,
        "data_version": train_images.version,
        "n_train": len(train_images),
        "n_val": len(val_images),
        "seed": training.seed,
        "recipe": recipe.model_dump(),
        "fit_seconds": round(time.perf_counter() - started, 3),
    }


def _task(images: ImageSet) -> ClassifierTask:
    return "multi-class" if images.tags is None else "multi-label"


def _require_labels_for(recipe: Recipe, images: ImageSet) -> None:
    if recipe.balance != "none" and images.tags is not None:
        raise SettingsError(
            f"balance={recipe.balance} needs one label a picture; {images.name} has any number",
            cure="Leave it out.",
        )


def recipe_of(model: str, config: Mapping[str, Any]) -> Recipe:
    """The recipe that a model is trained by when none is given."""
    if not find_model(model, "classifier").transfer:
        return Recipe()
    return default_recipe(TransferSettings.of(**dict(config)).mode)


def labelled_rows(images: ImageSet) -> Batch:
    """(uint8 images, int64 labels or bool tags) as torch tensors; the memory is shared where it can be."""
    return to_tensor(images.images), torch.from_numpy(targets_of(images))


def check_trainable(images: ImageSet) -> None:
    """Refuse what no classifier can learn from: no pictures, one picture, one class,
    a class without pictures.
    """
    targets = targets_of(images)
    if len(images) < 2:
        raise DataError(
            f"{images.name}: training pictures",
            expected="at least 2",
            got=str(len(images)),
            cure="Add more pictures, or take a larger limit.",
        )
    if targets.ndim == 2:
        missing = [
            name
            for name, there in zip(images.class_names, np.asarray(targets.any(axis=0)).tolist(), strict=True)
            if not there
        ]
        if missing:
            named = ", ".join(missing[:5])
            raise DataError(
                f"{images.name}: no training picture carries {named}",
                cure="Add pictures, or remove the label.",
            )
        return
    labels = targets
    if images.num_classes < 2:
        raise DataError(
            f"{images.name}: classes",
            expected="at least 2",
            got=f"1 ({images.class_names[0]})",
            cure="Add a folder of counter-examples.",
        )
    present = set(labels.tolist())
    empty = [name for index, name in enumerate(images.class_names) if index not in present]
    if empty:
        raise DataError(
            f"{images.name}: no training pictures of {', '.join(empty[:5])}",
            cure="Add pictures, or remove the empty class.",
        )
