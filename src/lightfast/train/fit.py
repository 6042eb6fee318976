"""`fit`: splits in, classifier checkpoint out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from lightfast.base.errors import DataError
from lightfast.base.progress import Reporter, silent
from lightfast.base.randomness import derive
from lightfast.data.images import ImageSet
from lightfast.data.preprocess import Preprocess
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.device import resolve_device
from lightfast.models.forest import Forest
from lightfast.models.registry import Role, build_network
from lightfast.train.balance import BalancedDraws, class_weights
from lightfast.train.loop import Arrays, Source, Where, train
from lightfast.train.objectives import Batch, Classification
from lightfast.train.recipe import Recipe


@dataclass(frozen=True)
class Training:
    """How a fit runs, apart from what it fits: seed, device name, folder for the resumable state, resume, reporter."""

    seed: int = 0
    device: str = "auto"
    folder: Path | None = None
    resume: bool = False
    report: Reporter = silent

    def where(self, label: str) -> Where:
        """The loop's view of it; every network of a run keeps its state in a folder of its own label."""
        folder = self.folder / ".training" / label if self.folder else None
        return Where(resolve_device(self.device), folder, self.resume, self.report, label)


@dataclass(frozen=True)
class Plan:
    """What is fitted, apart from the pictures: model by name, its config, the recipe."""

    model: str = "cnn"
    recipe: Recipe = field(default_factory=Recipe)
    config: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values, enough to fit the same again."""
        return {"model": self.model, "config": dict(self.config), "recipe": self.recipe.model_dump()}

    def fit(self, train_images: ImageSet, val_images: ImageSet, training: Training) -> Checkpoint:
        """`fit` with these settings."""
        return fit(train_images, val_images, model=self.model, recipe=self.recipe, config=self.config, training=training)


def fit(
    train_images: ImageSet, val_images: ImageSet, *, model: str = "cnn", recipe: Recipe | None = None,
    config: Mapping[str, Any] | None = None, training: Training | None = None,
) -> Checkpoint:  # fmt: skip
    """Train the classifier called `model` on `train_images`, choosing the best epoch on `val_images`.

    Args:
        train_images, val_images: labelled sets of one picture shape and one class list.
        model: a registry name (`cnn`, `mlp`, `resnet9`, `random-forest`, `timm:NAME` …).
        recipe: how to train; forests ignore it.
        config: keyword arguments of the network.
        training: seed, device, folder, resume, reporter.

    Returns: a Checkpoint with role "classifier", not yet calibrated (temperature 1).
    """
    recipe, training = recipe or Recipe(), training or Training()
    check_trainable(train_images)
    config = dict(config or {})
    network = fresh_network(model, "classifier", train_images.image_shape, train_images.num_classes, config, training.seed)
    preprocess = Preprocess.of(train_images)
    started = time.perf_counter()
    history: list[dict[str, Any]] = []
    if isinstance(network, Forest):
        preprocess = Preprocess.identity(train_images.image_shape)
        network.fit(train_images.images, train_images.require_labels(), derive(training.seed, "forest") % 2**31)
    else:
        rows, classes = labelled_rows(train_images), train_images.num_classes
        weights = class_weights(rows[1], classes) if recipe.balance == "weights" else None
        objective = Classification(preprocess, recipe.label_smoothing, recipe.augment, weights)
        source: Source = Arrays(rows, labelled_rows(val_images))
        if recipe.balance in ("sampling", "augment"):
            draws = derive(training.seed, "balance")
            source = BalancedDraws(rows, labelled_rows(val_images), classes, draws, moved=recipe.balance == "augment")
        history = train(network, source, objective, recipe, seed=training.seed, where=training.where("classifier"))
    details = {
        "data": train_images.name,
        "data_version": train_images.version,
        "n_train": len(train_images),
        "n_val": len(val_images),
        "seed": training.seed,
        "recipe": recipe.model_dump(),
        "fit_seconds": round(time.perf_counter() - started, 3),
    }
    return Checkpoint(
        role="classifier", model=model, image_shape=train_images.image_shape, outputs=train_images.num_classes,
        class_names=train_images.class_names, preprocess=preprocess, network=network, config=config, details=details,
        history=tuple(history),
    )  # fmt: skip


def fresh_network(model: str, role: Role, shape: tuple[int, int, int], outputs: int, config: Mapping[str, Any], seed: int) -> Any:
    """A network with weights drawn from (seed, role, model); torch's global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "weights", role, model))
        return build_network(model, role, shape, outputs, dict(config))


def labelled_rows(images: ImageSet) -> Batch:
    """(uint8 images, int64 labels) as torch tensors; the memory is shared where numpy allows writing."""
    pixels = images.images if images.images.flags.writeable else images.images.copy()
    return torch.from_numpy(pixels), torch.from_numpy(images.require_labels())


def check_trainable(images: ImageSet) -> None:
    """Refuse what no classifier can learn from: no pictures, one picture, one class, a class without pictures."""
    labels = images.require_labels()
    if len(images) < 2:
        raise DataError(f"{images.name}: training pictures", expected="at least 2", got=str(len(images)))
    if images.num_classes < 2:
        raise DataError(
            f"{images.name}: classes", expected="at least 2", got=f"1 ({images.class_names[0]})", cure="Add a folder of counter-examples."
        )
    present = set(labels.tolist())
    empty = [name for index, name in enumerate(images.class_names) if index not in present]
    if empty:
        raise DataError(f"{images.name}: no training pictures of {', '.join(empty[:5])}", cure="Add pictures, or remove the empty class.")
