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
from lightfast.data.stroke_pictures import SIDE, draw_strokes
from lightfast.data.strokes import StrokeSet
from lightfast.models.build import fresh_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.stroke_net import StrokeClassifier, StrokeNet, point_rows
from lightfast.train.loop import LoopContext, train
from lightfast.train.objectives import Batch, Classification, classification_loss
from lightfast.train.recipe import Recipe, Training

LEAST_SHARE = 0.1
"""Of a drawing's points: the smallest part that is learnt from."""


def stroke_points(strokes: StrokeSet) -> Tensor:
    """Drawings as rows for `StrokeNet`, float (N, channels, points)."""
    return torch.from_numpy(point_rows(strokes))


def stroke_pixels(strokes: StrokeSet) -> Tensor:
    """Drawings as rows for a network of pictures, as `to_tensor` gives them."""
    return to_tensor(draw_strokes(strokes).images)


@dataclass(frozen=True)
class PartialDrawings:
    """A source that shows every drawing once an epoch, up to a share of its points that is drawn anew
    (uniformly in `LEAST_SHARE`..1, by seed and epoch); validation drawings are cut once. Not `partial`: whole
    drawings.
    """

    drawings: StrokeSet
    held: StrokeSet
    rows_of: Callable[[StrokeSet], Tensor]
    seed: int
    partial: bool = True

    def epoch(self, number: int) -> Batch:
        """The parts of epoch `number`, and their labels."""
        return self._rows(self.drawings, "epoch", number)

    def validation(self) -> Batch:
        """The validation drawings; the same parts every time."""
        return self._rows(self.held, "validation", 0)

    def _rows(self, strokes: StrokeSet, purpose: str, number: int) -> Batch:
        shown = strokes
        if self.partial:
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
    draws = derive_seed(training.seed, "partial drawings")
    context = LoopContext.of(training, "strokes")
    make = _of_points if plan.model == "strokes" else _of_pictures
    fitted = make(drawings, held, plan, (draws, training.seed), context)
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


def _of_points(
    drawings: StrokeSet, held: StrokeSet, plan: StrokePlan, seeds: tuple[int, int], context: LoopContext
) -> StrokeClassifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seeds[1], "weights", "strokes"))
        network = StrokeNet(len(drawings.class_names), **plan.config)
    source = PartialDrawings(drawings, held, stroke_points, seeds[0], plan.partial)
    objective = StrokeClassification(plan.recipe.label_smoothing)
    history = train(network, source, objective, plan.recipe, seed=seeds[1], context=context)
    return StrokeClassifier(drawings.class_names, network, plan.config, history=tuple(history))


def _of_pictures(
    drawings: StrokeSet, held: StrokeSet, plan: StrokePlan, seeds: tuple[int, int], context: LoopContext
) -> Checkpoint:
    shape, outputs = (SIDE, SIDE, 1), len(drawings.class_names)
    network = fresh_network(plan.model, "classifier", shape, outputs, plan.config, seeds[1])
    preprocess = Preprocess.of(draw_strokes(drawings))
    source = PartialDrawings(drawings, held, stroke_pixels, seeds[0], plan.partial)
    recipe = plan.recipe
    objective = Classification(preprocess, recipe.label_smoothing, recipe.augment, same_rows=not plan.partial)
    history = train(network, source, objective, recipe, seed=seeds[1], context=context)
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
