"""Geometry: shear, scale, rotate, translate.

One bilinear resampling plan a matrix, applied to all pictures that share it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightfast.corrupt.registry import MNIST_C, ImageBatch, corruption

if TYPE_CHECKING:
    from scipy.sparse import csr_array

REFERENCE_SIZE = 28
"""Side in pixels of the pictures for which the published lengths hold."""


class Angle(NamedTuple):
    """A turn or a slant; its direction is drawn for each picture."""

    radians: float


class Shrink(NamedTuple):
    """A smaller picture in the middle of the frame."""

    factor: float
    """New side / old side."""


class Shift(NamedTuple):
    """A diagonal move; its two directions are drawn for each picture."""

    pixels: float
    """Move along each axis, in pixels of a 28-pixel picture (it grows with the picture)."""


@corruption("geometry", Angle, (0.2, 0.4, 0.6, 0.8, 1.0), source=MNIST_C)
def shear(images: ImageBatch, p: Angle, rng: np.random.Generator) -> ImageBatch:
    """Slanted to the left or right about the centre, black outside.

    The generator's matrix, that of scikit-image before 0.19, also stretches the height by 1 / cos(angle).
    """
    sign = rng.integers(0, 2, len(images))
    plans = [np.array([[1, -np.sin(a)], [0, np.cos(a)]]) for a in (-p.radians, p.radians)]
    return _about_centre(images, plans, sign)


@corruption("geometry", Angle, (0.2, 0.4, 0.6, 0.8, 1.0), source=MNIST_C)
def rotate(images: ImageBatch, p: Angle, rng: np.random.Generator) -> ImageBatch:
    """Turned to the left or right about the centre, black outside."""
    sign = rng.integers(0, 2, len(images))
    plans = [np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for a in (-p.radians, p.radians)]
    return _about_centre(images, plans, sign)


@corruption("geometry", Shrink, (0.9, 0.8, 0.7, 0.6, 0.5), source=MNIST_C)
def scale(images: ImageBatch, p: Shrink, rng: np.random.Generator) -> ImageBatch:
    """Shrunk towards the centre, black outside."""
    return _about_centre(images, [np.eye(2) / p.factor], np.zeros(len(images), np.int64))


@corruption("geometry", Shift, (1.0, 2.0, 3.0, 4.0, 5.0), source=MNIST_C)
def translate(images: ImageBatch, p: Shift, rng: np.random.Generator) -> ImageBatch:
    """Moved along both axes, black where nothing was."""
    _, height, width, _ = images.shape
    direction = rng.integers(0, 4, len(images))
    step = np.array([p.pixels * width, p.pixels * height]) / REFERENCE_SIZE
    moves = [np.array([dx, dy]) * step for dy in (-1, 1) for dx in (-1, 1)]
    return warp(images, [(np.eye(2), move) for move in moves], direction)


def _about_centre(
    images: ImageBatch, matrices: list[NDArray[np.float64]], choice: NDArray[np.int64]
) -> ImageBatch:
    _, height, width, _ = images.shape
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    return warp(images, [(matrix, centre - matrix @ centre) for matrix in matrices], choice)


def warp(
    images: ImageBatch, maps: list[tuple[NDArray[np.float64], NDArray[np.float64]]], choice: NDArray[np.int64]
) -> ImageBatch:
    """Resample float32 (N, H, W, C) bilinearly: picture i reads at
    matrix @ (x, y) + offset of maps[choice[i]]; outside is 0.
    """
    count, height, width, channels = images.shape
    # Pixels first: a pixel of all pictures is one line of the product.
    pixels = images.reshape(count, height * width, channels).transpose(1, 0, 2)
    result = np.empty_like(images).reshape(count, height * width, channels)
    for index, (matrix, offset) in enumerate(maps):
        members = np.flatnonzero(choice == index)
        if len(members):
            plan = _bilinear_plan(matrix, offset, height, width)
            lines = np.ascontiguousarray(pixels[:, members]).reshape(height * width, -1)
            result[members] = (plan @ lines).reshape(height * width, -1, channels).transpose(1, 0, 2)
    return result.reshape(images.shape)


def _bilinear_plan(
    matrix: NDArray[np.float64], offset: NDArray[np.float64], height: int, width: int
) -> csr_array:
    """The weights of the pixels (columns) from which each pixel (row) of the result is read, float32, sparse:
    at most four a row; a source outside the picture is left out.
    """
    from scipy.sparse import csr_array

    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height))).reshape(2, -1)
    # Rounding keeps whole-pixel moves whole: 13.5 * (1 - 1) may leave 1e-16, which would read one pixel
    # further with weight ~0.
    x, y = np.round(matrix @ grid + offset[:, None], 9)
    x0, y0 = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
    sources, weights = [], []
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        xi, yi = x0 + dx, y0 + dy
        inside = (xi >= 0) & (xi < width) & (yi >= 0) & (yi < height)
        sources.append(yi * width + xi)
        weights.append((1 - np.abs(x - xi)) * (1 - np.abs(y - yi)) * inside)
    source, weight = np.stack(sources, axis=1), np.stack(weights, axis=1).astype(np.float32)
    used = weight != 0
    starts = np.append(0, np.cumsum(used.sum(axis=1)))
    return csr_array((weight[used], source[used], starts), shape=(height * width,) * 2)
