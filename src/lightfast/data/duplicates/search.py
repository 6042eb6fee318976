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
from lightfast.data.duplicates.hashes import HASH_VIEWS, THUMBNAIL_SIDE, Candidates, candidates
from lightfast.data.duplicates.registration import coarsely_similar, compare_registered, thumbnails
from lightfast.data.images import ImageSet
from lightfast.data.mapped import write_temporary

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Pictures uint8 (N, H, W, C) to vectors float32 (N, D), any D, any length."""

COSINE = 0.95
"""Uncertain pairs whose embeddings have at least this cosine similarity are near duplicates."""
SMALLEST_SEARCHED_SIDE = 32
MOST_PICTURES = 200_000
_CHUNK = 1024
_EMBEDDED = 256
_IN_MEMORY = 20_000


@dataclass(frozen=True)
class NearPair:
    """Two rows that show the same picture, small changes aside.

    Attributes:
        rows: (first, second), first < second.
        distance: differing bits of 64 between the hashes of their closest views.
        similarity: agreement of their fine structure (see `registration.compare_registered`), or with
            `embedded` the cosine of their embeddings.
        mirrored: whether one is seen in a mirror.
    """

    rows: tuple[int, int]
    distance: int
    similarity: float
    mirrored: bool = False
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
    thumbs = _thumbs(sets, distinct, report)
    found = candidates(thumbs, report)
    joined = _Joined(len(distinct))
    pictures = _Pictures(sets, distinct)
    uncertain = _look(pictures, thumbs, found, joined, report)
    if embed is not None and uncertain:
        _decide(pictures, found, uncertain, joined, embed)
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


def _thumbs(sets: Sequence[ImageSet], rows: NDArray[np.int64], report: Reporter) -> NDArray[np.uint8]:
    """uint8 (M, 64, 64) of some rows, in rising order; of large sets in a file without a name."""
    chunks = _shrunk(sets, rows, report)
    if len(rows) <= _IN_MEMORY:
        return np.concatenate(list(chunks))
    return write_temporary(chunks, (len(rows), THUMBNAIL_SIDE, THUMBNAIL_SIDE))


def _shrunk(
    sets: Sequence[ImageSet], rows: NDArray[np.int64], report: Reporter
) -> Iterator[NDArray[np.uint8]]:
    start = 0
    for images in sets:
        here = np.flatnonzero((rows >= start) & (rows < start + len(images)))
        for chunk in (here[at : at + _CHUNK] for at in range(0, len(here), _CHUNK)):
            yield thumbnails(images.images[rows[chunk] - start])
            report("near duplicates: shrinking", int(chunk[-1]) + 1, len(rows))
        start += len(images)


class _Pictures:
    """The pictures that are searched, by their place among the distinct ones."""

    def __init__(self, sets: Sequence[ImageSet], rows: NDArray[np.int64]) -> None:
        self.sets, self.rows = sets, rows
        self.starts = np.cumsum([0, *map(len, sets)])

    def __getitem__(self, place: int) -> NDArray[np.uint8]:
        row = int(self.rows[place])
        part = int(np.searchsorted(self.starts, row, side="right")) - 1
        return np.asarray(self.sets[part].images[row - int(self.starts[part])])


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


def _look(
    pictures: _Pictures, thumbs: NDArray[np.uint8], found: Candidates, joined: _Joined, report: Reporter
) -> list[int]:
    """Join every pair that surely belongs together, the closest first; the numbers of the doubtful ones."""
    uncertain: list[int] = []
    order = np.argsort(found.distance, kind="stable").tolist()
    for done, at in enumerate(order, start=1):
        first, second, mirrored = int(found.first[at]), int(found.second[at]), bool(found.mirrored[at])
        windows = HASH_VIEWS[found.view[at]]
        if not joined.together(first, second) and coarsely_similar(
            thumbs[first], thumbs[second], windows, mirrored=mirrored
        ):
            seen = compare_registered(pictures[first], pictures[second], windows, mirrored=mirrored)
            if seen.sure:
                joined.join(NearPair((first, second), int(found.distance[at]), seen.structure, mirrored))
            elif seen.uncertain:
                uncertain.append(at)
        if done % _CHUNK == 0 or done == len(order):
            report("near duplicates: looking closer", done, len(order))
    return uncertain


def _decide(
    pictures: _Pictures, found: Candidates, uncertain: Sequence[int], joined: _Joined, embed: Embed
) -> None:
    """Join the uncertain pairs whose embeddings are close."""
    for some in (uncertain[at : at + _EMBEDDED] for at in range(0, len(uncertain), _EMBEDDED)):
        first = [pictures[int(found.first[at])][:, :: 1 - 2 * found.mirrored[at]] for at in some]
        second = [pictures[int(found.second[at])] for at in some]
        cosines = np.multiply(*(_unit(embed(np.stack(one))) for one in (first, second))).sum(axis=1)
        for at, cosine in zip(some, cosines.tolist(), strict=True):
            rows = int(found.first[at]), int(found.second[at])
            if cosine >= COSINE and not joined.together(*rows):
                joined.join(
                    NearPair(rows, int(found.distance[at]), cosine, bool(found.mirrored[at]), embedded=True)
                )


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    values = np.asarray(vectors, dtype=np.float64)
    return values / (np.linalg.norm(values, axis=1, keepdims=True) + 1e-12)
