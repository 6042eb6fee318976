"""What is compared in a search for near duplicates: every picture whole, and without a plain border."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.base.progress import Reporter
from lightfast.data.duplicates.borders import inside_border
from lightfast.data.duplicates.hashes import THUMBNAIL_SIDE, Window
from lightfast.data.duplicates.registration import part_left, thumbnails
from lightfast.data.images import ImageSet
from lightfast.data.mapped import write_temporary

_CHUNK = 1024
_IN_MEMORY = 20_000


@dataclass(frozen=True, eq=False)
class Looks:
    """P pictures whole, then those of them that have a plain border once more, without it.

    Attributes:
        sets, rows: where the pictures are: int64 (P,) rows counted through all of `sets`.
        owners: int64 (L,): which of the P pictures is seen.
        borders: of the looks behind the first P, what is taken away.
        thumbs: uint8 (L, 64, 64), grey; of many pictures in a file without a name.
    """

    sets: Sequence[ImageSet]
    rows: NDArray[np.int64]
    owners: NDArray[np.int64]
    borders: Sequence[Window]
    thumbs: NDArray[np.uint8]

    def __getitem__(self, look: int) -> NDArray[np.uint8]:
        """uint8 (H, W, C)."""
        row = int(self.rows[self.owners[look]])
        part = 0
        while row >= len(self.sets[part]):
            row -= len(self.sets[part])
            part += 1
        picture = np.asarray(self.sets[part].images[row])
        return picture if look < len(self.rows) else part_left(picture, self.borders[look - len(self.rows)])


def make_looks(sets: Sequence[ImageSet], rows: NDArray[np.int64], report: Reporter) -> Looks:
    """The looks of the pictures `rows` (rising, counted through all of `sets`), which are read in chunks."""
    thumbs = _kept(_shrunk(sets, rows, report), len(rows))
    found = [
        (place, border) for place, one in enumerate(thumbs) if (border := inside_border(one)) is not None
    ]
    owners = np.array([*range(len(rows)), *(place for place, _ in found)], dtype=np.int64)
    if found:
        thumbs = _kept(_with_inner(thumbs, found), len(owners))
    return Looks(sets, rows, owners, [border for _, border in found], thumbs)


def _with_inner(
    thumbs: NDArray[np.uint8], found: Sequence[tuple[int, Window]]
) -> Iterator[NDArray[np.uint8]]:
    for start in range(0, len(thumbs), _CHUNK):
        yield thumbs[start : start + _CHUNK]
    for place, border in found:
        yield thumbnails(part_left(thumbs[place], border)[None, ..., None])


def _kept(chunks: Iterator[NDArray[np.uint8]], count: int) -> NDArray[np.uint8]:
    if count <= _IN_MEMORY:
        return np.concatenate(list(chunks))
    return write_temporary(chunks, (count, THUMBNAIL_SIDE, THUMBNAIL_SIDE))


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
