"""Separable filters over whole batches, written as one small matrix a side:
blurs and resampling with exact borders.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from lightfast.corrupt.registry import ImageBatch

Matrix = NDArray[np.float32]
Border = Literal["nearest", "reflect", "zero"]
LARGE_SIDE = 128
"""Above this side a picture fills the cache by itself: one call of cv2 a picture is then faster than one
matrix product for a whole batch.
"""
_CV2_BORDERS = {"nearest": cv2.BORDER_REPLICATE, "reflect": cv2.BORDER_REFLECT, "zero": cv2.BORDER_CONSTANT}


def in_channels(plane: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """A plane (N, H, W, 1) as (N, H, W, channels): arithmetic on arrays of one shape is several times faster
    than numpy's repeating of an innermost axis of 3.
    """
    if channels == 1:
        return plane
    if not plane.size:
        return plane.repeat(channels, axis=-1)
    flat = np.ascontiguousarray(plane).reshape(-1, plane.shape[2])
    return np.asarray(cv2.merge([flat] * channels), np.float32).reshape(*plane.shape[:3], channels)


def channel_max(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """The largest of the channels, (N, H, W, 1)."""
    largest = images[..., :1]
    for channel in range(1, images.shape[-1]):
        largest = np.maximum(largest, images[..., channel : channel + 1])
    return largest


def mixed(images: ImageBatch, colour: NDArray[np.float32], share: NDArray[np.float32]) -> ImageBatch:
    """`images` (N, H, W, C) moved towards `colour` (C,) by `share` (N, H, W, 1) of the way."""
    way = np.tile(colour, images.shape[2]) - images.reshape(*images.shape[:2], -1)
    way = way.reshape(images.shape)
    way *= in_channels(share, images.shape[-1])
    way += images
    return way


def separable(images: ImageBatch, rows: Matrix | None, columns: Matrix | None) -> ImageBatch:
    """Apply `rows` (H', H) down and `columns` (W', W) across to every plane of float32 (N, H, W, C);
    None leaves a side alone.
    """
    count, height, width, channels = images.shape
    planes = images.transpose(0, 3, 1, 2).reshape(count * channels, height, width)
    if columns is not None:
        planes = (planes.reshape(-1, width) @ columns.T).reshape(count * channels, height, -1)
    if rows is not None:
        planes = np.matmul(rows, planes)
    planes = planes.reshape(count, channels, *planes.shape[1:])
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1))


def gaussian(
    images: ImageBatch,
    sigma: float,
    *,
    border: Border = "nearest",
    truncate: float = 4.0,
    down_only: bool = False,
) -> ImageBatch:
    """Gaussian blur of float32 (N, H, W, C) with `sigma` in pixels, the kernel cut at `truncate` sigma;
    `down_only` leaves rows alone.
    """
    if int(truncate * sigma + 0.5) < 1:
        return images
    _, height, width, _ = images.shape
    kernel = _gaussian_kernel(sigma, truncate)
    if max(height, width) > LARGE_SIDE and 4 * len(kernel) <= min(height, width):
        across = np.ones(1) if down_only else kernel
        return _by_cv2(images, kernel, across, border)
    columns = None if down_only else gaussian_matrix(width, sigma, border, truncate)
    return separable(images, gaussian_matrix(height, sigma, border, truncate), columns)


@lru_cache(maxsize=256)
def gaussian_matrix(size: int, sigma: float, border: Border = "nearest", truncate: float = 4.0) -> Matrix:
    """The (size, size) matrix of a one-dimensional Gaussian blur, borders folded in
    (scipy.ndimage's definition).
    """
    return band_matrix(size, _gaussian_kernel(sigma, truncate), border)


def _gaussian_kernel(sigma: float, truncate: float) -> NDArray[np.float64]:
    radius = int(truncate * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    return kernel / kernel.sum()


def _by_cv2(
    images: ImageBatch, down: NDArray[np.float64], across: NDArray[np.float64], border: Border
) -> ImageBatch:
    kind, filtered = _CV2_BORDERS[border], np.empty_like(images)
    for image, place in zip(images, filtered, strict=True):
        made = cv2.sepFilter2D(image, cv2.CV_32F, across, down, borderType=kind)
        place[:] = made.reshape(image.shape)
    return filtered


def band_matrix(size: int, kernel: NDArray[np.float64], border: Border) -> Matrix:
    """The (size, size) matrix that correlates a line of `size` pixels with a centred odd kernel."""
    radius = len(kernel) // 2
    matrix = np.zeros((size, size))
    line = np.arange(size)
    for offset, weight in zip(range(-radius, radius + 1), kernel, strict=True):
        source = line + offset
        inside = (source >= 0) & (source < size)
        if border == "zero":
            matrix[line[inside], source[inside]] += weight
        else:
            matrix[
                line, np.clip(source, 0, size - 1) if border == "nearest" else reflected(source, size)
            ] += weight
    return matrix.astype(np.float32)


def reflected(index: NDArray[np.signedinteger], size: int) -> NDArray[np.signedinteger]:
    """Indices mirrored at the outer edge of the first and last pixel (c b a | a b c | c b a)."""
    # numpy divides whole arrays by one number much faster than it takes the remainder.
    turned = index - index // (2 * size) * (2 * size)
    return np.minimum(turned, 2 * size - 1 - turned)


@lru_cache(maxsize=256)
def box_matrix(size_in: int, size_out: int) -> Matrix:
    """The (size_out, size_in) matrix of box resampling, as Pillow's `Image.BOX` weighs pixels."""
    scale = size_in / size_out
    reach = max(scale, 1.0)
    centres = (np.arange(size_out) + 0.5) * scale
    distance = (np.arange(size_in)[None, :] + 0.5 - centres[:, None]) / reach
    matrix = ((distance > -0.5) & (distance <= 0.5)).astype(np.float64)
    return (matrix / matrix.sum(axis=1, keepdims=True)).astype(np.float32)


@lru_cache(maxsize=512)
def zoom_matrix(size: int, factor: float) -> Matrix:
    """The (size, size) matrix that magnifies the middle of a line by `factor` >= 1, linearly, end pixels kept
    in place.

    The crop has ceil(size / factor) pixels; it is enlarged to round(crop * factor) and trimmed back to `size`
    (as ImageNet-C does).
    """
    crop = int(np.ceil(size / factor))
    start = (size - crop) // 2
    enlarged = max(round(crop * factor), size)
    positions = np.arange(enlarged) * ((crop - 1) / max(enlarged - 1, 1))
    trim = (enlarged - size) // 2
    positions = positions[trim : trim + size]
    low = np.minimum(positions.astype(np.int64), max(crop - 2, 0))
    weight = positions - low
    matrix = np.zeros((size, size))
    line = np.arange(size)
    matrix[line, start + low] += 1 - weight
    matrix[line, np.minimum(start + low + 1, size - 1)] += weight
    return matrix.astype(np.float32)
