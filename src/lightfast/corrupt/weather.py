"""Weather: fog, snow, frost, brightness."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lightfast.corrupt.blur import trail
from lightfast.corrupt.filtering import channel_max, in_channels, separable, zoom_matrix
from lightfast.corrupt.frostwork import frostwork, tinted
from lightfast.corrupt.plasma import plasma
from lightfast.corrupt.registry import IMAGENET_C, ImageBatch, corruption


class Fog(NamedTuple):
    """A bank of fog."""

    density: float
    """Greatest brightness added before the picture is scaled back to its range."""
    decay: float
    """How fast finer structure fades: smaller is rougher."""
    map_side: int
    """The fog map has at least this side; the picture sees its corner, so a larger map looks smoother."""


class Light(NamedTuple):
    """More light."""

    added: float
    """Added to the value of HSV."""


# Published, standard: (1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4). On photographs the last three
# damage alike: 2 to 4 are lighter.
@corruption(
    "weather",
    Fog,
    ((1.5, 2, 256), (1.75, 2, 256), (2.05, 1.8, 256), (2.4, 1.6, 256), (3.0, 1.4, 256)),
    small=((0.2, 3, 32), (0.5, 3, 32), (0.75, 2.5, 32), (1.0, 2, 32), (1.5, 1.75, 32)),
)
def fog(images: ImageBatch, p: Fog, rng: np.random.Generator) -> ImageBatch:
    """A bank of fog: a plasma fractal added, the sum scaled back to the picture's own maximum."""
    count, height, width, channels = images.shape
    side = max(height, width)
    mapsize = max(p.map_side, 1 << (side - 1).bit_length())
    bank = plasma(count, side, mapsize, p.decay, rng)[:, :height, :width, None]
    brightest = images.reshape(count, -1).max(axis=1, initial=0)[:, None, None, None]
    foggy = in_channels(np.float32(p.density) * bank, channels) + images
    foggy *= brightest / (brightest + np.float32(p.density))
    return foggy


@corruption("weather", Light, (0.1, 0.2, 0.3, 0.4, 0.5), small=(0.05, 0.1, 0.15, 0.2, 0.3))
def brightness(images: ImageBatch, p: Light, rng: np.random.Generator) -> ImageBatch:
    """Brighter by a constant in HSV: hue and saturation stay."""
    if images.shape[-1] == 1:
        return images + np.float32(p.added)
    value = channel_max(images)
    brighter = np.minimum(value + np.float32(p.added), 1)
    gain = np.divide(brighter, value, out=np.zeros_like(value), where=value > 0)
    bright = in_channels(gain, images.shape[-1]) * images
    black = value[..., 0] <= 0
    bright[black] = brighter[black]
    return bright


class Snow(NamedTuple):
    """Falling snow."""

    mean: float
    """Of the random layer of flakes."""
    spread: float
    """Its standard deviation."""
    zoom: float
    """Enlargement of the layer: the size of the flakes."""
    threshold: float
    """Flakes are where the layer is above."""
    radius: int
    """Trails have 2 * radius + 1 pixels."""
    sigma: float
    """Fading of the trails, in pixels."""
    kept: float
    """Share of the picture's own tones; the rest is whitened."""


class Frost(NamedTuple):
    """Ice on the lens."""

    picture: float
    """Weight of the picture."""
    ice: float
    """Weight of the ice."""


@corruption(
    "weather",
    Snow,
    (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ),
    small=(
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ),
    source=IMAGENET_C,
)
def snow(images: ImageBatch, p: Snow, rng: np.random.Generator) -> ImageBatch:
    """Streaks of falling snow over a whitened picture."""
    count, height, width, channels = images.shape
    flakes = rng.standard_normal((count, height, width, 1), dtype=np.float32) * np.float32(
        p.spread
    ) + np.float32(p.mean)
    flakes = separable(flakes, zoom_matrix(height, p.zoom), zoom_matrix(width, p.zoom))
    flakes[flakes < p.threshold] = 0
    flakes = trail(np.minimum(flakes, 1), p.radius, p.sigma, rng.uniform(-135, -45, count))
    grey = images if channels == 1 else images @ np.array([[0.299], [0.587], [0.114]], np.float32)
    snowy = np.maximum(images, in_channels(grey * np.float32(1.5) + np.float32(0.5), channels))
    snowy *= np.float32(1 - p.kept)
    snowy += np.float32(p.kept) * images
    snowy += in_channels(flakes + flakes[:, ::-1, ::-1], channels)
    return snowy


_SMALLEST_TEXTURE, _LARGEST_TEXTURE = 160, 512
_TEXTURES = 5
_TEXTURE_SEED = 2019


# Published, standard: (1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75); small: (1, 0.2), (1, 0.3),
# (0.9, 0.4), (0.85, 0.4), (0.75, 0.45). A darker picture makes room for the ice, so their damage is not
# ordered; here both weights move in step.
@corruption(
    "weather",
    Frost,
    [(1 - 0.4 * ice, ice) for ice in (0.3, 0.45, 0.6, 0.7, 0.8)],
    small=[(1 - 0.4 * ice, ice) for ice in (0.15, 0.22, 0.3, 0.38, 0.45)],
    source=IMAGENET_C,
    version=2,
)
def frost(images: ImageBatch, p: Frost, rng: np.random.Generator) -> ImageBatch:
    """Ice crystals on the lens.

    The published generator crops five photographs of frost. Here five textures are grown once (see
    `frostwork`), twice as wide as the picture (160 to 512 pixels); `rng` chooses for each picture one of
    them, a place in it, and whether it is mirrored. Pictures above 256 pixels see theirs enlarged.
    The five are the same for every seed and every caller, as the five photographs are: what was fitted on
    frost has seen the ice that frost is measured with, at other places.
    """
    count, height, width, channels = images.shape
    side = max(2 * max(height, width), _SMALLEST_TEXTURE)
    shrunk = min(_LARGEST_TEXTURE / side, 1)
    high, wide = math.ceil(height * shrunk), math.ceil(width * shrunk)
    textures = _frost_textures(min(side, _LARGEST_TEXTURE), channels)
    reach = textures.shape[1]
    which, mirrored = rng.integers(0, _TEXTURES, count), rng.integers(0, 2, (count, 2))
    tops, lefts = rng.integers(0, reach - high, count), rng.integers(0, reach - wide, count)
    frosted = images * np.float32(p.picture)
    for picture, texture, top, left, (down, across) in zip(
        frosted, which, tops, lefts, 1 - 2 * mirrored, strict=True
    ):
        crop = textures[texture, top : top + high, left : left + wide]
        if shrunk < 1:
            crop = cv2.resize(crop, (width, height), interpolation=cv2.INTER_LINEAR).reshape(picture.shape)
        picture += np.float32(p.ice) * crop[::down, ::across]
    return frosted


@lru_cache(maxsize=4)
def _frost_textures(side: int, channels: int) -> NDArray[np.float32]:
    """Five textures (5, side, side, channels), at most 16 MB, the same in every process."""
    rng = np.random.default_rng(_TEXTURE_SEED)
    return np.stack([tinted(frostwork(side, rng), channels) for _ in range(_TEXTURES)])
