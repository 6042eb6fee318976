"""One draw of the media-library study: linear heads on frozen features, fitted, chosen on held-back pictures,
tested once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from lightfast.base.files import json_digest
from lightfast.models.binary_tree import Structure, binary_tree
from lightfast.studies.assets.tasks import Draw, TaskFeatures, TaskLibrary, TaskOf, draw
from lightfast.studies.registry import StudyOptions, kept
from lightfast.train.linear import BinaryHeads, LinearData, LinearHead, LinearSettings, fit_linear, fit_tree

MOST_NUMBERS = 1.2e8
"""Rows times columns of features at most; with more, the grid is averaged over 2 × 2 places, then left out,
and copies are not mirrored.
"""
GRID_SIDE = 8


@dataclass(frozen=True, eq=False)
class Experiment:
    """A draw of a task with the features of both parts;
    `full` sets are fitted without mirrored copies where they would not fit.
    """

    task: TaskOf
    number: int
    drawn: Draw
    train: TaskFeatures
    test: TaskFeatures
    seed: int


@dataclass(frozen=True)
class DrawMethod:
    """A head on some of the features: "pooled" or "both"; a tree of binary decisions;
    wrong labels looked for.
    """

    name: str
    taps: str
    tree: bool = False
    robust: bool = False


def methods_of(task: TaskOf) -> tuple[DrawMethod, ...]:
    """The heads that are compared on a task."""
    plain = (DrawMethod("pooled", "pooled"), DrawMethod("both", "both"))
    tree = (DrawMethod("tree", "both", tree=True),) if len(task.classes) > 2 else ()
    return (*plain, *tree, *((DrawMethod("robust", "both", robust=True),) if task.noisy else ()))


def measured_draws(
    options: StudyOptions,
    tasks: Sequence[TaskOf],
    pool: TaskLibrary,
    features: tuple[TaskFeatures, TaskFeatures],
    sizes: tuple[int, int] | None,
    count: int,
) -> dict[str, list[dict[str, Any]]]:
    """{task: one result a draw}; every result is kept in the study's folder under a digest of what decides
    it.

    A result holds for every method top-1, top-3, validation loss and seconds, and `chosen`: the method with
    the lowest validation loss among those that fit one softmax.
    """
    arguments: list[tuple[Path, Experiment]] = []
    for task in tasks:
        for number in range(count):
            key = json_digest(
                {
                    "task": task.name,
                    "classes": task.classes,
                    "noisy": task.noisy,
                    "draw": number,
                    "sizes": sizes,
                    "seed": options.seed,
                    "train": pool.train.version,
                    "test": pool.test.version,
                    "rows": 3,
                }
            )
            drawn = draw(task, pool, options.seed + 1_000 * number, sizes)
            path = options.out / "draws" / f"{task.name}-{key[:16]}.json"
            arguments.append((path, Experiment(task, number, drawn, *features, options.seed)))
    results = options.executor(
        _kept, arguments, jobs=1 if sizes is None else None, report=options.report, label="draws"
    )
    return {task.name: results[place * count : (place + 1) * count] for place, task in enumerate(tasks)}


def _kept(path: Path, experiment: Experiment) -> dict[str, Any]:
    return kept(path, lambda: measure_draw(experiment))


def measure_draw(experiment: Experiment) -> dict[str, Any]:
    """Fit and test every method on one draw."""
    drawn, fitted = experiment.drawn, len(experiment.drawn.fit_rows)
    rows = 2 * fitted
    methods: dict[str, Any] = {}
    for method in methods_of(experiment.task):
        started = time.perf_counter()
        columns = _columns(experiment.train, method.taps, rows)
        mirrored = rows * columns.width <= MOST_NUMBERS
        labels = drawn.given[:fitted]
        values = [columns.of(experiment.train.plain, drawn.fit_rows)]
        if mirrored:
            values.append(columns.of(experiment.train.mirrored, drawn.fit_rows))
        pictures = np.tile(np.arange(fitted), len(values))
        train = LinearData(np.concatenate(values), np.tile(labels, len(values)), groups=pictures)
        val = LinearData(columns.of(experiment.train.plain, drawn.val_rows), drawn.given[fitted:])
        head = _fit(method, experiment, train, val)
        views = [
            columns.of(part, drawn.test_rows) for part in (experiment.test.plain, experiment.test.mirrored)
        ]
        scores = np.mean([_log_probs(head, view) for view in views], axis=0)
        own = _log_probs(head, val.features)
        methods[method.name] = {
            "top1": float((scores.argmax(axis=1) == drawn.truth).mean()),
            "top3": _top(scores, drawn.truth, 3),
            "val_loss": float(-own[np.arange(len(own)), val.targets].mean()),
            "features": columns.width,
            "mirrored": mirrored,
            "label_issues": len({int(row) % fitted for row in getattr(head[0], "label_issues", ())}),
            "seconds": round(time.perf_counter() - started, 2),
        }
    softmaxes = [method.name for method in methods_of(experiment.task) if not method.tree]
    chosen = min(softmaxes, key=lambda name: methods[name]["val_loss"])
    return {
        "draw": experiment.number,
        "n_train": fitted,
        "n_val": len(drawn.val_rows),
        "n_test": len(drawn.test_rows),
        "chosen": chosen,
        "methods": methods,
    }


@dataclass(frozen=True)
class _Columns:
    """Which columns of the features are taken, and whether the grid is averaged over 2 × 2 places."""

    pooled: int
    grid: int
    halved: bool

    @property
    def width(self) -> int:
        return self.pooled + (self.grid // 4 if self.halved else self.grid)

    def of(self, values: NDArray[np.floating], rows: NDArray[np.intp]) -> NDArray[np.float32]:
        # Read in order: the features lie in a file.
        order = np.argsort(rows)
        taken = np.empty((len(rows), self.width), np.float32)
        read = values[rows[order]]
        if self.grid:
            maps = read[:, -self.grid :].astype(np.float32)
            if self.halved:
                maps = (
                    maps.reshape(len(rows), -1, GRID_SIDE // 2, 2, GRID_SIDE // 2, 2)
                    .mean(axis=(3, 5))
                    .reshape(len(rows), -1)
                )
            taken[order, self.pooled :] = maps
        taken[order, : self.pooled] = read[:, : self.pooled]
        return taken


def _columns(features: TaskFeatures, taps: str, rows: int) -> _Columns:
    grid = features.plain.shape[1] - features.pooled if taps == "both" else 0
    halved = rows * (features.pooled + grid) > MOST_NUMBERS
    return _Columns(features.pooled, grid, halved and grid > 0)


Head = tuple[LinearHead | BinaryHeads, Structure]
"""The fitted head, and the tree of its decisions (0 for a softmax)."""


def _fit(method: DrawMethod, experiment: Experiment, train: LinearData, val: LinearData) -> Head:
    classes = len(experiment.task.classes)
    options = LinearSettings(seed=experiment.seed, robust=method.robust)
    if not method.tree:
        return fit_linear(train, val, classes, options), 0
    structure = binary_tree(None, experiment.task.classes, train.features, train.targets)
    return fit_tree(train, val, structure, classes, options), structure


def _log_probs(head: Head, features: NDArray[np.float32]) -> NDArray[np.float64]:
    fitted, structure = head
    if isinstance(fitted, LinearHead):
        return log_softmax((features @ fitted.weight.T + fitted.bias).astype(np.float64), axis=1)
    import torch

    from lightfast.models.tree_head import TreeHead

    module = TreeHead(features.shape[1], structure).load_fitted(fitted.weight, fitted.bias)
    with torch.inference_mode():
        return module(torch.from_numpy(features)).double().numpy()


def _top(scores: NDArray[np.float64], truth: NDArray[np.int64], count: int) -> float:
    best = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    return float((best == truth[:, None]).any(axis=1).mean())
