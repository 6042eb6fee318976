"""The closer look at pairs of pictures whose hashes are close, with bounded work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.base.progress import Reporter
from lightfast.data.duplicates.hashes import HASH_VIEWS, Candidates, oriented
from lightfast.data.duplicates.looks import Looks
from lightfast.data.duplicates.registration import (
    PairSimilarity,
    coarse_difference,
    coarsely_similar,
    compare_registered,
)

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Pictures uint8 (N, H, W, C) to vectors float32 (N, D), any D, any length."""

MOST_LOOKS = 4
"""Closer looks a picture takes part in that do not end in the same picture."""
_MOST_COARSE = 64
_STEP = 1024
_EMBEDDED = 256


@dataclass(frozen=True)
class LookAlikes:
    """Two pictures that were looked at closely and are alike, surely or perhaps.

    Attributes:
        places: (first, second) among the distinct pictures.
        looks: the looks of them that were compared.
        mirrored, turns: how the first one is seen (see `hashes.oriented`).
        distance: differing bits of 64.
        seen: what the closer look says.
    """

    places: tuple[int, int]
    looks: tuple[int, int]
    mirrored: bool
    turns: int
    distance: int
    seen: PairSimilarity


@dataclass(frozen=True)
class CloserLook:
    """All look-alikes that were found, the closest hashes first; `cut`: pictures whose candidates were not
    all looked at, because the first `MOST_LOOKS` were other pictures.
    """

    alike: tuple[LookAlikes, ...]
    cut: int = 0


class Joined:
    """Places that belong together (union-find)."""

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self.parents: dict[int, int] = {}
        for pair in pairs:
            self.join(*pair)

    def root(self, place: int) -> int:
        """The place that stands for the group."""
        parents = self.parents
        while (above := parents.get(place, place)) != place:
            parents[place] = parents.get(above, above)
            place = above
        return place

    def together(self, first: int, second: int) -> bool:
        """Whether two places are in one group."""
        return self.root(first) == self.root(second)

    def join(self, first: int, second: int) -> None:
        """Put the groups of two places together."""
        low, high = sorted((self.root(first), self.root(second)))
        self.parents.setdefault(low, low)
        self.parents[high] = low

    def groups(self) -> list[list[int]]:
        """The members of each group, rising."""
        members: dict[int, list[int]] = {}
        for place in sorted(self.parents):
            members.setdefault(self.root(place), []).append(place)
        return list(members.values())


def look_closer(looks: Looks, found: Candidates, report: Reporter) -> CloserLook:
    """Look closely at candidates, the likeliest first.

    Pairs that are together through pictures that are the same everywhere are passed over. So that the work
    grows with the pictures and not with their pairs, a picture takes part in at most `MOST_LOOKS` looks that
    end otherwise.
    """
    same, alike = Joined(), []
    spent = np.zeros(len(looks.rows), dtype=np.int64)
    coarse, cut = np.zeros_like(spent), np.zeros(len(looks.rows), dtype=bool)
    order = _likeliest_first(looks, found)
    for done, at in enumerate(order, start=1):
        if done % _STEP == 0 or done == len(order):
            report("near duplicates: looking closer", done, len(order))
        first, second = int(found.first[at]), int(found.second[at])
        places = int(looks.owners[first]), int(looks.owners[second])
        if same.together(*places):
            continue
        pair = [*places]
        if (spent[pair] >= MOST_LOOKS).any() or (coarse[pair] >= _MOST_COARSE).any():
            cut[pair] = True
            continue
        how = bool(found.mirrored[at]), int(found.turns[at])
        windows = HASH_VIEWS[found.view[at]]
        if not coarsely_similar(oriented(looks.thumbs[first], *how), looks.thumbs[second], windows):
            coarse[pair] += 1
            continue
        seen = compare_registered(oriented(looks[first], *how), looks[second], windows)
        if seen.sure and seen.same_everywhere:
            same.join(*places)
        else:
            spent[pair] += 1
        if seen.sure or seen.uncertain:
            alike.append(LookAlikes(places, (first, second), *how, int(found.distance[at]), seen))
    return CloserLook(tuple(alike), int(cut.sum()))


def _likeliest_first(looks: Looks, found: Candidates) -> list[int]:
    """By distance of their hashes; then those of pictures with more candidates than are looked at, by how
    much their thumbnails differ: of many pictures of one scene a copy has not always the closest hash.
    """
    owners = looks.owners[np.stack([found.first, found.second])]
    proposed = np.bincount(owners.ravel(), minlength=len(looks.rows))
    crowded = (proposed > MOST_LOOKS)[owners].any(axis=0)
    key = found.distance.astype(np.float64)
    for at in np.flatnonzero(crowded).tolist():
        first = oriented(looks.thumbs[found.first[at]], bool(found.mirrored[at]), int(found.turns[at]))
        key[at] = coarse_difference(first, looks.thumbs[found.second[at]], HASH_VIEWS[found.view[at]])
    return np.lexsort((key, crowded)).tolist()


def cosines(looks: Looks, alike: Sequence[LookAlikes], embed: Embed) -> NDArray[np.float64]:
    """float64 (M,): the cosine similarity of the embeddings of each pair."""
    found = [np.zeros(0)]
    for some in (alike[at : at + _EMBEDDED] for at in range(0, len(alike), _EMBEDDED)):
        first = [oriented(looks[one.looks[0]], one.mirrored, one.turns) for one in some]
        vectors = [
            _unit(_embedded(pictures, embed)) for pictures in (first, [looks[one.looks[1]] for one in some])
        ]
        found.append((vectors[0] * vectors[1]).sum(axis=1))
    return np.concatenate(found)


def _embedded(pictures: Sequence[NDArray[np.uint8]], embed: Embed) -> NDArray[np.float32]:
    """Vectors of pictures of several sizes (one may be without its border, or turned)."""
    shapes: dict[tuple[int, ...], list[int]] = {}
    for row, picture in enumerate(pictures):
        shapes.setdefault(picture.shape, []).append(row)
    found = [embed(np.stack([pictures[row] for row in rows])) for rows in shapes.values()]
    back = np.argsort(np.concatenate([*shapes.values()]))
    return np.concatenate(found)[back]


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    values = np.asarray(vectors, dtype=np.float64)
    return values / (np.linalg.norm(values, axis=1, keepdims=True) + 1e-12)
