"""Pictures that are hard to see anything on: dark, glaring, blurred, all but plain, or of an odd size. Plain
statistics of each picture; benchmarks/flaws.py plants each and counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter1d

from lightfast.base.progress import Reporter, silent
from lightfast.data.decode.unreadable import printable

DARKEST_LIGHT = 0.30
"""The brightest hundredth of a dark picture is darker than this, of 0 (black) to 1 (white)."""
LIGHTEST_DARK = 0.75
"""The darkest hundredth of a glaring picture is brighter than this."""
MOST_BLUR = 0.6
"""The blur effect of a blurred picture is above this, 0 (sharp) to 1, and stands out among the others."""
LEAST_SPREAD = 0.02
"""The spread (standard deviation of the brightness, 0..0.5) of an all but plain picture is below this."""
LEAST_DEVIATIONS = 3.5
"""Robust deviations from the median of the set from which a picture stands out (Iglewicz, Hoaglin 1993)."""
ODD_SHARE = 4.0
"""An odd size has this many times fewer pixels, or is this many times longer in shape, than the median."""
_CHUNK = 32
_REBLUR = 9
_PIXELS = 4096
"""Pixels of a picture from which its lightest and darkest hundredths are taken, evenly spread."""


@dataclass(frozen=True, eq=False)
class PictureStatistics:
    """What plain counting says of N pictures.

    Attributes:
        lightest, darkest: float32 (N,), 0..1: the 99th and the 1st hundredth of the brightness.
        spread: float32 (N,), 0..0.5: its standard deviation.
        blur: float32 (N,), 0..1: the blur effect (Crete et al. 2007): how little of the differences between
            neighbouring pixels a further blur takes away.
        sizes: int64 (N, 2), height and width of the files in pixels, 0 where they are not known; None where
            the pictures are no files.
    """

    lightest: NDArray[np.float32]
    darkest: NDArray[np.float32]
    spread: NDArray[np.float32]
    blur: NDArray[np.float32]
    sizes: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.spread)


@dataclass(frozen=True)
class Flaw:
    """One thing wrong with one picture.

    Attributes:
        row: of the picture.
        kind: "dark", "glaring", "blurred", "plain", "odd size", or "damage" (by the detector of a run).
        strength: how far beyond its threshold, from 0; to sort by within a kind.
        reason: in words, with the figure.
    """

    row: int
    kind: str
    strength: float
    reason: str


def picture_statistics(
    images: NDArray[np.uint8], sizes: NDArray[np.int64] | None = None, report: Reporter = silent
) -> PictureStatistics:
    """The statistics of uint8 pictures (N, H, W, C), read in chunks; `sizes` are those of their files."""
    found = [np.zeros((4, 0), dtype=np.float32)]
    for start in range(0, len(images), _CHUNK):
        found.append(_statistics(images[start : start + _CHUNK]))
        report("flaws", min(start + _CHUNK, len(images)), len(images))
    lightest, darkest, spread, blur = np.concatenate(found, axis=1)
    return PictureStatistics(lightest, darkest, spread, blur, sizes)


def _statistics(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """float32 (4, n): lightest, darkest, spread, blur."""
    grey = images.mean(axis=-1, dtype=np.float32) / np.float32(255)
    flat = grey.reshape(len(grey), -1)
    some = flat[:, :: max(1, flat.shape[1] // _PIXELS)]
    low = some.shape[1] // 100
    sorted_ends = np.partition(some, (low, some.shape[1] - 1 - low), axis=1)
    darkest, lightest = sorted_ends[:, low], sorted_ends[:, some.shape[1] - 1 - low]
    return np.stack([lightest, darkest, flat.std(axis=1), blur_effect(grey)]).astype(np.float32)


def blur_effect(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 (N,), 0 (sharp) to 1, of grey pictures (N, H, W): the larger of both directions.

    A blur takes much from a sharp picture and little from a blurred one (Crete, Dolmiere, Ladret and Nicolas
    2007). A plain picture has nothing to lose and counts as sharp, as does one of under 3 pixels a side.
    """
    if min(grey.shape[1:]) < 3:
        return np.zeros(len(grey), dtype=np.float32)
    found = []
    for axis in (1, 2):
        sharp = np.abs(np.diff(grey, axis=axis))
        left = np.abs(np.diff(uniform_filter1d(grey, _REBLUR, axis=axis, mode="nearest"), axis=axis))
        all_of_it = sharp.sum(axis=(1, 2), dtype=np.float64)
        lost = np.maximum(sharp - left, 0).sum(axis=(1, 2), dtype=np.float64)
        kept = np.divide(all_of_it - lost, all_of_it, out=np.zeros(len(grey)), where=all_of_it > 1e-6)
        found.append(kept)
    return np.maximum(*found).astype(np.float32)


def robust_deviations(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """float64 (N,): how many robust standard deviations each value lies above the median (below: negative);
    all 0 where at least half of the values are alike.
    """
    values = values.astype(np.float64)
    if not len(values):
        return values
    away = values - np.median(values)
    scale = 1.4826 * np.median(np.abs(away))
    return away / scale if scale > 1e-12 else np.zeros(len(values))


def find_flaws(statistics: PictureStatistics) -> tuple[Flaw, ...]:
    """Every flaw, the worst of each kind first.

    A picture is dark, glaring or plain by itself. Blurred is what is beyond `MOST_BLUR` and stands out among
    the others of its set: drawings, and sets that are soft throughout, are no faults of single pictures. Odd
    is a size that hardly any other picture has.
    """
    plain = statistics.spread < LEAST_SPREAD
    stands_out = robust_deviations(statistics.blur) > LEAST_DEVIATIONS
    blurred = (statistics.blur > MOST_BLUR) & stands_out & ~plain
    found = [
        *_where(
            statistics.lightest < DARKEST_LIGHT,
            "dark",
            DARKEST_LIGHT - statistics.lightest,
            _dark(statistics),
        ),
        *_where(
            statistics.darkest > LIGHTEST_DARK,
            "glaring",
            statistics.darkest - LIGHTEST_DARK,
            _glaring(statistics),
        ),
        *_where(blurred, "blurred", statistics.blur - MOST_BLUR, _blurred(statistics)),
        *_where(plain, "plain", LEAST_SPREAD - statistics.spread, _plain(statistics)),
    ]
    return (*found, *_odd_sizes(statistics.sizes))


def _where(
    holds: NDArray[np.bool_], kind: str, strength: NDArray[np.floating], reasons: list[str]
) -> list[Flaw]:
    rows = np.flatnonzero(holds)
    rows = rows[np.argsort(-strength[rows], kind="stable")]
    return [Flaw(int(row), kind, float(strength[row]), reasons[row]) for row in rows]


def _dark(found: PictureStatistics) -> list[str]:
    return [f"99 % of it is darker than {value:.0%} of white" for value in found.lightest.tolist()]


def _glaring(found: PictureStatistics) -> list[str]:
    return [f"99 % of it is brighter than {value:.0%} of white" for value in found.darkest.tolist()]


def _blurred(found: PictureStatistics) -> list[str]:
    usual = float(np.median(found.blur)) if len(found) else 0.0
    return [f"blur effect {value:.2f}, usual here is {usual:.2f}" for value in found.blur.tolist()]


def _plain(found: PictureStatistics) -> list[str]:
    return [f"its brightness hardly varies (spread {value:.1%} of white)" for value in found.spread.tolist()]


def _odd_sizes(sizes: NDArray[np.int64] | None) -> list[Flaw]:
    """Files with far fewer pixels, or of a far longer shape, than is usual in the set."""
    known = np.zeros(0, dtype=np.int64) if sizes is None else np.flatnonzero((sizes > 0).all(axis=1))
    if sizes is None or not len(known):
        return []
    height, width = sizes[known].T.astype(np.float64)
    pixels, shape = height * width, np.maximum(height, width) / np.minimum(height, width)
    smaller, longer = np.median(pixels) / pixels, shape / np.median(shape)
    usual = f"{np.median(height):.0f} × {np.median(width):.0f}"
    return [
        Flaw(row, "odd size", max(one, two) / ODD_SHARE - 1, f"{h:.0f} × {w:.0f} pixels, usual is {usual}")
        for one, two, row, h, w in sorted(
            zip(smaller.tolist(), longer.tolist(), known.tolist(), height, width, strict=True),
            key=lambda entry: -max(entry[:2]),
        )
        if max(one, two) > ODD_SHARE
    ]


def file_sizes(source: Path, ids: Sequence[str]) -> NDArray[np.int64] | None:
    """int64 (N, 2): height and width of the files that `ids` name below `source` (a folder, or the table
    beside which they lie), 0 where there is no such file; None where there is not one.

    Only the heads of the files are read.
    """
    folder = source if source.is_dir() else source.parent
    sizes = np.zeros((len(ids), 2), dtype=np.int64)
    if not source.exists():
        return None
    names = {printable(name): folder / name for name in ids}
    for row, name in enumerate(ids):
        path = names[printable(name)]
        if path.is_file():
            try:
                with Image.open(path) as opened:
                    sizes[row] = opened.height, opened.width
            except (OSError, ValueError):
                # Files that Pillow does not open (deep TIFFs) were read by others; their size stays unknown.
                continue
    return sizes if sizes.any() else None
