"""Which look-alikes are copies of one picture, and which are different pictures of one scene."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lightfast.data.duplicates.closer import CloserLook, Joined, LookAlikes

COSINE = 0.95
"""Uncertain pairs whose embeddings have at least this cosine similarity are near duplicates."""
FEW_ALIKE = 6
"""Up to so many pictures that are all alike, by chains, may be copies of one that were marked."""
SERIES = 0.25
"""More look-alikes than `FEW_ALIKE` are pictures of one scene where at least this share of the pairs differs
at one place, or of the pictures has another label than most: copies of one picture have one label, a few
mistakes aside.
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
    joined only among few look-alikes that have one label. Many look-alikes that differ at places, or in
    their labels, are a series: pictures of one scene. There, pairs that are the same everywhere are joined
    where they are few, or differ clearly less than is usual.

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
    for members, pairs in _chains(found.alike):
        if _is_series([labels[place] for place in members], pairs):
            told.series.append(members)
            yield from _copies_in_series(pairs)
            continue
        for one in pairs:
            apart = labels[one.places[0]] != labels[one.places[1]]
            if one.seen.same_everywhere or not (apart or len(members) > FEW_ALIKE):
                yield one
            elif apart and one.seen.sure:
                told.across.append((min(one.places), max(one.places)))


def _chains(alike: Iterable[LookAlikes]) -> Iterator[tuple[list[int], list[LookAlikes]]]:
    """(pictures that hang together by pairs, those pairs)."""
    alike = list(alike)
    joined = Joined(one.places for one in alike)
    pairs: dict[int, list[LookAlikes]] = {}
    for one in alike:
        pairs.setdefault(joined.root(one.places[0]), []).append(one)
    for members in joined.groups():
        yield members, pairs[joined.root(members[0])]


def _is_series(labels: Sequence[object], pairs: Sequence[LookAlikes]) -> bool:
    """Whether look-alikes show one scene; `labels`: one a picture."""
    if len(labels) <= FEW_ALIKE:
        return False
    other_place = sum(not one.seen.same_everywhere for one in pairs) / len(pairs)
    other_label = 1 - Counter(labels).most_common(1)[0][1] / len(labels)
    return max(other_place, other_label) >= SERIES


def _copies_in_series(pairs: Sequence[LookAlikes]) -> Iterator[LookAlikes]:
    """The pairs that are the same everywhere and few, or differ clearly less than is usual among them: of the
    many pictures of an empty scene each has its own noise.
    """
    for members, same in _chains(one for one in pairs if one.seen.same_everywhere):
        usual = float(np.median([one.seen.everywhere for one in same]))
        few = len(members) <= FEW_ALIKE
        yield from (one for one in same if few or one.seen.everywhere <= CLEARLY * usual)
