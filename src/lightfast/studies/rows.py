"""Rows of a study's table: classifiers that are trained on one split and read the same test pictures once."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.data.images import ImageSet
from lightfast.data.splits import Splits
from lightfast.evaluate.compare import PairedTest
from lightfast.evaluate.metrics import Evaluation, score
from lightfast.evaluate.predict import calibrate, predict
from lightfast.evaluate.predictions import Predictions
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.forest import Forest
from lightfast.models.registry import count_parameters
from lightfast.models.test_time_views import choose_views
from lightfast.report.page import Cell
from lightfast.report.tables import duration, points_cell, share_cell
from lightfast.statistics.intervals import Interval, wilson
from lightfast.studies.registry import StudyOptions, trained
from lightfast.train.fit import ClassifierPlan
from lightfast.train.recipe import Recipe, Training


@dataclass(frozen=True)
class ModelRow:
    """One classifier of a study.

    `part` names its folder, `paper` is the published figure (None: not in the paper), `differs` is what is
    not the paper's in a row that carries its name (a row of ours says so), `views` are those that validation
    may choose from.
    """

    part: str
    title: str
    model: str
    recipe: Recipe
    config: Mapping[str, Any] = field(default_factory=dict)
    paper: float | None = None
    differs: str = "not in the paper"
    views: tuple[str, ...] = ()

    @property
    def plan(self) -> ClassifierPlan:
        """What is fitted."""
        return ClassifierPlan(self.model, self.recipe, self.config)

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
        epochs, seconds: of the training; seconds of processor time, which other work on the machine hardly
            changes.
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
        row, measured, checkpoint = self.row, self.evaluation, self.checkpoint
        names = ("accuracy", "accuracy_interval", "n", "macro_precision", "macro_recall", "macro_f1")
        return as_json(
            {name: getattr(row, name) for name in ("part", "title", "model", "paper", "differs")}
            | {name: getattr(measured, name) for name in (*names, "macro_f1_interval", "ece")}
            | {"views": checkpoint.config.get("views")}
            | {"views_val_loss": checkpoint.details.get("views_val_loss")}
            | {"parameters": self.parameters, "epochs": self.epochs, "seconds": round(self.seconds, 1)}
        )

    @property
    def cost_texts(self) -> tuple[str, str, str]:
        """Parameters, epochs and training time of a table's row; a forest has only the time."""
        parameters = "" if self.parameters is None else f"{self.parameters:,}"
        return parameters, str(self.epochs or ""), duration(self.seconds)

    def cell(self, measure: str = "accuracy", best: float | None = None) -> Cell:
        """Accuracy (or macro F1) with its interval, set off where it is the `best`."""
        share = getattr(self.evaluation, measure)
        interval = getattr(self.evaluation, f"{measure}_interval")
        return share_cell(share, interval, "strong" if share == best else "")


def outcome_of(options: StudyOptions, row: ModelRow, splits: Splits) -> Outcome:
    """Train the row (or find it trained), calibrate it on the validation pictures, read the test pictures."""
    fitted = trained_row(options, row, splits)
    checkpoint = calibrate(choose_views(fitted, splits.val, row.views) if row.views else fitted, splits.val)
    predictions = dataclasses.replace(predict(checkpoint, splits.test), name=row.title)
    network, history = checkpoint.network, checkpoint.history
    seconds = sum(map(training_seconds, history)) or float(
        checkpoint.details.get("fit_processor_seconds", checkpoint.details.get("fit_seconds", 0.0))
    )
    parameters = None if isinstance(network, Forest) else count_parameters(network)
    return Outcome(row, checkpoint, predictions, score(predictions), parameters, len(history), seconds)


def training_seconds(epoch: Mapping[str, Any]) -> float:
    """Processor seconds of an epoch of a history; of parts that an earlier version trained, by the clock."""
    return float(epoch.get("processor_seconds", epoch["seconds"]))


def trained_row(options: StudyOptions, row: ModelRow, splits: Splits) -> Checkpoint:
    """The classifier of one row, chosen on the validation pictures;
    kept in `options.out` and found again there.
    """
    key = {"data": splits.train.version, **as_json(row.plan)}
    return trained(options, row.part, key, lambda training: row.plan.fit(splits.train, splits.val, training))


def drawn(images: ImageSet, count: int | None, seed: int, *purpose: str) -> ImageSet:
    """At most `count` pictures in the order in which (`seed`, `purpose`) draws them;
    all as they are for None.
    """
    if count is None:
        return images
    return images.take(generator(seed, *purpose).permutation(len(images))[:count])


def splits_json(splits: Splits) -> dict[str, Any]:
    """Versions and numbers of the pictures, as every study tells them."""
    sides = {"train": splits.train, "val": splits.val, "test": splits.test}
    versions = {"data_version": splits.train.version, "test_version": splits.test.version}
    return versions | {f"n_{name}": len(side) for name, side in sides.items()}


def counts_text(splits: Splits, seed: int) -> str:
    """The numbers of the pictures and the seed, for captions."""
    counts = f"{len(splits.train):,} train, {len(splits.val):,} val, {len(splits.test):,} test pictures"
    return f"{counts}; seed {seed}"


def gain_cell(test: PairedTest) -> Cell:
    """The paired difference in points, with its interval."""
    return points_cell(test.difference, test.difference_interval)


def accuracy_cell(correct: NDArray[np.bool_]) -> Cell:
    """Accuracy with its Wilson interval."""
    return share_cell(float(correct.mean()), wilson_of(correct))


def wilson_of(correct: NDArray[np.bool_]) -> Interval:
    """The Wilson interval of a share of pictures that were read rightly."""
    return wilson(int(correct.sum()), len(correct))


def training_speed(row: ModelRow, splits: Splits, options: StudyOptions, pictures: int = 2_048) -> float:
    """Training pictures a second of processor time on one core, over one epoch of at most `pictures` after
    one that warms up.

    Processor time, because it stays the same when other programs take turns on the core.
    """
    few = drawn(splits.train, pictures, options.seed, "speed")
    plan = dataclasses.replace(row.plan, recipe=row.recipe.updated(["epochs=1"]))
    threads, taken = torch.get_num_threads(), 0.0
    torch.set_num_threads(1)
    try:
        for _ in range(2):
            started = time.process_time()
            plan.fit(few, splits.val.take([]), Training(seed=options.seed))
            taken = time.process_time() - started
    finally:
        torch.set_num_threads(threads)
    return len(few) / max(taken, 1e-9)
