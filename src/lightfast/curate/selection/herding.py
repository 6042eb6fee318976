"""MaxHerding and Uncertainty Herding: pictures that, together with the labelled ones, stand for the pool."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lightfast.base.randomness import generator
from lightfast.curate.selection.pool import Chosen, Pool, count_text, strategy

RADIUS = 1.0
"""Width of the kernel exp(−d²/radius²) on vectors of length 1 while nothing is labelled."""
NARROWER = 0.7
"""Later the radius is this times the mean distance of a labelled picture to the nearest other one."""
MOST_SEEN = 6_000
"""Of more candidates, and of more pictures to stand for, so many are drawn."""
_SMALLEST_RADIUS = 0.05
_NEAR = 0.3
"""Kernel from which on a picture is said to stand for another."""


@strategy(
    "herding",
    "Pictures that stand for as many others as possible.",
    "MaxHerding of Bae, Noh and Sutherland 2024",
)
def choose_herding(pool: Pool, count: int) -> Chosen:
    """Greedy coverage with one radius."""
    return _herd(pool, count, np.ones(len(pool), np.float32), RADIUS)


@strategy(
    "unsure-herding",
    "Pictures that stand for as many others as possible of which the model is unsure.",
    "Uncertainty Herding of Bae, Oliveira and Sutherland 2024",
    needs_probs=True,
)
def choose_unsure_herding(pool: Pool, count: int) -> Chosen:
    """Greedy coverage of the pictures weighed by 1 − margin, the radius following the labelled ones."""
    return _herd(pool, count, pool.unsureness, radius_of(pool))


def radius_of(pool: Pool) -> float:
    """The radius that follows how close the labelled pictures lie."""
    rows = pool.labelled
    if len(rows) < 2:
        return RADIUS
    if len(rows) > MOST_SEEN:
        rows = generator(pool.seed, "select", "radius").permutation(rows)[:MOST_SEEN]
    cosines = pool.vectors[rows] @ pool.vectors[rows].T
    np.fill_diagonal(cosines, -1)
    distances = np.sqrt(np.maximum(2 - 2 * cosines.max(axis=1), 0))
    return max(NARROWER * float(distances.mean()), _SMALLEST_RADIUS)


def _herd(pool: Pool, count: int, weights: NDArray[np.float32], radius: float) -> Chosen:
    """The candidates that raise the weighted mean of max over chosen of kernel(picture, chosen) most, one
    after the other.
    """
    seen = _some(np.arange(len(pool)), pool.seed, "seen", MOST_SEEN)
    offered = _some(pool.candidates, pool.seed, "offered", max(MOST_SEEN, count))
    covered = np.zeros(len(seen), np.float32)
    for start in range(0, len(pool.labelled), 512):
        some = _kernel(pool, seen, pool.labelled[start : start + 512], radius)
        np.maximum(covered, some.max(axis=1), out=covered)
    kernel, weight = _kernel(pool, offered, seen, radius), weights[seen]
    rows, reasons = [], []
    left = np.ones(len(offered), np.bool_)
    gains = np.full(len(offered), np.inf)
    for _ in range(count):
        place = _best(kernel, covered, weight, gains, left)
        rows.append(int(offered[place]))
        new = kernel[place] > np.maximum(covered, _NEAR)
        reasons.append(_reason(pool, rows[-1], round(float(new.sum()) * len(pool) / len(seen))))
        left[place] = False
        np.maximum(covered, kernel[place], out=covered)
    return Chosen(tuple(rows), tuple(reasons))


def _best(
    kernel: NDArray[np.float32],
    covered: NDArray[np.float32],
    weight: NDArray[np.float32],
    gains: NDArray[np.float64],
    left: NDArray[np.bool_],
) -> int:
    """The place with the largest gain. Gains only shrink (the coverage is submodular), so that one that is
    below the best of this round need not be computed again: `gains` holds upper bounds and is updated.
    """
    bounds = np.where(left, gains, -1.0)
    best, place = -1.0, int(np.flatnonzero(left)[0])
    order = np.argsort(-bounds, kind="stable")
    for start in range(0, len(order), 128):
        some = order[start : start + 128]
        if bounds[some[0]] <= best:
            break
        gains[some] = np.maximum(kernel[some] - covered, 0) @ weight
        here = np.where(left[some], gains[some], -1.0)
        if here.max() > best:
            best, place = float(here.max()), int(some[here.argmax()])
    return place


def _kernel(
    pool: Pool, rows: NDArray[np.intp], others: NDArray[np.intp], radius: float
) -> NDArray[np.float32]:
    """float32 (len(rows), len(others)), 0..1."""
    cosines = pool.vectors[rows] @ pool.vectors[others].T
    return np.exp(np.minimum(2 * cosines - 2, 0) / np.float32(radius**2))


def _some(rows: NDArray[np.intp], seed: int, what: str, most: int) -> NDArray[np.intp]:
    if len(rows) <= most:
        return rows
    return np.sort(generator(seed, "select", what).permutation(rows)[:most])


def _reason(pool: Pool, row: int, alone: int) -> str:
    unsure = pool.between(row)
    if unsure:
        others = f", and so are about {count_text(alone - 1)} like it" if alone > 1 else ""
        return f"the model is unsure ({unsure}){others}"
    if alone > 1:
        return f"stands for about {count_text(alone)} like it"
    return "like few others; all that is more usual has a picture that stands for it"
