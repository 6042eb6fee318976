"""The nearest pictures in feature space, by blocks of products; many are sought in fewer dimensions first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.base.progress import Reporter, silent
from lightfast.curate.embed import unit_rows

_WHOLE = 10_000
"""Up to so many rows every product is computed in all dimensions."""
REDUCED = 96
CANDIDATES = 4
"""Above _WHOLE, so many times k candidates are found in REDUCED dimensions and compared again in all."""
_BLOCK = 512
_GROUP = 64
_SAMPLE = 20_000


@dataclass(frozen=True, eq=False)
class Neighbours:
    """For each of N rows its k nearest, nearest first.

    Attributes:
        rows: int64 (N, k), row numbers.
        similarity: float32 (N, k), cosines in −1..1.
    """

    rows: NDArray[np.int64]
    similarity: NDArray[np.float32]


def nearest(
    vectors: NDArray[np.floating],
    k: int,
    queries: NDArray[np.floating] | None = None,
    report: Reporter = silent,
) -> Neighbours:
    """The k rows of `vectors` nearest to each query by cosine; without `queries` of each row itself, its own
    row left out. Fewer than k where there are not so many.

    Exact up to 10,000 rows. Above, 4 k candidates are found exactly over the first 96 principal components
    and compared again in all dimensions.

    Args:
        vectors: float (N, D); rows of zeros are similar to nothing.
        k: at least 1.
        queries: float (M, D) or None.
        report: told of every block.

    Raises:
        DataError: for vectors that are not two-dimensional, not finite, or of another width than the queries.
    """
    base = unit_rows(_checked(vectors, "features"))
    asked = base if queries is None else unit_rows(_checked(queries, "queries"))
    if asked.shape[1] != base.shape[1]:
        raise DataError("queries", expected=f"{base.shape[1]} features", got=str(asked.shape[1]))
    others = len(base) - (queries is None)
    k = max(0, min(k, others))
    rows, similarity = np.zeros((len(asked), k), np.int64), np.zeros((len(asked), k), np.float32)
    if not k or not len(asked):
        return Neighbours(rows, similarity)
    search = _Search(base, k, queries is None)
    for start in range(0, len(asked), _BLOCK):
        part = slice(start, start + _BLOCK)
        rows[part], similarity[part] = search.best(asked[part], start)
        report("neighbours", min(start + _BLOCK, len(asked)), len(asked), "")
    return Neighbours(rows, similarity)


class _Search:
    """What is computed once for all blocks of queries."""

    def __init__(self, base: NDArray[np.float32], k: int, own: bool) -> None:
        self.base, self.k, self.own = base, k, own
        large = len(base) > _WHOLE and base.shape[1] > 2 * REDUCED
        self.axes = principal_axes(base) if large else None
        small = base if self.axes is None else base @ self.axes
        self.columns = np.ascontiguousarray(small.T)
        self.width = min(len(base), (k if self.axes is None else CANDIDATES * k) + own)
        # One block of products for all: to map and unmap it at every block costs more than to fill it.
        self.products = np.empty((_BLOCK, len(base)), np.float32)

    def best(self, asked: NDArray[np.float32], start: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k best rows and their cosines for some queries, the first of which is number `start`."""
        cosines = self.products[: len(asked)]
        np.matmul(asked if self.axes is None else asked @ self.axes, self.columns, out=cosines)
        if self.own:
            cosines[np.arange(len(asked)), np.arange(start, start + len(asked))] = -np.inf
        found = largest_columns(cosines, self.width)
        if self.axes is None:
            exact = np.take_along_axis(cosines, found, axis=1)
        else:
            exact = np.einsum("nkd,nd->nk", self.base[found], asked)
            if self.own:
                exact[found == np.arange(start, start + len(asked))[:, None]] = -np.inf
        order = np.lexsort((found, -exact), axis=1)[:, : self.k]
        return np.take_along_axis(found, order, axis=1), np.take_along_axis(exact, order, axis=1)


def largest_columns(values: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Column numbers (N, count) of the `count` largest values of each row, in no order.

    The columns are seen in groups: the largest values lie in the groups with the largest maxima, so that only
    those are sorted.
    """
    across = values.shape[1]
    groups = across // _GROUP
    if groups < 2 * count:
        return np.argpartition(-values, min(count, across) - 1, axis=1)[:, :count]
    whole = values[:, : groups * _GROUP].reshape(len(values), groups, _GROUP)
    chosen = np.argpartition(-whole.max(axis=2), count - 1, axis=1)[:, :count]
    columns = (chosen[:, :, None] * _GROUP + np.arange(_GROUP)).reshape(len(values), -1)
    rest = np.broadcast_to(np.arange(groups * _GROUP, across), (len(values), across - groups * _GROUP))
    columns = np.concatenate([columns, rest], axis=1)
    inside = np.argpartition(-np.take_along_axis(values, columns, axis=1), count - 1, axis=1)[:, :count]
    return np.take_along_axis(columns, inside, axis=1)


def principal_axes(base: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 (D, 96): the directions in which the rows (some 20,000 of them) are longest. Not centred, so
    that products stay cosines.
    """
    spread = base[:: max(1, len(base) // _SAMPLE)]
    _, axes = np.linalg.eigh((spread.T @ spread).astype(np.float64))
    return axes[:, : -REDUCED - 1 : -1].astype(np.float32)


def _checked(vectors: NDArray[np.floating], what: str) -> NDArray[np.floating]:
    if vectors.ndim != 2:
        raise DataError(what, expected="an array of shape (N, D)", got=str(vectors.shape))
    if not np.isfinite(vectors).all():
        raise DataError(what, expected="finite numbers", got="NaN or infinity")
    return vectors
