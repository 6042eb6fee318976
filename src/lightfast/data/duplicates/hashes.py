"""Perceptual hashes of photographs, and pairs of pictures with close ones,
found without comparing all with all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.progress import Reporter

THUMBNAIL_SIDE = 64
"""Pixels a side of the grey thumbnails that hashes are taken from."""
DISTANCE = 10
"""Hashes of 64 bits that differ in at most this many are looked at more closely."""
EDGE = 0.05
"""How much of a side may be cropped away, or taken up by a border."""
STRIP = 0.18
"""How much of the height may hold a mark, at the lower or the upper edge."""
_BANDS, _BAND = 4, 16
_WEAK, _WEAK_CROPPED = 4, 2
_CROWD = 128
_PROPOSED = 24
_PART_FURTHER = 3
_CHUNK = 2048
_AT_ONCE = 64
_SETTLED = 200

Window = tuple[float, float, float, float]
"""The part of a picture that is left without a share of its (left, top, right, bottom)."""

_WHOLE: Window = (0.0, 0.0, 0.0, 0.0)
_HALF_RIM: Window = (EDGE / 2, EDGE / 2, EDGE / 2, EDGE / 2)
_RIM: Window = (EDGE, EDGE, EDGE, EDGE)
_LOW: Window = (0.0, 0.0, 0.0, STRIP)
_TOP: Window = (0.0, STRIP, 0.0, 0.0)
_SIDES: tuple[Window, ...] = (
    (EDGE, 0.0, 0.0, 0.0),
    (0.0, EDGE, 0.0, 0.0),
    (0.0, 0.0, EDGE, 0.0),
    (0.0, 0.0, 0.0, EDGE),
)
_CORNERS: tuple[Window, ...] = (
    (EDGE, EDGE, 0.0, 0.0),
    (EDGE, 0.0, 0.0, EDGE),
    (0.0, EDGE, EDGE, 0.0),
    (0.0, 0.0, EDGE, EDGE),
)
_NARROWER: tuple[Window, ...] = tuple(
    window
    for share in (0.08, 0.125, 0.17, 0.215)
    for window in ((share, 0.0, share, 0.0), (0.0, share, 0.0, share))
)
HASH_VIEWS: tuple[tuple[Window, Window], ...] = (
    *((window, _WHOLE) for window in (_WHOLE, _HALF_RIM, _RIM, *_SIDES, *_CORNERS, *_NARROWER)),
    (_RIM, _RIM),
    (_SIDES[0], _SIDES[2]),
    (_SIDES[1], _SIDES[3]),
    (_LOW, _LOW),
    (_TOP, _TOP),
)
"""What is compared: a part of one picture with a part of the other. With the whole one (a cropped copy, or
one of another shape that reading cut to the common one); both without their rims, where a border may lie;
opposite sides (moved); both without the strip that may hold a mark.
"""

_ORDERS = 9
_FREQUENCIES = sorted(
    ((row, column) for row in range(_ORDERS) for column in range(_ORDERS) if row + column),
    key=lambda one: (sum(one), one),
)[:64]
# Taken in turn, so that each band of bits holds low and high frequencies.
_ROWS, _COLUMNS = np.array(_FREQUENCIES).reshape(_BAND, _BANDS, 2).transpose(2, 1, 0).reshape(2, 64)
_MIRROR = np.where(_COLUMNS % 2, -1, 1).astype(np.float32)
_ODD_ROWS = np.where(np.arange(_ORDERS) % 2, -1, 1).astype(np.float32)[:, None]
_TURNS = 4


def oriented(picture: NDArray[Any], mirrored: bool, turns: int) -> NDArray[Any]:
    """A picture (H, W, ...) seen in a mirror or not, then turned by `turns` times 90° anticlockwise."""
    return np.rot90(picture[:, ::-1] if mirrored else picture, turns)


@dataclass(frozen=True, eq=False)
class Candidates:
    """M pairs of pictures whose hashes are close, each once, `first` < `second` or not; the closest of their
    views.

    Attributes:
        first, second: int64 (M,) rows.
        view: int64 (M,) number in `HASH_VIEWS`: which part of `first` is like which part of `second`.
        mirrored, turns: bool and int64 (M,) how `first` is seen (see `oriented`).
        distance: int64 (M,) differing bits of 64.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    view: NDArray[np.int64]
    mirrored: NDArray[np.bool_]
    turns: NDArray[np.int64]
    distance: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.first)


def candidates(
    thumbs: NDArray[np.uint8], report: Reporter, owners: NDArray[np.int64] | None = None
) -> Candidates:
    """Pairs of grey thumbnails uint8 (N, 64, 64) whose hashes differ in at most `DISTANCE` bits.

    A hash is the signs of the 64 lowest frequencies of the discrete cosine transform (as in pHash: Zauner
    2010), the picture's mean brightness left out, each measured from the mean over all pictures, so that sets
    of one kind of picture (faces, goods on white) do not share most of their bits. Every view in
    `HASH_VIEWS`, mirrored and not, and the whole picture turned by 90°, 180° and 270°, is looked up in four
    tables of 16 bits each, also with its least certain bits turned over (Lv et al. 2007, multi-probe hashing,
    with the bits ranked by their distance from 0). Where many pictures share a table's key, only the 128
    nearest in the order of their hashes are compared, and a picture proposes at most the 24 closest.

    Args:
        owners: int64 (N,): thumbnails with one number show the same picture (without its border, say). No
            pair is made of them, and of the pairs between two pictures the closest is kept.
    """
    owners = np.arange(len(thumbs)) if owners is None else owners
    centre = _centre(thumbs)
    tables = {window: _tables(thumbs, window, centre) for window in {kept for _, kept in HASH_VIEWS}}
    found = [np.zeros((6, 0), dtype=np.int64)]
    for start in range(0, len(thumbs), _CHUNK):
        chunk = thumbs[start : start + _CHUNK]
        rows = np.arange(start, start + len(chunk))
        some = [
            _looked_up(one - centre, rows, tables[HASH_VIEWS[how[0]][1]], how)
            for one, how in _seen_in_all_ways(chunk)
        ]
        found.append(_nearest(_closest(np.concatenate(some, axis=1), owners)))
        report("near duplicates: looking up", min(start + _CHUNK, len(thumbs)), len(thumbs))
    first, second, distance, view, mirrored, turns = _closest(np.concatenate(found, axis=1), owners)
    return Candidates(first, second, view, mirrored.astype(bool), turns, distance)


def _seen_in_all_ways(
    thumbs: NDArray[np.uint8],
) -> Iterator[tuple[NDArray[np.float32], tuple[int, int, int]]]:
    """(coefficients (N, 64), (view, mirrored, turns)) of every way in which pictures are looked up."""
    spectra = _spectra(
        thumbs, sorted({one for window, _ in HASH_VIEWS for one in (window, _swapped(window))})
    )
    seen = {window: _lowest(found) for window, found in spectra.items()}
    for view, (window, _) in enumerate(HASH_VIEWS):
        # In a mirror the left side is the right one, and the odd horizontal frequencies change their sign.
        yield seen[window], (view, 0, 0)
        yield seen[_swapped(window)] * _MIRROR, (view, 1, 0)
    for turns in range(1, _TURNS):
        turned = _lowest(_turned_spectra(spectra[_WHOLE], turns))
        yield turned, (0, 0, turns)
        # A mirrored picture turned one way is the picture turned the other way, mirrored.
        yield turned * _MIRROR, (0, 1, -turns % _TURNS)


def _swapped(window: Window) -> Window:
    """Left for right."""
    left, top, right, bottom = window
    return right, top, left, bottom


def _centre(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """float32 (64,): the mean of the coefficients,
    drawn to 0 where there are few pictures to take it from.
    """
    total = np.zeros(64, dtype=np.float64)
    for start in range(0, len(thumbs), _CHUNK):
        total += _coefficients(thumbs[start : start + _CHUNK], _WHOLE).sum(axis=0, dtype=np.float64)
    return (total / (len(thumbs) + _SETTLED)).astype(np.float32)


def _coefficients(thumbs: NDArray[np.uint8], window: Window) -> NDArray[np.float32]:
    """float32 (N, 64): the lowest frequencies of what `window` leaves, scaled to length 1 a picture."""
    return _lowest(_spectra(thumbs, [window])[window])


def _lowest(spectra: NDArray[np.float32]) -> NDArray[np.float32]:
    found = spectra[:, _ROWS, _COLUMNS]
    return found / (np.linalg.norm(found, axis=1, keepdims=True) + 1e-6)


def _spectra(thumbs: NDArray[np.uint8], windows: Sequence[Window]) -> dict[Window, NDArray[np.float32]]:
    """float32 (N, 9, 9) a window: the cosine transform of what it leaves of uint8 (N, 64, 64), its mean
    taken away.

    Few pictures at once, whose pixels stay in the processor's cache; of their lines of pixels all windows are
    made in one product.
    """
    strips = sorted({(top, bottom) for _, top, _, bottom in windows})
    weights = np.concatenate([_cosines(*strip) for strip in strips])
    found = {window: np.empty((len(thumbs), _ORDERS, _ORDERS), dtype=np.float32) for window in windows}
    for start in range(0, len(thumbs), _AT_ONCE):
        pixels = thumbs[start : start + _AT_ONCE].astype(np.float32)
        # Around the mean of each, so that little is lost to rounding.
        pixels -= pixels.mean(axis=(1, 2), keepdims=True)
        lines = weights @ pixels
        for (left, top, right, bottom), kept in found.items():
            at = _ORDERS * strips.index((top, bottom))
            rows, columns = _cosines(top, bottom), _cosines(left, right)
            sums = lines[:, at : at + _ORDERS] @ columns.T
            flat = np.outer(rows.sum(axis=1), columns.sum(axis=1))
            kept[start : start + _AT_ONCE] = sums - (sums[:, :1, :1] / flat[0, 0]) * flat
    return found


def _turned_spectra(spectra: NDArray[np.float32], turns: int) -> NDArray[np.float32]:
    """Those of the same pictures turned by `turns` times 90° anticlockwise, of a window that stays in its
    place.
    """
    for _ in range(turns):
        spectra = spectra.transpose(0, 2, 1) * _ODD_ROWS
    return spectra


@lru_cache(maxsize=64)
def _cosines(before: float, after: float) -> NDArray[np.float32]:
    """float32 (9, 64): cosines over what is left of a side without `before` and `after`;
    pixels on the edge count in part.
    """
    left = 1 - before - after
    place = ((np.arange(THUMBNAIL_SIDE) + 0.5) / THUMBNAIL_SIDE - before) / left
    half = 0.5 / THUMBNAIL_SIDE / left
    share = np.clip((np.minimum(place + half, 1) - np.maximum(place - half, 0)) / (2 * half), 0, 1)
    return np.stack(
        [np.cos(np.pi * order * np.clip(place, 0, 1)) * share for order in range(_ORDERS)]
    ).astype(np.float32)


def _words(coefficients: NDArray[np.float32]) -> NDArray[np.uint64]:
    return np.packbits(np.ascontiguousarray(coefficients > 0), axis=1).view(">u8").astype(np.uint64)[:, 0]


def _turned(words: NDArray[np.uint64], band: int) -> NDArray[np.uint64]:
    """The same bits with those of `band` at the top."""
    shift = np.uint64(_BAND * band)
    return (words << shift) | (words >> (np.uint64(64) - shift)) if band else words


@dataclass(frozen=True, eq=False)
class _Table:
    """Hashes with one band at the top, sorted: a bucket is the run that shares the band."""

    words: NDArray[np.uint64]
    places: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, words: NDArray[np.uint64]) -> _Table:
        places = np.argsort(words, kind="stable")
        ordered = words[places]
        counts = np.bincount((ordered >> np.uint64(48)).astype(np.int64), minlength=1 << _BAND)
        return cls(ordered, places, np.concatenate([[0], np.cumsum(counts)]))

    def span(self, words: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(start, length) of what each of `words` is compared with."""
        keys = (words >> np.uint64(48)).astype(np.int64)
        low, high = self.starts[keys], self.starts[keys + 1]
        crowded = np.flatnonzero(high - low > _CROWD)
        near = np.searchsorted(self.words, words[crowded]) - _CROWD // 2
        low[crowded] = np.clip(near, low[crowded], high[crowded] - _CROWD)
        return low, np.minimum(high - low, _CROWD)


def _tables(thumbs: NDArray[np.uint8], window: Window, centre: NDArray[np.float32]) -> list[_Table]:
    words = [
        _words(_coefficients(thumbs[start : start + _CHUNK], window) - centre)
        for start in range(0, len(thumbs), _CHUNK)
    ]
    return [_Table.of(_turned(np.concatenate(words), band)) for band in range(_BANDS)]


def _looked_up(
    seen: NDArray[np.float32], rows: NDArray[np.int64], tables: list[_Table], how: tuple[int, int, int]
) -> NDArray[np.int64]:
    """int64 (6, M): (first, second, distance, view, mirrored, turns)
    of everything that one view of each of `rows` comes close to.
    """
    words = _words(seen)
    weak = _WEAK if how[0] == 0 else _WEAK_CROPPED
    found: list[NDArray[np.int64]] = []
    for band, table in enumerate(tables):
        turned = _turned(words, band)
        probes = turned[:, None] ^ _flips(np.abs(seen[:, _BAND * band : _BAND * (band + 1)]), weak)
        low, length = table.span(probes.ravel())
        asked = np.repeat(np.arange(len(length)), length)
        places = np.repeat(low - np.cumsum(length) + length, length)
        places += np.arange(len(places))
        distance = np.bitwise_count(table.words[places] ^ np.repeat(turned, probes.shape[1])[asked])
        close = np.flatnonzero(distance <= DISTANCE)
        first, second = rows[asked[close] // probes.shape[1]], table.places[places[close]]
        other = first != second
        same = np.full((3, len(first)), np.array(how)[:, None])
        found.append(np.stack([first, second, distance[close].astype(np.int64), *same])[:, other])
    return np.concatenate(found, axis=1)


def _flips(certainty: NDArray[np.float32], weak: int) -> NDArray[np.uint64]:
    """uint64 (N, 2 ** weak): every choice among the `weak` least certain bits of a band,
    at the top of the word.
    """
    places = np.argpartition(certainty, weak, axis=1)[:, :weak]
    single = np.uint64(1) << (63 - places).astype(np.uint64)
    flips = np.zeros((len(certainty), 1), dtype=np.uint64)
    for bit in range(weak):
        flips = np.concatenate([flips, flips ^ single[:, bit : bit + 1]], axis=1)
    return flips


def _closest(found: NDArray[np.int64], owners: NDArray[np.int64]) -> NDArray[np.int64]:
    """One column a pair of pictures: the closest of its views, whole and not mirrored among equals.

    Parts count as `_PART_FURTHER` bits further: of the many views of parts one is often a little closer by
    chance, and lays the pictures a little beside each other.
    """
    first, second = owners[found[0]], owners[found[1]]
    low, high = np.minimum(first, second), np.maximum(first, second)
    further = found[2] + _PART_FURTHER * (found[3] > 0)
    order = np.lexsort((found[0], found[5], found[4], found[3], further, high, low))
    low, high = low[order], high[order]
    new = low != high
    new[1:] &= (np.diff(low) != 0) | (np.diff(high) != 0)
    return found[:, order[new]]


def _nearest(found: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of the pairs that one picture proposes, the closest: so that their number grows with the pictures."""
    order = np.lexsort((found[2], found[0]))
    first = found[0][order]
    rank = np.arange(len(first)) - np.searchsorted(first, first)
    return found[:, np.sort(order[rank < _PROPOSED])]
