"""Trees of binary decisions over K classes: their form, and how one is made from a taxonomy or from the data.

A structure is a class number, or a list of two structures: [[0, 1], [2, [3, 4]]]. It has K - 1 decisions,
numbered from the top down, the first side before the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.data.taxonomy.taxonomy import Taxonomy

Structure: TypeAlias = "int | list[Structure]"


def decisions(structure: Structure) -> list[tuple[list[int], list[int]]]:
    """The classes on the first and on the second side of every decision, in the order of the numbers."""
    found: list[tuple[list[int], list[int]]] = []
    _collect(structure, found)
    return found


def sides(structure: Structure, classes: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(first, second): bool (K - 1, K), which classes lie on which side of each decision.

    Raises DataError unless the structure is nested pairs in which each class 0..K-1 stands once.
    """
    _check(structure, classes)
    first, second = np.zeros((2, classes - 1, classes), dtype=bool)
    for row, (left, right) in enumerate(decisions(structure)):
        first[row, left], second[row, right] = True, True
    return first, second


def binary_tree(
    taxonomy: Taxonomy | None,
    class_names: Sequence[str],
    features: NDArray[np.floating] | None = None,
    labels: NDArray[np.integer] | None = None,
) -> Structure:
    """A structure over the classes.

    With a taxonomy its branches are kept: a picture is first told between the roots, then between what stands
    below. Where more than two lie side by side, and everywhere without a taxonomy, those are joined first
    whose mean features are nearest (average linkage of the Euclidean distances between class means of
    standardised features; trees of binary classifiers found in the data go back to Kumar, Ghosh and Crawford
    2002).

    Args:
        taxonomy: whose leaves the classes are, or None.
        class_names: K names, K at least 2.
        features: float (N, D) of training pictures; None joins neighbours in the order of the classes, in
            halves.
        labels: whole numbers (N,) in 0..K-1; a class without pictures is joined last.
    """
    if len(class_names) < 2:
        raise DataError(
            "tree of binary classifiers", expected="at least 2 classes", got=str(len(class_names))
        )
    if (features is None) != (labels is None):
        raise DataError(
            "tree of binary classifiers", expected="features and labels, or neither", got="one of them"
        )
    means = None if features is None or labels is None else _means(features, labels, len(class_names))
    if taxonomy is None:
        return _joined(list(range(len(class_names))), means)
    places = {label: place for place, label in enumerate(taxonomy.check_classes(class_names))}
    groups = [
        group for root in taxonomy.roots if (group := _below(root, taxonomy, places, means)) is not None
    ]
    return _joined(groups, means)


def _below(name: str, taxonomy: Taxonomy, places: dict[str, int], means: _Means | None) -> Structure | None:
    """The structure of the classes at or below a label; None where there are none."""
    if name in places:
        return places[name]
    groups = [
        group
        for child in taxonomy.children(name)
        if (group := _below(child, taxonomy, places, means)) is not None
    ]
    return _joined(groups, means) if groups else None


class _Means:
    """Sums and counts of the classes, from which those of groups follow."""

    def __init__(self, sums: NDArray[np.float64], counts: NDArray[np.int64]) -> None:
        self.sums, self.counts = sums, counts

    def of(self, structure: Structure) -> NDArray[np.float64] | None:
        """Mean feature of all pictures of the group, or None without pictures."""
        classes = members(structure)
        count = int(self.counts[classes].sum())
        return self.sums[classes].sum(axis=0) / count if count else None


def members(structure: Structure) -> list[int]:
    """All classes of a structure, the first side before the second."""
    return [structure] if isinstance(structure, int) else [one for side in structure for one in members(side)]


def _means(features: NDArray[np.floating], labels: NDArray[np.integer], classes: int) -> _Means:
    if features.ndim != 2 or labels.shape != (len(features),) or not len(features):
        raise DataError(
            "tree of binary classifiers",
            expected="features (N, D) and labels (N,), N at least 1",
            got=f"{features.shape} and {labels.shape}",
        )
    spread = features.std(axis=0, dtype=np.float64)
    counts = np.bincount(labels, minlength=classes)
    one_hot = np.eye(classes, dtype=features.dtype)[labels]
    sums = (one_hot.T @ features).astype(np.float64) - np.outer(
        counts, features.mean(axis=0, dtype=np.float64)
    )
    return _Means(sums / np.where(spread > 0, spread, 1), counts)


def _joined(groups: Sequence[Structure], means: _Means | None) -> Structure:
    """One structure out of several: nearest first by their means, in halves without."""
    if len(groups) == 1:
        return groups[0]
    if means is None:
        half = (len(groups) + 1) // 2
        return [_joined(groups[:half], None), _joined(groups[half:], None)]
    known = [(group, mean) for group in groups if (mean := means.of(group)) is not None]
    joined: list[Structure] = [group for group in groups if means.of(group) is None]
    if known:
        joined.insert(0, _nearest_first([group for group, _ in known], np.stack([mean for _, mean in known])))
    while len(joined) > 1:
        joined = [[joined[0], joined[1]], *joined[2:]]
    return joined[0]


def _nearest_first(groups: list[Structure], means: NDArray[np.float64]) -> Structure:
    from scipy.cluster.hierarchy import linkage

    nodes = list(groups)
    if len(nodes) > 1:
        for first, second, *_ in linkage(means, "average"):
            nodes.append([nodes[int(first)], nodes[int(second)]])
    return nodes[-1]


def _collect(structure: Structure, found: list[tuple[list[int], list[int]]]) -> None:
    if not isinstance(structure, int):
        first, second = structure
        found.append((members(first), members(second)))
        _collect(first, found)
        _collect(second, found)


def _check(structure: Any, classes: int) -> None:
    def whole(node: Any) -> bool:
        if isinstance(node, list):
            return len(node) == 2 and all(map(whole, node))
        return isinstance(node, int) and not isinstance(node, bool)

    if (
        classes < 2
        or not isinstance(structure, list)
        or not whole(structure)
        or sorted(members(structure)) != list(range(classes))
    ):
        raise DataError(
            "structure of a tree of binary classifiers",
            expected=f"nested pairs with each class 0..{classes - 1} once",
            got=str(structure)[:120],
        )
