"""Rows of a study's table: classifiers that are trained on one split and read the same test pictures once."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from lightfast.base.randomness import generator
from lightfast.data.catalogue.catalogue import availability, is_dataset_name
from lightfast.data.splits import Splits
from lightfast.evaluate.metrics import Evaluation, score
from lightfast.evaluate.predict import calibrate, predict
from lightfast.evaluate.predictions import Predictions
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.forest import Forest
from lightfast.models.registry import count_parameters
from lightfast.models.test_time_views import choose_views
from lightfast.studies.registry import StudyOptions, trained
from lightfast.train.fit import fit
from lightfast.train.recipe import Recipe, Training


@dataclass(frozen=True)
class ModelRow:
    """One classifier of a study.

    `part` names its folder, `paper` is the published figure (None: not in the paper), `views` are those that
    validation may choose from.
    """

    part: str
    title: str
    model: str
    recipe: Recipe
    config: Mapping[str, Any] = field(default_factory=dict)
    paper: float | None = None
    views: tuple[str, ...] = ()

    def quick(self, epochs: int) -> ModelRow:
        """The same with so few epochs that a test can run it."""
        return dataclasses.replace(
            self, recipe=self.recipe.updated([f"epochs={epochs}", "batch_size=32", "averaging=0"])
        )


@dataclass(frozen=True, eq=False)
class Outcome:
    """One row after training: its predictions of the test pictures and what they are worth.

    Attributes:
        row: what was trained.
        checkpoint: calibrated on the validation pictures.
        predictions, evaluation: on the test pictures, read once.
        parameters: trainable numbers; None for a forest.
        epochs, seconds: of the training.
    """

    row: ModelRow
    checkpoint: Checkpoint
    predictions: Predictions
    evaluation: Evaluation
    parameters: int | None
    epochs: int
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        measured = self.evaluation
        return {
            "part": self.row.part,
            "title": self.row.title,
            "model": self.row.model,
            "paper": self.row.paper,
            "accuracy": measured.accuracy,
            "accuracy_interval": list(measured.accuracy_interval),
            "n": measured.n,
            "macro_precision": measured.macro_precision,
            "macro_recall": measured.macro_recall,
            "macro_f1": measured.macro_f1,
            "macro_f1_interval": list(measured.macro_f1_interval),
            "ece": measured.ece,
            "views": self.checkpoint.config.get("views"),
            "views_val_loss": self.checkpoint.details.get("views_val_loss"),
            "parameters": self.parameters,
            "epochs": self.epochs,
            "seconds": round(self.seconds, 1),
        }


def outcome_of(options: StudyOptions, row: ModelRow, splits: Splits) -> Outcome:
    """Train the row (or find it trained), calibrate it on the validation pictures, read the test pictures."""
    fitted = trained_row(options, row, splits)
    checkpoint = calibrate(choose_views(fitted, splits.val, row.views) if row.views else fitted, splits.val)
    predictions = dataclasses.replace(predict(checkpoint, splits.test), name=row.title)
    network, history = checkpoint.network, checkpoint.history
    seconds = sum(float(epoch["seconds"]) for epoch in history) or float(
        checkpoint.details.get("fit_seconds", 0.0)
    )
    parameters = None if isinstance(network, Forest) else count_parameters(network)
    return Outcome(row, checkpoint, predictions, score(predictions), parameters, len(history), seconds)


def trained_row(options: StudyOptions, row: ModelRow, splits: Splits) -> Checkpoint:
    """The classifier of one row, chosen on the validation pictures;
    kept in `options.out` and found again there.
    """
    key = {
        "data": splits.train.version,
        "model": row.model,
        "config": dict(row.config),
        "recipe": row.recipe.model_dump(),
    }

    def make(training: Training) -> Checkpoint:
        return fit(
            splits.train, splits.val, model=row.model, recipe=row.recipe, config=row.config, training=training
        )

    return trained(options, row.part, key, make)


def training_speed(row: ModelRow, splits: Splits, options: StudyOptions, pictures: int = 2_048) -> float:
    """Training pictures a second of processor time on one core, over one epoch of at most `pictures` after
    one that warms up.

    Processor time, because it stays the same when other programs take turns on the core.
    """
    few = splits.train.take(generator(options.seed, "speed").permutation(len(splits.train))[:pictures])
    recipe = row.recipe.updated(["epochs=1"])
    threads, taken = torch.get_num_threads(), 0.0
    torch.set_num_threads(1)
    try:
        for _ in range(2):
            started = time.process_time()
            fit(
                few,
                splits.val.take([]),
                model=row.model,
                recipe=recipe,
                config=row.config,
                training=Training(seed=options.seed),
            )
            taken = time.process_time() - started
    finally:
        torch.set_num_threads(threads)
    return len(few) / max(taken, 1e-9)


def at_hand(name: str, folder: Path) -> bool:
    """Whether the data set can be read without the network; also for sets that only the data folder knows."""
    return is_dataset_name(name, folder) and availability(name, folder) == "here"
