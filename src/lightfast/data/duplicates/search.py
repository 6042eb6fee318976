"""Near duplicates among photographs: the same picture compressed anew, resized, slightly cropped, turned,
framed, toned or marked.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.plain import as_json
from lightfast.base.progress import Reporter, silent
from lightfast.data.dataset import LoadedData
from lightfast.data.duplicates.closer import Embed, LookAlikes, cosines, look_closer
from lightfast.data.duplicates.grouping import join
from lightfast.data.duplicates.hashes import candidates
from lightfast.data.duplicates.kept import keep_search, load_search, search_key
from lightfast.data.duplicates.looks import make_looks
from lightfast.data.images import ImageSet

SMALLEST_SEARCHED_SIDE = 32
MOST_PICTURES = 200_000
FEWEST_KEPT = 500
"""Pictures: fewer are searched anew at every start, which takes a moment."""


@dataclass(frozen=True)
class NearPair:
    """Two rows that show the same picture, small changes aside.

    Attributes:
        rows: (first, second), first < second.
        distance: differing bits of 64 between the hashes of their closest views.
        similarity: agreement of their fine structure (see `registration.compare_registered`), or with
            `embedded` the cosine of their embeddings.
        mirrored: whether one is seen in a mirror.
        turns: by how many quarters the first one (after that) is turned anticlockwise to be like the second.
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
        series: rows that look alike in part because they show one scene (scans of one form, pictures of one
            camera): not grouped, but for those that are the same picture.
        apart: (first, second) rows outside series that look alike, but have different labels and differ at
            one place: not grouped.
        cut: how many pictures were not compared with all that their hashes proposed.
    """

    groups: tuple[tuple[int, ...], ...] = ()
    pairs: tuple[NearPair, ...] = ()
    not_searched: str = ""
    series: tuple[tuple[int, ...], ...] = ()
    apart: tuple[tuple[int, int], ...] = ()
    cut: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What looked alike and was not grouped, and where the search was cut short."""
        count = sum(map(len, self.series))
        one = (
            f"{count:,} pictures look alike but differ at places or in their labels, as pictures of one scene"
        )
        two = (
            f"{len(self.apart):,} pairs of pictures look alike, differ at one place and have different labels"
        )
        three = (
            f"{self.cut:,} pictures have so many look-alikes that only the likeliest were compared: near "
            "duplicates among them may have been missed"
        )
        kept = "they were not taken for near duplicates"
        but = f"{kept}, but for the few that are the same everywhere"
        told = ((count, f"{one}: {but}"), (len(self.apart), f"{two}: {kept}"), (self.cut, three))
        return tuple(text for many, text in told if many)

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
    contrasting, toned, moved by a few pixels, cropped by up to 5 % a side, stretched, framed, letterboxed or
    marked over a small part, mirrored ones (training mirrors pictures too) and ones turned by 90°, 180° or
    270°. Pictures with hardly any structure (plain surfaces) are joined with exact copies only. Perceptual
    hashes propose pairs (`hashes`), the correlation of small registered thumbnails tells the look-alikes
    (`registration`); with `embed` the cosine of embeddings decides the uncertain pairs. Different pictures of
    one scene are kept apart, above all under different labels (`grouping`). Pictures are read in chunks;
    4 KiB a picture are kept, 8 of one with a border, on disk for large sets.

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
    found = look_closer(looks, candidates(looks.thumbs, report, looks.owners), report)
    labels = _labels(sets)
    said = [labels[row] for row in distinct.tolist()]
    joined = join(found, said, None if embed is None else lambda alike: cosines(looks, alike, embed))
    members = list(copies.values())

    def rows_of(places: Iterable[int]) -> tuple[int, ...]:
        return tuple(sorted(row for place in places for row in members[place]))

    return NearDuplicates(
        tuple(sorted(map(rows_of, joined.groups))),
        tuple(sorted((_pair(*one, distinct) for one in joined.pairs), key=lambda pair: pair.rows)),
        series=tuple(sorted(map(rows_of, joined.series))),
        apart=tuple(sorted((int(distinct[first]), int(distinct[second])) for first, second in joined.across)),
        cut=found.cut,
    )


def _labels(sets: Sequence[ImageSet]) -> list[object]:
    """What is said of every picture: its label number, its row of tags, or None."""
    found: list[object] = []
    for images in sets:
        if images.tags is not None:
            found += [row.tobytes() for row in images.tags]
        else:
            found += [None] * len(images) if images.labels is None else images.labels.tolist()
    return found


def _pair(one: LookAlikes, cosine: float | None, distinct: NDArray[np.int64]) -> NearPair:
    first, second = (int(distinct[place]) for place in one.places)
    # The other way round a turn goes backwards, but for a mirrored picture: that is its own inverse.
    turns = one.turns if first < second or one.mirrored else -one.turns % 4
    similarity = one.seen.structure if cosine is None else cosine
    rows = (min(first, second), max(first, second))
    return NearPair(rows, one.distance, similarity, one.mirrored, turns, cosine is not None)


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
    searched (see `why_not_searched`). Without `embed`, what is found among many pictures is kept for the next
    start.
    """
    reason = why_not_searched(loaded)
    if reason:
        return NearDuplicates(not_searched=reason)
    sets = list(loaded.parts.values())
    if embed is not None or sum(map(len, sets)) < FEWEST_KEPT:
        return near_duplicates(sets, embed, report)
    key = search_key(sets)
    kept = load_search(key)
    if kept is not None:
        return _restored(kept)
    found = near_duplicates(sets, None, report)
    keep_search(key, as_json(found))
    return found


def _restored(kept: Mapping[str, Any]) -> NearDuplicates:
    pairs = tuple(NearPair(**{**one, "rows": tuple(one["rows"])}) for one in kept["pairs"])
    groups, series, apart = (tuple(map(tuple, kept[name])) for name in ("groups", "series", "apart"))
    return NearDuplicates(groups, pairs, series=series, apart=apart, cut=kept["cut"])


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
        "series": [[ids[row] for row in rows] for rows in found.series],
        "apart": [[ids[row] for row in rows] for rows in found.apart],
        "cut": found.cut,
    }
