"""Ink: stripe, dotted line, zigzag, spatter, canny edges.

Patterns are drawn in the units of a 28-pixel picture and scale with it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightfast.corrupt.edges import canny
from lightfast.corrupt.filtering import gaussian, mixed
from lightfast.corrupt.registry import MNIST_C, ImageBatch, corruption
from lightfast.corrupt.water import splash

_SIZE = 28
_LAST_COLUMN = 27
# The ink of a line falls off as log(1 - d / 2.3) + 1 with the distance d to its middle, in reference pixels.
_REACH = 2.3


class Stripe(NamedTuple):
    """The outer parts of the picture, inverted."""

    share: float
    """Share of the width that is inverted on each side."""


class Pen(NamedTuple):
    """White lines drawn over the picture."""

    opacity: float
    """Brightness added at the middle of a line."""
    lines: int
    """How many lines."""


class Edges(NamedTuple):
    """A picture blended with its own edges."""

    blend: float
    """0 is the picture, 1 its edges alone."""


class Spatter(NamedTuple):
    """Drops on the lens."""

    level: float
    """Mean of the random liquid layer."""
    spread: float
    """Its standard deviation before smoothing."""
    drop: float
    """Smoothing of the layer in pixels: the size of the drops."""
    threshold: float
    """The layer shows where it is above."""
    grey_threshold: float
    """The same for grey pictures."""
    finish: float
    """Water: its strength. Mud: smoothing of the drops' outline in pixels."""
    mud: bool


# MNIST-C has one stripe (7 of 28 columns on each side): severity 3. The others change the inverted share.
@corruption("ink", Stripe, [columns / _SIZE for columns in (2, 4, 7, 10, 13)], source=MNIST_C)
def stripe(images: ImageBatch, p: Stripe, rng: np.random.Generator) -> ImageBatch:
    """The left and right parts of the picture inverted."""
    width = images.shape[2]
    edge = min(max(round(p.share * width), 1), width // 2)
    striped = images.copy()
    striped[:, :, :edge] = 1 - striped[:, :, :edge]
    striped[:, :, width - edge :] = 1 - striped[:, :, width - edge :]
    return striped


# MNIST-C has one dotted line and one zigzag at full strength: severity 3. Milder ones are fainter, stronger
# ones have more lines.
_PENS = ((0.5, 1), (0.75, 1), (1.0, 1), (1.0, 2), (1.0, 3))


@corruption("ink", Pen, _PENS, source=MNIST_C)
def dotted_line(images: ImageBatch, p: Pen, rng: np.random.Generator) -> ImageBatch:
    """White dotted lines from the left edge to the right edge."""
    dots = images.copy()
    for _ in range(p.lines):
        start, end = rng.integers(0, 27, size=(2, len(images), 1)).astype(np.float32)
        zero, last = np.zeros_like(start), np.full_like(start, _LAST_COLUMN)
        line = _strokes(
            images.shape, np.concatenate([zero, last], axis=1), np.concatenate([start, end], axis=1)
        )
        line[:, :, _bins(images.shape[2]) // 2 % 2 == 0] = 0
        dots += np.float32(p.opacity) * line[..., None]
        np.minimum(dots, 1, out=dots)
    return dots


@corruption("ink", Pen, _PENS, source=MNIST_C)
def zigzag(images: ImageBatch, p: Pen, rng: np.random.Generator) -> ImageBatch:
    """White zigzag lines across the picture."""
    inked = images.copy()
    for _ in range(p.lines):
        start = rng.integers(0, 27, len(images))
        columns, rows = _zigzag_corners(start, start + rng.integers(-5, 5, len(images)))
        inked += np.float32(p.opacity) * _strokes(images.shape, columns, rows)[..., None]
        np.minimum(inked, 1, out=inked)
    return inked


def _zigzag_corners(
    start: NDArray[np.int64], end: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Corners of a zigzag of width 2 and wavelength 8 from (column 2, row start) to (column 25, row end): two
    (N, 8) arrays.

    The last corner follows the published generator: it stands at the end of the base line, off the line by
    the height of the previous corner over twice the remaining length.
    """
    reach = 2.0
    angle = np.arctan((end - start) / 23)[:, None]
    length = 23 / np.cos(angle)
    index = np.arange(6)
    # 23 <= length <= 23.6, so every zigzag has exactly six whole corners (at 2, 6, ..., 22) and 20 as its
    # last whole half-wave.
    along = np.concatenate(
        [np.zeros_like(length), np.broadcast_to((2 * index + 1) * reach, (len(start), 6)), length], axis=1
    )
    tail = (-reach) / (2 * (length - 20))
    across = np.concatenate(
        [np.zeros_like(length), np.broadcast_to((-1.0) ** index * reach, (len(start), 6)), tail], axis=1
    )
    columns = np.cos(angle) * along - np.sin(angle) * across + 2
    rows = np.sin(angle) * along + np.cos(angle) * across + start[:, None]
    return columns.astype(np.float32), rows.astype(np.float32)


def _bins(size: int) -> NDArray[np.int64]:
    """The reference pixel (0..27) in which each of `size` pixels lies."""
    return np.arange(size) * _SIZE // size


def _places(size: int) -> NDArray[np.float32]:
    """The centre of each of `size` pixels in reference pixels: 0..27 for a picture of 28."""
    return ((np.arange(size) + 0.5) * (_SIZE / size) - 0.5).astype(np.float32)


def _strokes(
    shape: tuple[int, ...], columns: NDArray[np.float32], rows: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Ink (N, H, W) of polylines with K corners (N, K), columns rising from corner to corner, in reference
    pixels.

    A segment inks the columns from floor(its start) up to, but not with, ceil(its end), so two meet in at
    most one column.
    """
    count, height, width = shape[:3]
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.diff(rows, axis=1) / np.diff(columns, axis=1)
    bins = _bins(width)[None, None, :]
    covered = (np.floor(columns[:, :-1, None]) <= bins) & (bins < np.ceil(columns[:, 1:, None]))
    first = np.argmax(covered, axis=1)
    ink = np.zeros((count, height, width), np.float32)
    for turn in range(int(covered.sum(axis=1).max(initial=0))):
        segment = np.minimum(first + turn, slope.shape[1] - 1)
        shown = np.take_along_axis(covered, segment[:, None, :], axis=1)[:, 0] & (
            first + turn < slope.shape[1]
        )
        picture, column = np.nonzero(shown)
        chosen = segment[picture, column]
        middle = (
            slope[picture, chosen] * (_places(width)[column] - columns[picture, chosen])
            + rows[picture, chosen]
        )
        ink[picture, :, column] += _falloff(np.abs(_places(height) - middle[:, None]))
    return ink


def _falloff(distance: NDArray[np.float32]) -> NDArray[np.float32]:
    """log(1 - d / 2.3) + 1, and 0 where that is negative."""
    inside = np.maximum(1 - distance / np.float32(_REACH), np.float32(1 / np.e))
    return np.log(inside) + 1


# Published for colour and grey alike, but on grey pictures, where all is mud, severities 2 and 3 would cover
# more than 4 (MNIST-C's): their grey thresholds (0.68) are raised. Small: the published severities 3 and 4
# change places; so does the raised grey threshold (0.69).
@corruption(
    "ink",
    Spatter,
    (
        (0.65, 0.3, 4, 0.69, 0.69, 0.6, False),
        (0.65, 0.3, 3, 0.68, 0.692, 0.6, False),
        (0.65, 0.3, 2, 0.68, 0.706, 0.5, False),
        (0.65, 0.3, 1, 0.65, 0.65, 1.5, True),
        (0.67, 0.4, 1, 0.65, 0.65, 1.5, True),
    ),
    small=(
        (0.62, 0.1, 0.7, 0.7, 0.7, 0.5, False),
        (0.65, 0.1, 0.8, 0.7, 0.7, 0.5, False),
        (0.65, 0.1, 0.7, 0.69, 0.69, 0.6, True),
        (0.65, 0.3, 1, 0.69, 0.765, 0.5, False),
        (0.65, 0.1, 0.5, 0.68, 0.68, 0.6, True),
    ),
)
def spatter(images: ImageBatch, p: Spatter, rng: np.random.Generator) -> ImageBatch:
    """Drops of water or mud on the lens.

    On grey pictures every severity is mud (MNIST-C); on colour pictures severities marked as water are pale
    turquoise (ImageNet-C).
    """
    count, height, width, channels = images.shape
    layer = rng.standard_normal((count, height, width, 1), dtype=np.float32) * np.float32(
        p.spread
    ) + np.float32(p.level)
    layer = gaussian(layer, p.drop)
    if channels == 3 and not p.mud:
        return images + splash(layer, p.threshold, p.finish)
    drops = gaussian(
        (layer > (p.threshold if channels == 3 else p.grey_threshold)).astype(np.float32), p.finish
    )
    drops[drops < 0.8] = 0
    colour = np.array([63, 42, 20] if channels == 3 else [63], np.float32) / np.float32(255)
    return mixed(images, colour, drops)


# MNIST-C has the edges alone: severity 5. The others blend them with the picture.
@corruption("ink", Edges, (0.2, 0.4, 0.6, 0.8, 1.0), source=MNIST_C)
def canny_edges(images: ImageBatch, p: Edges, rng: np.random.Generator) -> ImageBatch:
    """The picture replaced by its Canny edges (sigma 1, thresholds 0.1 and 0.2)."""
    grey = (
        images[..., 0] if images.shape[-1] == 1 else images @ np.array([0.2125, 0.7154, 0.0721], np.float32)
    )
    edges = canny(grey).astype(np.float32)[..., None]
    return np.asarray(images + np.float32(p.blend) * (edges - images), np.float32)
