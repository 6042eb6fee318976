"""Strategies that look at distances alone, and the lot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lightfast.base.randomness import generator
from lightfast.curate.selection.pool import Chosen, Pool, strategy


@strategy("random", "Drawn by lot: what the others are measured against.", "")
def choose_random(pool: Pool, count: int) -> Chosen:
    """`count` candidates by lot."""
    drawn = generator(pool.seed, "select", "random").permutation(pool.candidates)[:count]
    return Chosen(tuple(drawn.tolist()), ("drawn by lot",) * count)


@strategy(
    "coreset",
    "The picture farthest from all labelled ones, again and again.",
    "the greedy k-centre of Sener and Savarese 2018",
)
def choose_coreset(pool: Pool, count: int) -> Chosen:
    """k-centre greedy: the next one is the candidate whose nearest chosen picture is farthest."""
    nearest = _start(pool)
    rows, reasons = [], []
    for _ in range(count):
        row = int(pool.candidates[nearest[pool.candidates].argmin()])
        rows.append(row)
        reasons.append(_unlike(nearest[row]))
        _add(pool, nearest, row)
    return Chosen(tuple(rows), tuple(reasons))


@strategy(
    "kmeans++",
    "By lot, the likelier the less a picture is like the labelled ones.",
    "the D² sampling of Arthur and Vassilvitskii 2007",
)
def choose_kmeans_plus_plus(pool: Pool, count: int) -> Chosen:
    """D² sampling: each candidate with a probability proportional to its squared distance from the nearest
    chosen picture.
    """
    nearest, rng = _start(pool), generator(pool.seed, "select", "kmeans++")
    rows, reasons = [], []
    for _ in range(count):
        left = pool.candidates[~np.isin(pool.candidates, rows)]
        weight = np.maximum(2 - 2 * nearest[left].clip(-1).astype(np.float64), 1e-12)
        row = int(rng.choice(left, p=weight / weight.sum()))
        rows.append(row)
        reasons.append(_unlike(nearest[row]))
        _add(pool, nearest, row)
    return Chosen(tuple(rows), tuple(reasons))


def _start(pool: Pool) -> NDArray[np.float32]:
    """float32 (N,): similarity to the nearest labelled picture; without any −2, a little more towards the
    edges, so that the first choice is the one least like the mean.
    """
    if len(pool.labelled):
        nearest = np.full(len(pool), -1, np.float32)
        for start in range(0, len(pool.labelled), 512):
            some = pool.vectors[pool.labelled[start : start + 512]]
            np.maximum(nearest, (pool.vectors @ some.T).max(axis=1), out=nearest)
        return nearest
    return -2 - generator(pool.seed, "select", "first").random(len(pool), dtype=np.float32)


def _add(pool: Pool, nearest: NDArray[np.float32], row: int) -> None:
    similarity = pool.vectors @ pool.vectors[row]
    np.copyto(nearest, np.maximum(nearest, similarity))
    # Beyond every similarity: a chosen picture is not chosen again.
    nearest[row] = 3


def _unlike(similarity: float) -> str:
    if similarity < -1:
        return "the first: nothing is labelled yet, it was drawn by lot"
    return f"unlike all that is labelled or chosen before it (similarity at most {similarity:.2f})"
