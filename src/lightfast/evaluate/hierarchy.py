"""Probabilities that agree with each other up a taxonomy,
and how far a mistake lies from the truth in the tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.base.randomness import generator
from lightfast.data.taxonomy.taxonomy import Taxonomy
from lightfast.evaluate.predictions import Predictions
from lightfast.statistics.bounded_mean import bounded_mean
from lightfast.statistics.intervals import Interval, wilson

_Task = Literal["multi-class", "multi-label"]


def node_probs(
    taxonomy: Taxonomy, class_names: Sequence[str], probs: NDArray[np.floating], task: _Task = "multi-class"
) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """(names, float32 (N, M)): the probability of every label that is a class or has classes below it, depth
    first.

    multi-class: the classes are leaves that exclude each other, and a label is as probable as all classes
    below it together, added in float64, at most 1 (what softmax rows miss by rounding), then rounded once: a
    parent is never below a child. multi-label: a label is as probable as the most probable of itself (where
    it is a class) and of all below it, so that a tag never comes without those above it: the rule "max" of
    Obozinski et al. (Genome Biology 9, S6, 2008), and of coherent networks (Giunchiglia and Lukasiewicz
    2020).

    Args:
        taxonomy: a tree or several.
        class_names: K names that `Taxonomy.check_classes` accepts for the task.
        probs: (N, K) in 0..1; for multi-class rows that sum to 1.
        task: how the probabilities are meant.
    """
    values = np.asarray(probs, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(class_names):
        raise DataError(
            "probabilities of a tree",
            expected=f"shape (N, {len(class_names)}), one column a class",
            got=str(values.shape),
        )
    names, below = _below(taxonomy, class_names, task)
    if task == "multi-class":
        raised = np.minimum(values @ below.T.astype(np.float64), 1.0)
    else:
        raised = np.stack([values[:, row].max(axis=1) for row in below], axis=1)
    return names, raised.astype(np.float32)


def node_tags(
    taxonomy: Taxonomy, class_names: Sequence[str], tags: NDArray[np.bool_]
) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """(names, bool (N, M)): the same for given tags (N, K):
    a picture carries every label above one that it carries.
    """
    names, below = _below(taxonomy, class_names, "multi-label")
    return names, np.stack([tags[:, row].any(axis=1) for row in below], axis=1)


@dataclass(frozen=True)
class LevelScore:
    """One level of the tree, the roots being 1; a leaf that lies higher stands for itself on all levels
    below.

    Attributes:
        level: 1 to the depth of the deepest class.
        labels: how many labels stand on it.
        accuracy: share of pictures whose label's ancestor on this level is its most probable label, 0..1.
        interval: its 95 % Wilson interval.
    """

    level: int
    labels: int
    accuracy: float
    interval: Interval


@dataclass(frozen=True)
class HierarchyScore:
    """How well predictions agree with their labels, seen in the tree.

    The distance of a prediction is the height of the lowest label that it shares with the truth: steps from
    there down to the deepest label below it; 0 = right, and one step above the tallest root where they share
    none (Deng, Berg, Li and Fei-Fei 2010, section 6).

    Attributes:
        name: of the predictions. n: pictures scored. seed: of the model, or None.
        levels: accuracy by level; the last is plain accuracy.
        mistakes: pictures read wrongly.
        mistake_distance: mean distance of the mistakes, or None without any (Bertinetto et al. 2020: mistake
            severity), with its 95 % interval.
        distance: mean distance over all pictures, with its 95 % interval.
        farthest: the largest distance that the tree has.
    """

    name: str
    n: int
    levels: tuple[LevelScore, ...]
    mistakes: int
    mistake_distance: float | None
    mistake_distance_interval: Interval | None
    distance: float
    distance_interval: Interval
    farthest: int
    seed: int | None = None


def score_hierarchy(taxonomy: Taxonomy, predictions: Predictions) -> HierarchyScore:
    """Score labelled multi-class predictions whose classes are leaves of the taxonomy; raises DataError
    without labels or pictures.

    The intervals of the distances are those of means between the nearest and the farthest (`bounded_mean`),
    always the same draws for the same number of pictures.
    """
    labels = predictions.require_labels()
    if not len(predictions):
        raise DataError(f"{predictions.name}: no pictures to score")
    nodes = taxonomy.check_classes(predictions.class_names)
    distances = tree_distances(taxonomy, nodes)
    measured = distances[labels, predictions.predicted_labels].astype(np.float64)
    wrong = measured[measured > 0]
    rng, farthest = generator(0, "distance in the tree"), _heights(taxonomy)[None]
    return HierarchyScore(
        predictions.name,
        len(predictions),
        _levels(taxonomy, nodes, predictions),
        len(wrong),
        float(wrong.mean()) if len(wrong) else None,
        bounded_mean(wrong, (1.0, farthest), rng) if len(wrong) else None,
        float(measured.mean()),
        bounded_mean(measured, (0.0, farthest), rng),
        farthest,
        predictions.seed,
    )


def tree_distances(taxonomy: Taxonomy, names: Sequence[str]) -> NDArray[np.int64]:
    """int64 (K, K): the height of the lowest label that two share; 0 on the diagonal."""
    heights = _heights(taxonomy)
    lines = [(name, *taxonomy.ancestors(name)) for name in names]
    found = np.zeros((len(names), len(names)), dtype=np.int64)
    for row, line in enumerate(lines):
        above = set(line)
        for column, other in enumerate(lines[:row]):
            found[row, column] = found[column, row] = heights[
                next((one for one in other if one in above), None)
            ]
    return found


def _heights(taxonomy: Taxonomy) -> dict[str | None, int]:
    """Steps from each label down to the deepest below it; None is what stands above all roots."""
    heights: dict[str | None, int] = {None: 0}
    for label in reversed(taxonomy.labels):
        height = heights.setdefault(label.name, 0)
        heights[label.parent] = max(heights.get(label.parent, 0), height + 1)
    return heights


def _levels(taxonomy: Taxonomy, nodes: Sequence[str], predictions: Predictions) -> tuple[LevelScore, ...]:
    lines = [(*reversed(taxonomy.ancestors(node)), node) for node in nodes]
    scores = []
    for level in range(1, max(map(len, lines)) + 1):
        groups = list(dict.fromkeys(line[min(level, len(line)) - 1] for line in lines))
        numbers = np.array([groups.index(line[min(level, len(line)) - 1]) for line in lines])
        summed = predictions.pred_probs.astype(np.float64) @ np.eye(len(groups))[numbers]
        hits = int((summed.argmax(axis=1) == numbers[predictions.require_labels()]).sum())
        scores.append(LevelScore(level, len(groups), hits / len(predictions), wilson(hits, len(predictions))))
    return tuple(scores)


def _below(
    taxonomy: Taxonomy, class_names: Sequence[str], task: _Task
) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """(names of the covered labels, bool (M, K): which classes are the label or lie below it)."""
    nodes = taxonomy.check_classes(class_names, task)
    rows: dict[str, NDArray[np.bool_]] = {}
    for column, node in enumerate(nodes):
        for name in (node, *taxonomy.ancestors(node)):
            rows.setdefault(name, np.zeros(len(nodes), dtype=bool))[column] = True
    names = tuple(name for name in taxonomy.names if name in rows)
    return names, np.stack([rows[name] for name in names]) if names else np.zeros((0, 0), dtype=bool)
