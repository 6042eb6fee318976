"""Near duplicates among photographs: the same picture compressed anew, resized, slightly cropped,
toned or marked.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.progress import Reporter, silent
from lightfast.data.dataset import LoadedData
from lightfast.data.duplicates.hashes import HASH_VIEWS, Candidates, candidates, oriented
from lightfast.data.duplicates.looks import Looks, make_looks
from lightfast.data.duplicates.registration import coarsely_similar, compare_registered
from lightfast.data.images import ImageSet

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Pictures uint8 (N, H, W, C) to vectors float32 (N, D), any D, any length."""

COSINE = 0.95
"""Uncertain pairs whose embeddings have at least this cosine similarity are near duplicates."""
SMALLEST_SEARCHED_SIDE = 32
MOST_PICTURES = 200_000
_CHUNK = 1024
_EMBEDDED = 256


@dataclass(frozen=True)
class NearPair:
    """Two rows that show the same picture, small changes aside.

    Attributes:
        rows: (first, second), first < second.
        distance: differing bits of 64 between the hashes of their closest views.
        similarity: agreement of their fine structure (see `registration.compare_registered`), or with
            `embedded` the cosine of their embeddings.
        mirrored: whether one is seen in a mirror.
        turns: by how many quarters one is turned.
    """

    rows: tuple[int, int]
    distance: int
    similarity: float
    mirrored: bool = False
    turns: int = 0
    embedded: bool = False


@dataclass(frozen=True)
class NearDuplicates:
    """What a search for near duplicates found.

    Attributes:
        groups: rows that belong together, at least two different pictures each; exact copies of a member are
            members. Sorted.
        pairs: the pairs that joined the groups: not every pair of a group, but enough to connect it; exact
            copies are not among them.
        not_searched: why no search was made, or "".
    """

    groups: tuple[tuple[int, ...], ...] = ()
    pairs: tuple[NearPair, ...] = ()
    not_searched: str = ""

    def numbers(self, n: int) -> NDArray[np.int64]:
        """int64 (n,): one number a row for `ImageSet.groups`; the first row of its group,
        itself where it has none.
        """
        numbers = np.arange(n, dtype=np.int64)
        for group in self.groups:
            numbers[list(group)] = group[0]
        return numbers


def near_duplicates(
    sets: Sequence[ImageSet], embed: Embed | None = None, report: Reporter = silent
) -> NearDuplicates:
    """The near duplicates among the pictures of `sets`, rows counted through all of them one after the other.

    Found are copies that were compressed anew, resized, made a little brighter, darker or more or less
    contrasting, toned, moved by a few pixels, cropped by up to 5 % a side, framed or marked over a small
    part, and mirrored ones (training mirrors pictures too). Pictures with hardly any structure (plain
    surfaces) are joined with exact copies only. Perceptual hashes propose pairs (`hashes`), the
    correlation of small registered thumbnails decides (`registration`); with `embed` the cosine of embeddings
    decides the uncertain pairs. Pictures are read in chunks; 4 KiB a picture are kept, on disk for large
    sets.

    Args:
        sets: pictures of any size; they may be memory-mapped.
        embed: vectors for pictures, e.g. a network's features; called on the pictures of uncertain pairs
            only.
        report: told how far the search is.
    """
    copies: dict[str, list[int]] = defaultdict(list)
    for row, content in enumerate(content for images in sets for content in images.content_hashes):
        copies[content].append(row)
    distinct = np.array([rows[0] for rows in copies.values()])
    if len(distinct) < 2:
        return NearDuplicates()
    looks = make_looks(sets, distinct, report)
    found = candidates(looks.thumbs, report, looks.owners)
    joined = _Joined(len(distinct))
    uncertain = _look(looks, found, joined, report)
    if embed is not None and uncertain:
        _decide(looks, found, uncertain, joined, embed)
    members = list(copies.values())
    groups = [tuple(sorted(row for place in group for row in members[place])) for group in joined.groups()]
    pairs = [
        dataclasses.replace(pair, rows=tuple(sorted(distinct[[*pair.rows]].tolist())))
        for pair in joined.pairs
    ]
    return NearDuplicates(tuple(sorted(groups)), tuple(sorted(pairs, key=lambda pair: pair.rows)))


def why_not_searched(loaded: LoadedData) -> str:
    """ "" where near duplicates of `loaded` are searched, otherwise the reason why not.

    Searched are pictures that came from picture files (those have names of their own): not arrays (`.npz`)
    and the catalogue's digit sets, whose pictures resemble each other by nature and are merely numbered. They
    must have at least 32 pixels a side and be at most 200,000.
    """
    height, width, _ = loaded.train.image_shape
    count = sum(map(len, loaded.parts.values()))
    if not loaded.sizes or loaded.train.ids[:1] == (f"{loaded.train.name}/0",):
        return "the pictures did not come from picture files"
    if min(height, width) < SMALLEST_SEARCHED_SIDE:
        return f"pictures of {height}x{width} are too small (at least {SMALLEST_SEARCHED_SIDE} pixels a side)"
    return f"{count:,} pictures are too many (at most {MOST_PICTURES:,})" if count > MOST_PICTURES else ""


def find_near_duplicates(
    loaded: LoadedData, embed: Embed | None = None, report: Reporter = silent
) -> NearDuplicates:
    """`near_duplicates` over all parts (train, val, test, as in `loaded.part("all")`), where they are
    searched (see `why_not_searched`).
    """
    reason = why_not_searched(loaded)
    if reason:
        return NearDuplicates(not_searched=reason)
    return near_duplicates(list(loaded.parts.values()), embed, report)


def with_near_groups(
    loaded: LoadedData, embed: Embed | None = None, report: Reporter = silent
) -> tuple[LoadedData, NearDuplicates]:
    """(`loaded` with near duplicates numbered over all parts together in `ImageSet.groups`, what was found).

    Where nothing is searched or found, `loaded` comes back as it is, so that its splits stay what they were.
    """
    found = find_near_duplicates(loaded, embed, report)
    if not found.groups:
        return loaded, found
    ends = np.cumsum([len(images) for images in loaded.parts.values()])
    numbers = np.split(found.numbers(ends[-1]), ends[:-1])
    parts: dict[str, Any] = {
        name: dataclasses.replace(images, groups=some)
        for (name, images), some in zip(loaded.parts.items(), numbers, strict=True)
    }
    return dataclasses.replace(loaded, **parts), found


def near_duplicates_json(loaded: LoadedData, found: NearDuplicates) -> dict[str, Any]:
    """`found` with the ids of `loaded`: groups, the pairs that made them, and why no search was made."""
    ids = [one for images in loaded.parts.values() for one in images.ids]
    pairs = [
        {
            "ids": [ids[row] for row in pair.rows],
            "distance": pair.distance,
            "similarity": round(pair.similarity, 4),
            "mirrored": pair.mirrored,
            "turned": 90 * pair.turns,
            "embedded": pair.embedded,
        }
        for pair in found.pairs
    ]
    return {
        "searched": not found.not_searched,
        "not_searched": found.not_searched,
        "groups": [[ids[row] for row in group] for group in found.groups],
        "pairs": pairs,
    }


class _Joined:
    """Rows that belong together (union-find), and the pairs that joined them."""

    def __init__(self, count: int) -> None:
        self.parents = list(range(count))
        self.pairs: list[NearPair] = []

    def root(self, row: int) -> int:
        while self.parents[row] != row:
            self.parents[row] = self.parents[self.parents[row]]
            row = self.parents[row]
        return row

    def together(self, first: int, second: int) -> bool:
        return self.root(first) == self.root(second)

    def join(self, pair: NearPair) -> None:
        low, high = sorted((self.root(pair.rows[0]), self.root(pair.rows[1])))
        self.parents[high] = low
        self.pairs.append(pair)

    def groups(self) -> list[list[int]]:
        members: dict[int, list[int]] = defaultdict(list)
        for row in {row for pair in self.pairs for row in pair.rows}:
            members[self.root(row)].append(row)
        return list(members.values())


def _look(looks: Looks, found: Candidates, joined: _Joined, report: Reporter) -> list[int]:
    """Join every pair that surely belongs together, the closest first; the numbers of the doubtful ones."""
    uncertain: list[int] = []
    order = np.argsort(found.distance, kind="stable").tolist()
    for done, at in enumerate(order, start=1):
        rows = int(looks.owners[found.first[at]]), int(looks.owners[found.second[at]])
        windows, seen_as = HASH_VIEWS[found.view[at]], (bool(found.mirrored[at]), int(found.turns[at]))
        first, second = int(found.first[at]), int(found.second[at])
        if not joined.together(*rows) and coarsely_similar(
            oriented(looks.thumbs[first], *seen_as), looks.thumbs[second], windows
        ):
            seen = compare_registered(oriented(looks[first], *seen_as), looks[second], windows)
            if seen.sure:
                joined.join(NearPair(rows, int(found.distance[at]), seen.structure, *seen_as))
            elif seen.uncertain:
                uncertain.append(at)
        if done % _CHUNK == 0 or done == len(order):
            report("near duplicates: looking closer", done, len(order))
    return uncertain


def _decide(looks: Looks, found: Candidates, uncertain: Sequence[int], joined: _Joined, embed: Embed) -> None:
    """Join the uncertain pairs whose embeddings are close."""
    for some in (uncertain[at : at + _EMBEDDED] for at in range(0, len(uncertain), _EMBEDDED)):
        first = [
            oriented(looks[int(found.first[at])], bool(found.mirrored[at]), int(found.turns[at]))
            for at in some
        ]
        second = [looks[int(found.second[at])] for at in some]
        cosines = np.multiply(*(_unit(embed(np.stack(one))) for one in (first, second))).sum(axis=1)
        for at, cosine in zip(some, cosines.tolist(), strict=True):
            rows = int(looks.owners[found.first[at]]), int(looks.owners[found.second[at]])
            if cosine >= COSINE and not joined.together(*rows):
                joined.join(
                    NearPair(
                        rows,
                        int(found.distance[at]),
                        cosine,
                        bool(found.mirrored[at]),
                        int(found.turns[at]),
                        embedded=True,
                    )
                )


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    values = np.asarray(vectors, dtype=np.float64)
    return values / (np.linalg.norm(values, axis=1, keepdims=True) + 1e-12)
