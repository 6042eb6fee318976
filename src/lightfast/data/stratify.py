"""Stratification of pictures with several labels: they go to sides, so that every label is spread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def rarest_tags(tags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """int64 (N,): the tag of each row of bool (N, K) that the fewest rows carry (of equals the lowest),
    K for rows without any.
    """
    counts = np.where(tags, tags.sum(axis=0), len(tags) + 1)
    return np.where(tags.any(axis=1), counts.argmin(axis=1) if tags.shape[1] else 0, tags.shape[1]).astype(
        np.int64
    )


def stratify(
    tags: NDArray[np.bool_], sizes: NDArray[np.int64], order: NDArray[np.int64], shares: Sequence[float]
) -> NDArray[np.int64]:
    """int64 (G,): the side of every group of pictures, every tag spread by `shares` as far as that goes.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011): groups go to the sides by their rarest
    tag, the rarest first, each to the side that lacks most of it, of equals to the one that lacks most of its
    other tags, then of all pictures. Having no tag counts as a tag. A tag of at least 2 groups a side wants
    one group on every side; a last round moves groups for what still lacks one.

    Args:
        tags: bool (G, K).
        sizes: pictures a group.
        order: the groups in their drawn order.
        shares: one a side, summing to 1; side 0 (train) goes first among equals.
    """
    marks = np.concatenate([tags, ~tags.any(axis=1, keepdims=True)], axis=1)
    counts = marks.sum(axis=0)
    wanted = np.outer(shares, (marks * sizes[:, None]).sum(axis=0))
    used = np.array(shares) > 0
    wanted[np.ix_(used, counts >= 2 * used.sum())] = np.maximum(
        wanted[np.ix_(used, counts >= 2 * used.sum())], 1
    )
    room = np.array(shares) * sizes.sum()
    rarest = rarest_tags(marks)
    place = np.argsort(order)
    sides = np.zeros(len(tags), dtype=np.int64)
    for group in np.lexsort((place, rarest, counts[rarest])):
        mine = np.flatnonzero(marks[group])
        mine = mine[np.argsort(counts[mine], kind="stable")]
        side = max(
            np.flatnonzero(used), key=lambda one: (*wanted[one, mine].round(6), round(room[one], 6), -one)
        )
        sides[group] = side
        wanted[side, mine] -= sizes[group]
        room[side] -= sizes[group]
    _fill(marks, place, sides, np.flatnonzero(used))
    return sides


def _fill(
    marks: NDArray[np.bool_], place: NDArray[np.int64], sides: NDArray[np.int64], used: NDArray[np.int64]
) -> None:
    """Move single groups to sides without a tag that has at least 2 groups a side,
    if no tag loses its last group on a side by it.
    """
    counts = marks.sum(axis=0)
    for tag in np.argsort(counts, kind="stable"):
        if counts[tag] < 2 * len(used):
            continue
        for side in used:
            carriers = np.flatnonzero(marks[:, tag])
            if (sides[carriers] == side).any():
                continue
            for group in carriers[np.argsort(place[carriers])]:
                here = sides == sides[group]
                if (marks[here].sum(axis=0)[marks[group]] > 1).all():
                    sides[group] = side
                    break
