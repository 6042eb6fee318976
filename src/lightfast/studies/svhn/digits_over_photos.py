"""Digits over photographs: the stand-in for house numbers (SVHN) where those cannot be had.

A handwritten digit in one colour at a random place on a 32 × 32 photograph, with pieces of two neighbouring
digits at its sides, as in the cropped house numbers of Netzer et al. 2011. The label is the digit in the
middle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.base.randomness import generator
from lightfast.data.images import ImageSet

SIZE = 32
# Handwritten digits of 28 × 28 are 20 pixels tall: these scales make them 20 to 26 pixels tall.
SCALE = (1.0, 1.3)
SHIFT = 3.0
# Pixels of the digit's own picture: from just smooth to slightly out of focus.
BLUR = (0.5, 0.9)
# Difference of luma between the digit and the mean of what lies under it, both in 0..1: often weaker than the
# photograph's own edges.
CONTRAST = (0.2, 0.5)
TINT = 0.25
# Colours tried a picture: the first of which this share of the ink stands out from what it covers (root mean
# square over the channels).
COLOURS = 8
STANDS_OUT = 0.12
READABLE = 0.85
# Free pixels between neighbours, and the least distance of their middles, so that the middle digit stays the
# middle one.
_GAP = (0.5, 3.5)
NEAREST = 15.0
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
# Ink fainter than this (0..255) does not count for the width of a digit.
FAINT = 64
BLOCK = 250

_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class _Draws:
    """What chance decides, one row a picture: which digits (left, middle, right), where, how large,
    how sharp, and how they contrast.
    """

    digits: NDArray[np.int64]
    photographs: NDArray[np.int64]
    scale: _Floats
    blur: _Floats
    centre: _Floats
    drop: _Floats
    gaps: _Floats
    contrast: _Floats
    tint: _Floats

    def rows(self, start: int, stop: int) -> _Draws:
        """The draws of some pictures."""
        return _Draws(**{name: values[start:stop] for name, values in vars(self).items()})


def digits_over_photos(
    digits: ImageSet, photographs: ImageSet, count: int, seed: int, name: str = "digits-over-photos"
) -> ImageSet:
    """`count` labelled pictures, uint8 (count, 32, 32, 3), in seconds and bounded memory; the same arguments
    give the same bytes.

    Args:
        digits: labelled grey pictures, white ink on black, 28 × 28 in MNIST; no digit stands in the middle
            twice before each did once.
        photographs: RGB pictures of 32 × 32; likewise none is used twice before each was used once.
        count: how many pictures to make.
        seed: decides everything.
        name: name of the set.

    Raises DataError when a source has another shape or no pictures.
    """
    _check_sources(digits, photographs)
    draws = _draw(len(digits), len(photographs), count, generator(seed, "digits-over-photos", name))
    images = np.empty((count, SIZE, SIZE, 3), dtype=np.uint8)
    for start in range(0, count, BLOCK):
        part = draws.rows(start, start + BLOCK)
        pixels = photographs.images[part.photographs].astype(np.float32) / np.float32(255)
        images[start : start + BLOCK] = np.rint(
            255 * _painted(pixels, digits.images[..., 0][part.digits], part)
        )
    step = {
        "verb": "digits_over_photos",
        "digits": digits.name,
        "photographs": photographs.name,
        "count": count,
        "seed": seed,
    }
    labels = digits.require_labels()[draws.digits[:, 1]]
    return ImageSet(images=images, labels=labels, class_names=digits.class_names, name=name, history=(step,))


def textures(count: int, seed: int, name: str = "textures") -> ImageSet:
    """`count` soft coloured textures, unlabelled uint8 (count, 32, 32, 3): the background where no
    photographs are at hand.

    Colours drawn on grids of 3, 6 and 12 points, each finer one weaker, joined linearly: large areas, some
    edges, as in photographs.
    """
    rng = generator(seed, "textures", name)
    pixels = np.zeros((count, SIZE, SIZE, 3), dtype=np.float32)
    for points, weight in ((3, 0.5), (6, 0.3), (12, 0.2)):
        places = np.linspace(0, points - 1, SIZE)
        join = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(points))).astype(np.float32)
        colours = rng.random((count, points, points, 3), dtype=np.float32)
        pixels += weight * np.einsum("yi,nijc,xj->nyxc", join, colours, join, optimize=True)
    return ImageSet(images=np.rint(255 * pixels).astype(np.uint8), name=name)


def _check_sources(digits: ImageSet, photographs: ImageSet) -> None:
    if digits.image_shape[2] != 1 or not len(digits):
        raise DataError(
            f"{digits.name}: digits",
            expected="at least one grey picture",
            got=f"{len(digits)} of {digits.image_shape}",
        )
    if photographs.image_shape != (SIZE, SIZE, 3) or not len(photographs):
        raise DataError(
            f"{photographs.name}: photographs",
            expected=f"at least one picture of {(SIZE, SIZE, 3)}",
            got=f"{len(photographs)} of {photographs.image_shape}",
        )


def _draw(digits: int, photographs: int, count: int, rng: np.random.Generator) -> _Draws:
    def uniform(low: float, high: float, *shape: int) -> _Floats:
        return rng.uniform(low, high, (count, *shape)).astype(np.float32)

    trio = rng.integers(digits, size=(count, 3))
    trio[:, 1] = np.resize(rng.permutation(digits), count)
    return _Draws(
        digits=trio,
        photographs=np.resize(rng.permutation(photographs), count),
        scale=uniform(*SCALE),
        blur=uniform(*BLUR),
        centre=SIZE / 2 - 0.5 + uniform(-SHIFT, SHIFT, 2),
        drop=uniform(-1, 1, 2),
        gaps=uniform(*_GAP, 2),
        contrast=uniform(*CONTRAST, COLOURS)
        * rng.choice(np.array([-1, 1], dtype=np.float32), size=(count, COLOURS)),
        tint=uniform(-TINT, TINT, COLOURS, 3),
    )


def _painted(pixels: _Floats, digits: NDArray[np.uint8], draws: _Draws) -> _Floats:
    """float32 (N, 32, 32, 3) photographs with the trios of digits (N, 3, H, W) on them, in 0..1."""
    middle, ink = _ink(digits, draws)
    # A digit without ink has no colour to find; it must not divide by zero.
    total = np.maximum(middle.sum(axis=(1, 2), keepdims=True), np.float32(1e-6))
    colour = _colour(pixels, middle / total, draws)
    return np.asarray(pixels + ink[..., None] * (colour[:, None, None, :] - pixels), dtype=np.float32)


def _colour(pixels: _Floats, weight: _Floats, draws: _Draws) -> _Floats:
    """float32 (N, 3): the first of the drawn colours in which the digit can be read, else the one that shows
    most of it.

    `weight` (N, 32, 32) says where the ink is and sums to 1.
    """
    under = (weight * (pixels @ LUMA)).sum(axis=(1, 2))
    luma = under[:, None] + draws.contrast - draws.tint @ LUMA
    colours = np.clip(luma[..., None] + draws.tint, 0, 1)
    distance = ((pixels[:, None] - colours[:, :, None, None, :]) ** 2).mean(axis=-1)
    shown = (weight[:, None] * (distance >= STANDS_OUT**2)).sum(axis=(2, 3))
    readable = shown >= READABLE
    chosen = np.where(readable.any(axis=1), readable.argmax(axis=1), shown.argmax(axis=1))
    return colours[np.arange(len(colours)), chosen]


def _ink(digits: NDArray[np.uint8], draws: _Draws) -> tuple[_Floats, _Floats]:
    """(the middle digit alone, all three), float32 (N, 32, 32) in 0..1."""
    left, right = _reach(digits)
    down, across = draws.centre[:, 0], draws.centre[:, 1]
    to_left = np.maximum(NEAREST, draws.scale * (left[:, 1] + right[:, 0] + draws.gaps[:, 0]))
    to_right = np.maximum(NEAREST, draws.scale * (right[:, 1] + left[:, 2] + draws.gaps[:, 1]))
    middle = _placed(digits[:, 1], down, across, draws)
    before = _placed(digits[:, 0], down + draws.drop[:, 0], across - to_left, draws)
    after = _placed(digits[:, 2], down + draws.drop[:, 1], across + to_right, draws)
    return middle, np.maximum(middle, np.maximum(before, after))


def _reach(digits: NDArray[np.uint8]) -> tuple[_Floats, _Floats]:
    """How far the ink of each digit (..., H, W) goes to the left and to the right of
    the middle of its picture, in its pixels.
    """
    width = digits.shape[-1]
    inked = np.asarray((digits > FAINT).any(axis=-2))
    half = (width - 1) / 2
    first, last = inked.argmax(axis=-1), width - 1 - inked[..., ::-1].argmax(axis=-1)
    return (half - first).astype(np.float32), (last - half).astype(np.float32)


def _placed(digits: NDArray[np.uint8], down: _Floats, across: _Floats, draws: _Draws) -> _Floats:
    """Digits (N, H, W) enlarged, blurred and set with their middle at (down, across) of a 32 × 32 picture;
    what falls outside is cut off.

    Enlarging, moving and blurring are one linear map a side,
    so each digit is multiplied by two small matrices.
    """
    rows = _side(digits.shape[1], down, draws)
    columns = _side(digits.shape[2], across, draws)
    ink = rows @ (digits.astype(np.float32) / np.float32(255)) @ columns.transpose(0, 2, 1)
    return np.clip(ink, 0, 1).astype(np.float32, copy=False)


def _side(length: int, centre: _Floats, draws: _Draws) -> _Floats:
    """(N, 32, length): how much each pixel of the digit gives to each pixel of the picture,
    a Gaussian around its place.
    """
    place = (np.arange(SIZE, dtype=np.float32) - centre[:, None]) / draws.scale[:, None] + (length - 1) / 2
    distance = (place[:, :, None] - np.arange(length, dtype=np.float32)) / draws.blur[:, None, None]
    weights = np.exp(-0.5 * distance**2) / (draws.blur[:, None, None] * np.float32(np.sqrt(2 * np.pi)))
    return weights.astype(np.float32, copy=False)
