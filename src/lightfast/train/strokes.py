"""Learning from drawings that are not finished yet: sources of parts of drawings for THE loop, and what is
fitted on them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from lightfast.base.errors import DataError
from lightfast.base.randomness import derive_seed, generator
from lightfast.data.preprocess import Preprocess, to_tensor
from lightfast.data.stroke_pictures import PAINTED_SIDE, draw_strokes
from lightfast.data.strokes import StrokeSet
from lightfast.models.build import fresh_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.stroke_files import STROKES
from lightfast.models.stroke_net import StrokeClassifier, StrokeNet, point_rows
from lightfast.train.loop import ArraySource, BatchSource, LoopContext, train
from lightfast.train.objectives import Batch, Classification, classification_loss
from lightfast.train.recipe import Recipe, Training

LEAST_SHARE = 0.1
"""Of a drawing's points: the smallest part that is learnt from."""


STROKE_RECIPE = Recipe.of(
    epochs=40, batch_size=64, learning_rate=4e-3, weight_decay=0.05, label_smoothing=0.05, averaging=0.98
)
"""How the network of strokes is trained where nothing else is said: chosen on validation drawings of the
drawings study's ten categories.
"""


def stroke_points(strokes: StrokeSet) -> Tensor:
    """Drawings as rows for `StrokeNet`, float (N, channels, points)."""
    return torch.from_numpy(point_rows(strokes))


def stroke_pixels(strokes: StrokeSet) -> Tensor:
    """Drawings as rows for a network of pictures, as `to_tensor` gives them."""
    return to_tensor(draw_strokes(strokes).images)


@dataclass(frozen=True)
class PartialDrawings:
    """A source that shows every drawing once an epoch, up to a share of its points that is drawn anew
    (uniformly in `LEAST_SHARE`..1, by seed and epoch); validation drawings are cut once.
    """

    drawings: StrokeSet
    held: StrokeSet
    rows_of: Callable[[StrokeSet], Tensor]
    seed: int

    def epoch(self, number: int) -> Batch:
        """The parts of epoch `number`, and their labels."""
        return self._rows(self.drawings, "epoch", number)

    def validation(self) -> Batch:
        """Parts of the validation drawings; the same ones every time."""
        return self._rows(self.held, "validation", 0)

    def _rows(self, strokes: StrokeSet, purpose: str, number: int) -> Batch:
        rng = generator(self.seed, "strokes", purpose, number)
        shown = strokes.first_share(rng.uniform(LEAST_SHARE, 1, len(strokes)))
        return self.rows_of(shown), torch.from_numpy(strokes.require_labels())


@dataclass(frozen=True)
class StrokeClassification:
    """Cross-entropy on batches (float points (N, channels, points), int64 labels (N,))."""

    label_smoothing: float = 0.0

    def __call__(
        self, network: nn.Module, batch: Batch, generator: torch.Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy (smoothed in training only) and `accuracy`."""
        points, labels = batch
        smoothing = self.label_smoothing if generator is not None else 0.0
        return classification_loss(network(points).float(), labels, smoothing)


@dataclass(frozen=True)
class StrokePlan:
    """What is fitted on drawings.

    Attributes:
        model: "strokes", the network of points, or the name of a classifier of 28 × 28 pictures.
        recipe: how it is trained.
        config: keyword arguments of the network.
        partial: learn from parts of drawings; else from whole ones alone.
    """

    model: str = "strokes"
    recipe: Recipe = field(default_factory=Recipe)
    config: Mapping[str, Any] = field(default_factory=dict)
    partial: bool = True


def fit_strokes(
    drawings: StrokeSet, held: StrokeSet, plan: StrokePlan, training: Training
) -> StrokeClassifier | Checkpoint:
    """Train on labelled `drawings`, choosing the best epoch on `held` ones (cut alike) where the recipe
    chooses.

    Returns: a `StrokeClassifier` for the model "strokes", else the `Checkpoint` of a classifier of pictures,
    which every verb takes. Neither is calibrated.
    """
    if drawings.class_names != held.class_names or len(drawings.class_names) < 2:
        raise DataError(
            f"{drawings.name}: classes",
            expected="two or more, the same in training and validation",
            got=f"{', '.join(drawings.class_names)} and {', '.join(held.class_names)}",
        )
    started = time.perf_counter()
    points = plan.model == STROKES
    source = _source(drawings, held, plan, stroke_points if points else stroke_pixels, training.seed)
    make = _of_points if points else _of_pictures
    fitted = make(drawings, source, plan, training)
    facts = {
        "data": drawings.name,
        "n_train": len(drawings),
        "n_val": len(held),
        "seed": training.seed,
        "recipe": plan.recipe.model_dump(),
        "parts_of_drawings": plan.partial,
        "fit_seconds": round(time.perf_counter() - started, 3),
    }
    return fitted.replace(details=facts)


def _source(
    drawings: StrokeSet, held: StrokeSet, plan: StrokePlan, rows_of: Callable[[StrokeSet], Tensor], seed: int
) -> BatchSource:
    if plan.partial:
        return PartialDrawings(drawings, held, rows_of, derive_seed(seed, "partial drawings"))
    whole, rest = ((rows_of(one), torch.from_numpy(one.require_labels())) for one in (drawings, held))
    return ArraySource(whole, rest)


def _of_points(
    drawings: StrokeSet, source: BatchSource, plan: StrokePlan, training: Training
) -> StrokeClassifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(training.seed, "weights", "strokes"))
        network = StrokeNet(len(drawings.class_names), **plan.config)
    objective = StrokeClassification(plan.recipe.label_smoothing)
    context = LoopContext.of(training, "strokes")
    history = train(network, source, objective, plan.recipe, seed=training.seed, context=context)
    return StrokeClassifier(drawings.class_names, network, plan.config, history=tuple(history))


def _of_pictures(
    drawings: StrokeSet, source: BatchSource, plan: StrokePlan, training: Training
) -> Checkpoint:
    shape, outputs = (PAINTED_SIDE, PAINTED_SIDE, 1), len(drawings.class_names)
    network = fresh_network(plan.model, "classifier", shape, outputs, plan.config, training.seed)
    preprocess = Preprocess.of(draw_strokes(drawings))
    recipe, context = plan.recipe, LoopContext.of(training, "classifier")
    objective = Classification(preprocess, recipe.label_smoothing, recipe.augment, same_rows=not plan.partial)
    history = train(network, source, objective, recipe, seed=training.seed, context=context)
    return Checkpoint(
        role="classifier",
        model=plan.model,
        image_shape=shape,
        outputs=outputs,
        class_names=drawings.class_names,
        preprocess=preprocess,
        network=network,
        config=dict(plan.config),
        history=tuple(history),
    )
