"""Digital: contrast, elastic transform, pixelate, JPEG compression, saturate."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lightfast.corrupt.filtering import box_matrix, channel_max, gaussian, in_channels, reflected
from lightfast.corrupt.registry import IMAGENET_C, ImageBatch, LevelBatch, corruption


class Contrast(NamedTuple):
    """Distance to the mean, scaled."""

    kept: float
    """Share of the contrast that is left."""


class Elastic(NamedTuple):
    """A random affine map of the whole, then a smooth random displacement;
    lengths are shares of the shorter side.
    """

    displacement: float
    """Scale of the random displacements before smoothing."""
    smoothing: float
    """Their Gaussian smoothing."""
    affine: float
    """Greatest move of the affine map's three anchor points."""


class Pixelation(NamedTuple):
    """A coarser grid."""

    share: float
    """Pixels kept along each side."""


class Quality(NamedTuple):
    """JPEG compression."""

    quality: int
    """1..100, as libjpeg counts."""


class Saturation(NamedTuple):
    """Saturation (of grey pictures: value) times a gain, plus an offset."""

    gain: float
    offset: float


@corruption(
    "digital", Contrast, (0.4, 0.3, 0.2, 0.1, 0.05), small=(0.75, 0.5, 0.4, 0.3, 0.15), source=IMAGENET_C
)
def contrast(images: ImageBatch, p: Contrast, rng: np.random.Generator) -> ImageBatch:
    """Less contrast: every value moves towards the mean of its channel."""
    count, height, width, channels = images.shape
    # Means down and lines as wide as all channels: numpy is slow where the innermost axis is short.
    lines = images.reshape(count, -1, 1) if channels == 1 else images.reshape(count, height, -1)
    down = lines.mean(axis=1).reshape(count, -1, channels)
    shift = (down.mean(axis=1, dtype=np.float64) * (1 - p.kept)).astype(np.float32)
    kept = images.reshape(count, height, -1) * np.float32(p.kept)
    kept += np.tile(shift, width)[:, None]
    return kept.reshape(images.shape)


# The published tables are not ordered by damage. Standard: the published severities 3, 4, 5, one between, and
# the published 2 (its 1, (2, 0.7, 0.1), damages small pictures less than its 5 and large ones more). Small:
# the published table from 5 down to 1.
@corruption(
    "digital",
    Elastic,
    ((0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02), (0.5, 0.04, 0.1), (2, 0.08, 0.2)),
    small=((0.1, 0.03, 0.03), (0.1, 0.04, 0.05), (0.08, 0.06, 0.06), (0.05, 0.2, 0.07), (0, 0, 0.08)),
    source=IMAGENET_C,
)
def elastic_transform(images: ImageBatch, p: Elastic, rng: np.random.Generator) -> ImageBatch:
    """Stretched and pulled locally, mirrored at the edges (Simard et al. 2003)."""
    count, height, width, _ = images.shape
    side = min(height, width)
    moves = rng.uniform(-p.affine * side, p.affine * side, (count, 3, 2))
    field = rng.uniform(-1, 1, (count, height, width, 2)).astype(np.float32)
    field = gaussian(field, p.smoothing * side, border="reflect", truncate=3.0) * np.float32(
        p.displacement * side
    )
    field += np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    matrices = _anchored(height, width, moves).astype(np.float32)
    places = np.matmul(field.reshape(count, -1, 2), matrices[:, :2], dtype=np.float32)
    places += matrices[:, 2:]
    return _sample(images, places[..., 0], places[..., 1])


def _anchored(height: int, width: int, moves: NDArray[np.float64]) -> NDArray[np.floating]:
    """(N, 3, 2) matrices M with [x, y, 1] @ M = the place from which the moved picture reads at (x, y).

    The affine maps carry three anchors, a third of the shorter side from the centre, to where `moves` (N, 3,
    2) puts them.
    """
    anchors = np.array([width // 2, height // 2]) + min(height, width) // 3 * np.array(
        [[1, 1], [1, -1], [-1, -1]]
    )
    moved = np.concatenate([anchors + moves, np.ones((len(moves), 3, 1))], axis=2)
    return np.linalg.solve(moved, np.broadcast_to(anchors.astype(float), moves.shape))


def _sample(images: ImageBatch, x: NDArray[np.float32], y: NDArray[np.float32]) -> ImageBatch:
    """Read float32 (N, H, W, C) bilinearly at the places x, y (N, H*W), mirrored outside."""
    count, height, width, channels = images.shape
    flat = images.reshape(-1, channels)
    base = np.arange(count)[:, None] * (height * width)
    left, top = np.floor(x), np.floor(y)
    across, down = x - left, y - top
    columns = [reflected(left.astype(np.int32) + step, width) for step in (0, 1)]
    rows = [base + reflected(top.astype(np.int32) + step, height) * width for step in (0, 1)]
    total = np.zeros((count, height, width, channels), np.float32)
    for row, weight_down in zip(rows, (1 - down, down), strict=True):
        for column, weight_across in zip(columns, (1 - across, across), strict=True):
            term = np.take(flat, row + column, axis=0).reshape(images.shape)
            term *= in_channels((weight_down * weight_across).reshape(count, height, width, 1), channels)
            total += term
    return total


# Published: 0.6, 0.5, 0.4, 0.3, 0.25. At 28 pixels 0.6 (16 pixels) damages more than 0.5 (14, which fit
# evenly) and 0.25 less than 0.3.
@corruption(
    "digital",
    Pixelation,
    (0.75, 0.5, 0.4, 0.3, 0.22),
    small=(0.95, 0.9, 0.85, 0.75, 0.65),
    source=IMAGENET_C,
    on_levels=True,
)
def pixelate(images: LevelBatch, p: Pixelation, rng: np.random.Generator) -> LevelBatch:
    """Shrunk and enlarged again without smoothing."""
    count, height, width, channels = images.shape
    down, up = _boxes(height, p.share)
    across, along = _boxes(width, p.share)
    # One table of sums over all pictures, one above the other: a box is the difference of its corners.
    sums = np.asarray(cv2.integral(images.reshape(count * height, width, channels)), np.int32)
    sums = sums.reshape(count * height + 1, width + 1, channels)
    corners = np.append(_all_rows(down[:-1], count, height), count * height)
    edges = np.take(sums[corners], across, axis=1)
    boxes = np.diff(np.diff(edges, axis=0), axis=1).reshape(count, len(down) - 1, len(across) - 1, channels)
    pixels = np.multiply.outer(np.diff(down), np.diff(across)).astype(np.float32)
    few = boxes.reshape(*boxes.shape[:2], -1).astype(np.float32)
    few /= pixels.repeat(channels, axis=1)
    few += np.float32(0.5)
    wide = np.take(few.astype(np.uint8).reshape(boxes.shape), along, axis=2).reshape(-1, width * channels)
    return np.take(wide, _all_rows(up, count, len(down) - 1), axis=0).reshape(images.shape)


def _all_rows(rows: NDArray[np.int64], count: int, height: int) -> NDArray[np.int64]:
    """The same `rows` of `count` pictures of `height`, one above the other."""
    return (np.arange(count)[:, None] * height + rows).ravel()


@lru_cache(maxsize=64)
def _boxes(size: int, share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(edges of the boxes of a line of `size`, the box from which each pixel is read again)."""
    few = max(1, int(size * share))
    first = box_matrix(size, few).astype(bool).argmax(axis=1)
    return np.append(first, size), box_matrix(few, size).argmax(axis=1)


@corruption(
    "digital", Quality, (25, 18, 15, 10, 7), small=(80, 65, 58, 50, 40), source=IMAGENET_C, on_levels=True
)
def jpeg_compression(images: LevelBatch, p: Quality, rng: np.random.Generator) -> LevelBatch:
    """Stored as a JPEG of low quality and read back."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, p.quality]
    grey, result = images.shape[-1] == 1, np.empty_like(images)
    for image, place in zip(images, result, strict=True):
        if grey:
            stored = cv2.imdecode(cv2.imencode(".jpg", image, settings)[1], cv2.IMREAD_GRAYSCALE)
            place[..., 0] = stored
        else:
            # cv2 takes and gives BGR; JPEG's luminance depends on the order.
            turned = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
            stored = cv2.imdecode(cv2.imencode(".jpg", turned, settings)[1], cv2.IMREAD_COLOR)
            cv2.cvtColor(np.asarray(stored), cv2.COLOR_BGR2RGB, place)
    return result


# Published, standard: (0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2); small: (0.3, 0), (0.1, 0), (1.5, 0),
# (2, 0.1), (2.5, 0.2). Whether washing out damages more than oversaturating depends on the picture, so no
# order of both holds for all: only the latter is kept.
@corruption(
    "digital",
    Saturation,
    ((2, 0), (3, 0.05), (5, 0.1), (10, 0.15), (20, 0.2)),
    small=((1.5, 0), (1.75, 0.05), (2, 0.1), (2.25, 0.15), (2.5, 0.2)),
    source=IMAGENET_C,
)
def saturate(images: ImageBatch, p: Saturation, rng: np.random.Generator) -> ImageBatch:
    """Colours oversaturated in HSV; grey pictures, which have none, brightened by the same factors."""
    if images.shape[-1] == 1:
        return images * np.float32(p.gain) + np.float32(p.offset)
    value = channel_max(images)
    values = in_channels(value, 3)
    shares = values - images
    most = channel_max(shares)
    saturation = np.divide(most, value, out=np.zeros_like(value), where=value > 0)
    grey = most[..., 0] <= 0
    shares /= in_channels(np.where(most > 0, most, np.float32(1)), 3)
    # A grey pixel has hue 0: with an offset it turns red, as in the published generator.
    shares[grey] = np.array([0, 1, 1], np.float32)
    shares *= in_channels(np.clip(saturation * np.float32(p.gain) + np.float32(p.offset), 0, 1), 3)
    np.subtract(1, shares, out=shares)
    shares *= values
    return shares
