"""What changed between two versions of the same pictures: the pixels, the map of an explanation,
the first classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.plain import HIDDEN
from lightfast.data.array_cures import dtype_cure

SHOWN_SHARE = 0.995
"""This share of a picture's pixels lies below the difference that is shown as 1:
a single odd pixel must not darken all others.
"""

_BLOCK_VALUES = 4_000_000


@dataclass(frozen=True, eq=False)
class Difference:
    """Heatmaps of |after − before|.

    Attributes:
        maps: float32 (N, H, W) in [0, 1]: the largest difference over the channels, contrast-stretched a
            picture. 0 is always "unchanged".
        shown: float64 (N,), the difference in levels of [0, 255] from which on 1 is shown; 0 where nothing
            differs.
        largest: float64 (N,), the true largest difference of any pixel and channel, in levels of [0, 255].
        mean: float64 (N,), the mean over all pixels and channels, in the same unit.
    """

    maps: NDArray[np.float32] = field(repr=False, metadata=HIDDEN)
    shown: NDArray[np.float64]
    largest: NDArray[np.float64]
    mean: NDArray[np.float64]
    JSON_PROPERTIES: ClassVar = ("n",)

    @property
    def n(self) -> int:
        """Pictures."""
        return len(self.maps)


def difference(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> Difference:
    """Two versions uint8 (N, H, W, C) of the same pictures → `Difference`;
    raises DataError when type or shape differ.
    """
    first, second = np.asarray(before), np.asarray(after)
    _require_versions(first, second)
    maps = np.zeros(first.shape[:3], dtype=np.float32)
    shown, largest, mean = np.zeros((3, len(first)))
    for row in range(len(first)):
        levels = np.abs(first[row].astype(np.int16) - second[row])
        strongest = levels.max(axis=-1)
        largest[row], mean[row] = strongest.max(initial=0), levels.mean()
        # Where fewer pixels changed than that share leaves over, the quantile is 0 and says nothing.
        shown[row] = np.quantile(strongest, SHOWN_SHARE) or largest[row]
        if shown[row]:
            maps[row] = np.minimum(strongest / shown[row], 1)
    return Difference(maps, shown, largest, mean)


def _require_versions(first: NDArray[Any], second: NDArray[Any]) -> None:
    if first.ndim != 4 or first.shape != second.shape or first.dtype != np.uint8 or second.dtype != np.uint8:
        raise DataError(
            "difference of pictures",
            expected="two batches uint8 (N, H, W, C) of the same shape",
            got=f"{first.dtype} {first.shape} and {second.dtype} {second.shape}",
            cure=dtype_cure(first)
            or dtype_cure(second)
            or "Bring the output to the size and channels of the input.",
        )


def grey_differences(
    before: NDArray[np.uint8], after: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The plain differences |after − before| of two versions uint8 (N, H, W, C) as grey pictures.

    Returns (uint8 (N, H, W, 1), int64 (N,)): the mean over the channels, multiplied by a whole power of two a
    picture, the largest with which nothing is cut off at 255; and that factor.
    Raises DataError as `difference` does.
    """
    _require_versions(np.asarray(before), np.asarray(after))
    levels = np.abs(before.astype(np.int16) - after).astype(np.float64).mean(axis=-1, keepdims=True)
    largest = levels.max(axis=(1, 2, 3), initial=0.0)
    factors = 2 ** np.floor(np.log2(255 / np.maximum(largest, 1))).astype(np.int64)
    return np.rint(levels * factors[:, None, None, None]).astype(np.uint8), factors


@dataclass(frozen=True, eq=False)
class MapChange:
    """How far an attribution map moved between two versions of a picture (or of a network).

    Attributes:
        correlation: float64 (N,), Spearman's rank correlation of both maps, -1..1; NaN where a map is the
            same everywhere.
        shift: float64 (N, 2), how far the centre of mass of what speaks in favour moved (down, right), in
            pixels; NaN where nothing does.
    """

    correlation: NDArray[np.float64]
    shift: NDArray[np.float64]

    @property
    def distance(self) -> NDArray[np.float64]:
        """float64 (N,): the length of `shift`, in pixels."""
        return np.hypot(self.shift[:, 0], self.shift[:, 1])

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values, one a picture; None for what is not defined."""
        found = {name: getattr(self, name) for name in ("correlation", "distance", "shift")}
        plain = {
            name: np.asarray(np.where(np.isfinite(one), one, None)).tolist() for name, one in found.items()
        }
        return {"n": len(self.correlation), **plain}


def map_change(before: NDArray[np.floating], after: NDArray[np.floating]) -> MapChange:
    """Two stacks of maps float (N, H, W) of the same pictures → `MapChange`;
    raises DataError when the shapes differ.
    """
    return MapChange(rank_correlation(before, after), centre_of_mass(after) - centre_of_mass(before))


def centre_of_mass(maps: NDArray[np.floating]) -> NDArray[np.float64]:
    """float64 (N, 2): (row, column) in pixels of the centre of the positive values of maps (N, H, W);
    NaN where none is positive.
    """
    weights = np.maximum(np.asarray(maps, dtype=np.float64), 0)
    mass = weights.sum(axis=(1, 2))
    sums = np.stack([weights.sum(axis=3 - side) @ np.arange(weights.shape[side]) for side in (1, 2)], axis=1)
    return np.divide(sums, mass[:, None], out=np.full_like(sums, np.nan), where=mass[:, None] > 0)


def rank_correlation(before: NDArray[np.floating], after: NDArray[np.floating]) -> NDArray[np.float64]:
    """Spearman's rank correlation (1904) a picture of two stacks of maps (N, H, W): float64 (N,), ties by
    mean rank.

    NaN where one of the two maps is the same everywhere. Raises DataError when the shapes differ or a value
    is not finite.
    """
    from scipy.stats import rankdata

    first, second = np.asarray(before), np.asarray(after)
    if first.ndim != 3 or first.shape != second.shape:
        raise DataError(
            "comparison of maps",
            expected="two stacks (N, H, W) of the same shape",
            got=f"{first.shape} and {second.shape}",
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise DataError("comparison of maps", expected="finite maps", got="NaN or infinity")
    found, rows = np.full(len(first), np.nan), max(1, _BLOCK_VALUES // max(1, first[:1].size))
    for start in range(0, len(first), rows):
        block = slice(start, start + rows)
        x, y = (rankdata(side[block].reshape(len(side[block]), -1), axis=1) for side in (first, second))
        x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
        spread = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
        np.divide((x * y).sum(axis=1), spread, out=found[block], where=spread > 0)
    return found


@dataclass(frozen=True)
class TopChange:
    """The most probable classes of one picture before and after, most probable first, as (class name,
    probability in 0..1).
    """

    before: tuple[tuple[str, float], ...]
    after: tuple[tuple[str, float], ...]
    JSON_PROPERTIES: ClassVar = ("changed", "entered", "left")

    @property
    def changed(self) -> bool:
        """Whether the first class is another one."""
        return self.before[0][0] != self.after[0][0]

    @property
    def entered(self) -> tuple[str, ...]:
        """Classes that stand in the list only afterwards."""
        return tuple(name for name, _ in self.after if name not in dict(self.before))

    @property
    def left(self) -> tuple[str, ...]:
        """Classes that stood in the list only before."""
        return tuple(name for name, _ in self.before if name not in dict(self.after))


def top_change(
    before: NDArray[np.floating], after: NDArray[np.floating], class_names: Sequence[str], k: int = 3
) -> tuple[TopChange, ...]:
    """Probabilities (N, K) of both versions → one `TopChange` a picture; fewer than k classes are all listed.

    Raises DataError for other shapes, SettingsError for k below 1.
    """
    first, second = np.asarray(before), np.asarray(after)
    if first.ndim != 2 or first.shape != second.shape or first.shape[1] != len(class_names):
        raise DataError(
            "change of the first classes",
            expected=f"two arrays (N, {len(class_names)}) of probabilities",
            got=f"{first.shape} and {second.shape}",
        )
    if k < 1:
        raise SettingsError(f"the {k} most probable classes", expected="at least 1")
    return tuple(
        TopChange(_top(old, class_names, k), _top(new, class_names, k))
        for old, new in zip(first, second, strict=True)
    )


def _top(probs: NDArray[np.floating], class_names: Sequence[str], k: int) -> tuple[tuple[str, float], ...]:
    return tuple((class_names[int(row)], float(probs[row])) for row in np.argsort(-probs, kind="stable")[:k])
