"""Which look-alikes are copies of one picture, and which are different pictures of one scene."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lightfast.data.duplicates.closer import CloserLook, Joined, LookAlikes

COSINE = 0.95
"""Uncertain pairs whose embeddings have at least this cosine similarity are near duplicates."""
FEW_ALIKE = 6
"""Up to so many pictures that are all alike, by chains, may be copies of one that were marked."""
SERIES = 0.25
"""Of more look-alikes than `FEW_ALIKE`, the share of pairs that differ at one place, from which on they are
pictures of one scene.
"""
CLEARLY = 0.6
"""A copy within such a series differs from its original by at most this share of the usual difference."""

Cosines = Callable[[Sequence[LookAlikes]], NDArray[np.float64]]


@dataclass(frozen=True)
class Grouping:
    """What was made of the look-alikes.

    Attributes:
        groups: places that are copies of one picture.
        pairs: (pair, cosine of its embeddings where they decided) that joined the groups.
        series: places that look alike, more than `FEW_ALIKE`, in part different pictures of one scene.
        across: places of pairs outside series that look alike but were kept apart: they have different labels
            and differ at one place.
    """

    groups: list[list[int]] = field(default_factory=list)
    pairs: list[tuple[LookAlikes, float | None]] = field(default_factory=list)
    series: list[list[int]] = field(default_factory=list)
    across: list[tuple[int, int]] = field(default_factory=list)


def join(found: CloserLook, labels: Sequence[object], cosines: Cosines | None) -> Grouping:
    """Join the look-alikes that are copies of one picture.

    A pair that is the same everywhere is joined. One that differs at a place (a mark, a tick, an animal) is
    joined only among few look-alikes that have one label. Many look-alikes that differ at places are a
    series: pictures of one scene, joined only where they differ clearly less than is usual there.

    Args:
        labels: one a distinct picture; equal means the same label.
        cosines: of the embeddings of pairs: they decide where the closer look leaves it open.
    """
    told, joined = Grouping(), Joined()
    copies = list(_copies(found, labels, told))
    sure: list[tuple[LookAlikes, float | None]] = [(one, None) for one in copies if one.seen.sure]
    doubtful = [] if cosines is None else [one for one in copies if not one.seen.sure]
    decided = [] if cosines is None else cosines(doubtful)
    close = [(one, value) for one, value in zip(doubtful, decided, strict=True) if value >= COSINE]
    for one, value in (*sure, *close):
        if not joined.together(*one.places):
            joined.join(*one.places)
            told.pairs.append((one, value))
    told.groups.extend(joined.groups())
    return told


def _copies(found: CloserLook, labels: Sequence[object], told: Grouping) -> Iterator[LookAlikes]:
    """The pairs that may be joined; what is kept apart is noted in `told`."""
    chains = Joined(one.places for one in found.alike)
    inside: dict[int, list[LookAlikes]] = {}
    for one in found.alike:
        inside.setdefault(chains.root(one.places[0]), []).append(one)
    for members in chains.groups():
        pairs = inside[chains.root(members[0])]
        usual = _usual_difference(members, pairs)
        if usual is not None:
            told.series.append(members)
            yield from (
                one for one in pairs if one.seen.same_everywhere and one.seen.everywhere <= CLEARLY * usual
            )
            continue
        for one in pairs:
            apart = labels[one.places[0]] != labels[one.places[1]]
            if one.seen.same_everywhere or not (apart or len(members) > FEW_ALIKE):
                yield one
            elif apart and one.seen.sure:
                told.across.append(one.places)


def _usual_difference(members: Sequence[int], pairs: Sequence[LookAlikes]) -> float | None:
    """How much the pictures of a series differ everywhere, levels; None where these look-alikes are none."""
    other = sum(not one.seen.same_everywhere for one in pairs)
    if len(members) <= FEW_ALIKE or other < SERIES * len(pairs):
        return None
    return float(np.median([one.seen.everywhere for one in pairs]))
