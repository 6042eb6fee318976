"""A closer look at two thumbnails: do they show the same picture, small changes aside?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.data.duplicates.hashes import THUMBNAIL_SIDE, Window

SURE = 0.92
"""Pictures whose fine structure agrees at least so far, and whose colours do, are near duplicates."""
UNCERTAIN = 0.8
"""Pictures whose fine structure agrees less than so are different;
in between an embedding decides where there is one.
"""
SAME_COLOURS = 4.5
"""Mean difference of the colours, in levels of 0..255, up to which they count as the same."""
ALIKE_COLOURS = 8.0
SAME_PLACE = 12.0
"""Levels of brightness by which no place of a copy differs from the original's."""
_WORTH_IT = 0.55
_PLAIN = 1.0
_LIGHT, _PLACE = 10.0, 5
_TONE = 4.0
_WORST, _FEWEST = 0.25, 6
_REACH = 0.1
_SIZE = THUMBNAIL_SIDE, THUMBNAIL_SIDE
GreyImage = NDArray[np.float32]


@dataclass(frozen=True)
class PairSimilarity:
    """What a closer look says.

    Attributes:
        structure: agreement of fine structure, -1..1; below `UNCERTAIN` the others are infinite.
        colours: mean difference of colours in levels of 0..255, after toning one picture as the other.
        local: largest difference of brightness at one place, levels, beyond what a shift by a pixel explains.
        everywhere: median difference of brightness over all places, levels: noise, compression.
    """

    structure: float
    colours: float
    local: float
    everywhere: float

    @property
    def sure(self) -> bool:
        """The same picture, small changes aside."""
        return self.structure >= SURE and self.colours <= SAME_COLOURS

    @property
    def same_everywhere(self) -> bool:
        """Nothing was added, taken away or moved at one place: as between copies, unless they were marked,
        and not between most pictures of one scene.
        """
        return self.local <= SAME_PLACE

    @property
    def uncertain(self) -> bool:
        """Too much alike to say no, not enough to say yes."""
        return not self.sure and self.structure >= UNCERTAIN and self.colours <= ALIKE_COLOURS


@dataclass(frozen=True)
class _Scale:
    """At which size structure is compared: between two Gaussian blurs (sigma in pixels of 64),
    in blocks of so many pixels.
    """

    narrow: float
    wide: float
    block: int
    step: int


_COARSE, _FINE = _Scale(1.0, 5.0, 13, 6), _Scale(0.9, 2.5, 9, 4)


def thumbnails(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 (N, H, W, C) to grey uint8 (N, 64, 64), averaged over areas."""
    import cv2

    found = np.empty((len(images), THUMBNAIL_SIDE, THUMBNAIL_SIDE), dtype=np.uint8)
    for row, image in enumerate(images):
        image = np.ascontiguousarray(image)
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.shape[-1] == 3 else image[..., 0]
        cv2.resize(grey, _SIZE, dst=found[row], interpolation=cv2.INTER_AREA)
    return found


def coarsely_similar(
    first: NDArray[np.uint8], second: NDArray[np.uint8], windows: tuple[Window, Window]
) -> bool:
    """Whether two grey thumbnails (64, 64) agree coarsely once what `windows` leaves
    of them lies one over the other (quick).
    """
    a, b = _seen(first, windows[0]), _seen(second, windows[1])
    return _agreement(a, b, scale=_COARSE) >= _WORTH_IT


def coarse_difference(
    first: NDArray[np.uint8], second: NDArray[np.uint8], windows: tuple[Window, Window]
) -> float:
    """Root mean square of the difference of two grey thumbnails (64, 64), each of mean 0 and spread 1,
    once what `windows` leaves of them lies one over the other (quicker still).
    """
    a, b = (_seen(one, window) for one, window in zip((first, second), windows, strict=True))
    a, b = ((one - one.mean()) / (one.std() + 1.0) for one in (a, b))
    return float(np.sqrt(np.mean((a - b) ** 2)))


def compare_registered(
    first: NDArray[np.uint8], second: NDArray[np.uint8], windows: tuple[Window, Window]
) -> PairSimilarity:
    """Compare two pictures uint8 (H, W, C) of what `windows` leaves of them, at 64 x 64 pixels.

    One is registered on the other (an affine map by enhanced correlation: Evangelidis and Psarakis 2008).
    Fine structure is correlated block by block, so that brightness, contrast and slow changes of light do not
    count; of the blocks with structure the worst quarter does not count either (a watermark covers few), and
    where hardly a block has structure they do not agree. Colours are compared after fitting gain and offset
    of every channel, without the worst fifth; where one of the two has a single tone (grey, sepia) there is
    only brightness to compare.
    """
    a, b = _seen(first, windows[0]), _seen(second, windows[1])
    if _one_tone(a) or _one_tone(b):
        a, b = _grey(a), _grey(b)
    grey_a, grey_b = _grey(a), _grey(b)
    place = np.eye(2, 3, dtype=np.float32)
    best = _Place(grey_a, b, place)
    for settings in ((40, 1e-4, 5), (20, 1e-5, 1)):
        if best.structure >= SURE and best.differences[0] <= SAME_PLACE:
            break
        place = _place(grey_a, grey_b, place, settings)
        # A mark may lead the registration astray: the best place on its way counts.
        best = max(best, _Place(grey_a, b, place), key=lambda one: one.structure)
    if best.structure < UNCERTAIN:
        return PairSimilarity(best.structure, float("inf"), float("inf"), float("inf"))
    return PairSimilarity(best.structure, _colours(a, best.moved), *best.differences)


class _Place:
    """How well `b`, moved to a place, agrees with the grey `a`."""

    def __init__(self, a: GreyImage, b: GreyImage, place: GreyImage) -> None:
        self.a = a
        self.moved, self.inside = _moved(b, place)
        self.grey = _grey(self.moved)
        self.structure = _agreement(a, self.grey, self.inside, scale=_FINE)

    @cached_property
    def differences(self) -> tuple[float, float]:
        """(largest, median) over places; see `_differences`."""
        return _differences(self.a, self.grey, self.inside)


def _one_tone(pixels: GreyImage) -> bool:
    """Whether every channel is brightness under a gain and an offset."""
    if pixels.ndim == 2:
        return True
    spread = np.linalg.eigvalsh(np.cov(pixels.reshape(-1, 3).T))
    return bool(spread[1] <= _TONE**2)


def _differences(a: GreyImage, b: GreyImage, inside: GreyImage) -> tuple[float, float]:
    """(largest, median) difference of brightness over places of 5 x 5 pixels, root mean square, after `b`
    was fitted to `a` by gain and offset and slow changes of light were taken away.

    For the largest one a pixel differs by what it is outside the range of the nine pixels around its place
    in the other picture: edges that are half a pixel off do not count.
    """
    import cv2

    def near(operation: Callable[..., Any], values: GreyImage) -> GreyImage:
        return np.asarray(operation(values, np.ones((3, 3), dtype=np.uint8)), dtype=np.float32)

    kept = near(cv2.erode, inside) > 0.99
    kept[[0, 1, -2, -1]] = False
    kept[:, [0, 1, -2, -1]] = False
    if not kept.any():
        return float("inf"), float("inf")
    counted = kept.astype(np.float32)
    residual = (a - _toned(b, a, kept)) * counted
    residual -= _blurred(residual, _LIGHT) / (_blurred(counted, _LIGHT) + 1e-3)
    b = np.asarray(a - residual, dtype=np.float32)
    outside = [
        np.maximum(one - near(cv2.dilate, other), near(cv2.erode, other) - one)
        for one, other in ((a, b), (b, a))
    ]
    worst = np.maximum(0, np.maximum(*outside))
    full = _places(counted) > 0.9
    if not full.any():
        return float("inf"), float("inf")
    largest, usual = (np.sqrt(_places(one**2 * counted))[full] for one in (worst, residual))
    return float(largest.max()), float(np.median(usual))


def _places(values: GreyImage) -> GreyImage:
    """The mean over places of 5 x 5 pixels, two apart."""
    import cv2

    means = np.asarray(cv2.blur(values, (_PLACE, _PLACE)), dtype=np.float32)
    return np.maximum(means[4:-4:2, 4:-4:2].ravel(), 0)


def _quantile(values: GreyImage, share: float) -> float:
    # A tenth of the time of numpy's, which interpolates.
    at = int(share * (len(values) - 1))
    return float(np.partition(values, at)[at])


def _toned(b: GreyImage, a: GreyImage, kept: NDArray[np.bool_]) -> GreyImage:
    """`b` by gain and offset as `a`, the worst seventh of the pixels left out."""
    p, q = a[kept], b[kept]
    used = np.ones(len(p), dtype=bool)
    gain, offset = 1.0, 0.0
    for _ in range(3):
        mean_p, mean_q = p[used].mean(), q[used].mean()
        gain = float(((p - mean_p) * (q - mean_q))[used].sum() / (((q - mean_q)[used] ** 2).sum() + 1e-3))
        offset = float(mean_p - gain * mean_q)
        off = np.abs(p - gain * q - offset)
        used = off <= _quantile(off, 0.85)
    return gain * b + offset


def part_left(picture: NDArray[np.uint8], window: Window) -> NDArray[np.uint8]:
    """The part of a picture (H, W, ...) that `window` leaves, to whole pixels."""
    height, width = picture.shape[:2]
    left, top, right, bottom = (
        round(share * side) for share, side in zip(window, (width, height) * 2, strict=True)
    )
    return picture[top : height - bottom, left : width - right]


def _seen(picture: NDArray[np.uint8], window: Window) -> GreyImage:
    """float32 (64, 64) or (64, 64, 3): what `window` leaves."""
    import cv2

    return cv2.resize(
        np.ascontiguousarray(part_left(picture, window)), _SIZE, interpolation=cv2.INTER_AREA
    ).astype(np.float32)


def _blurred(pixels: GreyImage, sigma: float) -> GreyImage:
    import cv2

    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), dtype=np.float32)


def _grey(pixels: GreyImage) -> GreyImage:
    return pixels @ np.array([0.299, 0.587, 0.114], dtype=np.float32) if pixels.ndim == 3 else pixels


def _agreement(a: GreyImage, b: GreyImage, inside: GreyImage | None = None, *, scale: _Scale) -> float:
    """The mean correlation of blocks with structure, without the worst quarter;
    `inside` is 1 where both pictures are.
    """
    import cv2

    a, b = (_blurred(one, scale.narrow) - _blurred(one, scale.wide) for one in (a, b))

    def blocks(values: GreyImage) -> GreyImage:
        half = scale.block // 2
        means = np.asarray(cv2.blur(values, (scale.block, scale.block)), dtype=np.float32)
        inner = slice(half, THUMBNAIL_SIDE - half, scale.step)
        return means[inner, inner].ravel()

    mean_a, mean_b = blocks(a), blocks(b)
    spread_a = np.sqrt(np.maximum(blocks(a * a) - mean_a**2, 0))
    spread_b = np.sqrt(np.maximum(blocks(b * b) - mean_b**2, 0))
    correlation = (blocks(a * b) - mean_a * mean_b) / (spread_a * spread_b + 0.25)
    counted = np.maximum(spread_a, spread_b) > _PLAIN
    if inside is not None:
        counted &= blocks(inside) > 0.99
    values = np.sort(correlation[counted])
    return float(values[int(_WORST * len(values)) :].mean()) if len(values) >= _FEWEST else 0.0


def _place(a: GreyImage, b: GreyImage, start: GreyImage, settings: tuple[int, float, int]) -> GreyImage:
    """float32 (2, 3): where `b` lies on `a`; `start` where no small movement is better.

    `settings`: rounds, precision, blur.
    """
    import cv2

    rounds, precision, blur = settings
    end = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, rounds, precision)
    try:
        _, found = cv2.findTransformECC(
            a, b, start.copy(), cv2.MOTION_AFFINE, end, np.full(a.shape, 255, dtype=np.uint8), blur
        )
    except cv2.error:
        # It finds no way to more correlation.
        return start
    place = np.asarray(found, dtype=np.float32)
    middle = place @ np.array([THUMBNAIL_SIDE / 2, THUMBNAIL_SIDE / 2, 1.0]) - THUMBNAIL_SIDE / 2
    near = (
        np.abs(place[:, :2] - np.eye(2)).max() <= _REACH and np.abs(middle).max() <= _REACH * THUMBNAIL_SIDE
    )
    return place if near else start


def _moved(b: GreyImage, place: GreyImage) -> tuple[GreyImage, GreyImage]:
    """(`b` moved, 1 where it has pixels)."""
    import cv2

    cubic, linear = (cv2.WARP_INVERSE_MAP | kind for kind in (cv2.INTER_CUBIC, cv2.INTER_LINEAR))
    moved = cv2.warpAffine(b, place, _SIZE, flags=cubic, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.ones(b.shape[:2], dtype=np.float32), place, _SIZE, flags=linear)
    return np.asarray(moved, dtype=np.float32), np.asarray(inside, dtype=np.float32)


def _colours(a: GreyImage, b: GreyImage) -> float:
    """Mean difference in levels, each channel of `b` fitted to that of `a` by gain (0.6 to 1.7) and offset,
    the worst fifth left out.
    """
    import cv2

    p, q = (cv2.blur(one, (5, 5))[4:-4:4, 4:-4:4].reshape(196, -1) for one in (a, b))
    kept = np.ones(len(p), dtype=bool)
    differences = np.zeros(len(p))
    for _ in range(3):
        mean_p, mean_q = p[kept].mean(axis=0), q[kept].mean(axis=0)
        gain = ((p - mean_p) * (q - mean_q))[kept].sum(axis=0) / (
            ((q - mean_q)[kept] ** 2).sum(axis=0) + 1e-3
        )
        differences = np.abs(p - mean_p - np.clip(gain, 0.6, 1.7) * (q - mean_q)).mean(axis=1)
        kept = differences <= _quantile(differences, 0.8)
    return float(differences[kept].mean())
