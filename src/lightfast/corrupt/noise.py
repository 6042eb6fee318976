"""Noise: gaussian, shot, impulse, speckle.

Parameters from the published generators; draws are made for whole batches.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightfast.corrupt.registry import IMAGENET_C, ImageBatch, LevelBatch, corruption

_SHOT_STEPS = 8192
_DRAWS = 65536
"""Values of a 16-bit draw, by which tables of quantiles are read."""


class Spread(NamedTuple):
    """Additive or multiplicative Gaussian noise."""

    sigma: float
    """Standard deviation; the picture's range is 1."""


class Photons(NamedTuple):
    """Shot noise."""

    photons: float
    """Expected counts at full brightness: fewer is noisier."""


class Impulses(NamedTuple):
    """Salt and pepper."""

    amount: float
    """Share of the values that become 0 or 1."""


@corruption(
    "noise",
    Spread,
    (0.08, 0.12, 0.18, 0.26, 0.38),
    small=(0.04, 0.06, 0.08, 0.09, 0.1),
    source=IMAGENET_C,
    on_levels=True,
    version=2,
)
def gaussian_noise(images: LevelBatch, p: Spread, rng: np.random.Generator) -> LevelBatch:
    """Gaussian noise added to every value (electronic noise, low light).

    The noise is read from a table of the normal distribution's quantiles at 65,536 evenly likely steps, four
    times faster than drawing normal numbers; what is rarer, beyond 4.3 sigma, is lost.
    """
    noise = np.take(_gaussian_levels(p.sigma), _sixteen_bits(images.shape, rng))
    noise += images
    np.clip(noise, 0, 255, out=noise)
    return noise.astype(np.uint8)


@lru_cache(maxsize=16)
def _gaussian_levels(sigma: float) -> NDArray[np.int16]:
    """int16 (65536,): noise of `sigma` in whole levels, in order of rising probability. Added to a whole
    level it gives what rounding the sum would.
    """
    return np.rint(_quantiles() * (255 * sigma)).astype(np.int16)


@lru_cache(maxsize=1)
def _quantiles() -> NDArray[np.float64]:
    """The normal distribution's quantiles in the middle of 65,536 evenly likely steps."""
    from scipy.special import ndtri

    return ndtri((np.arange(_DRAWS) + 0.5) / _DRAWS)


def _sixteen_bits(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.uint16]:
    return rng.integers(0, _DRAWS, size=shape, dtype=np.uint16)


@corruption(
    "noise",
    Spread,
    (0.15, 0.2, 0.35, 0.45, 0.6),
    small=(0.06, 0.1, 0.12, 0.16, 0.2),
    source=IMAGENET_C,
    version=2,
)
def speckle_noise(images: ImageBatch, p: Spread, rng: np.random.Generator) -> ImageBatch:
    """Gaussian noise in proportion to each value: bright parts are noisier.

    Read from the same table as `gaussian_noise`.
    """
    noise = np.take(_gaussian_gains(p.sigma), _sixteen_bits(images.shape, rng))
    noise *= images
    return noise


@lru_cache(maxsize=16)
def _gaussian_gains(sigma: float) -> NDArray[np.float32]:
    """float32 (65536,): 1 + noise of `sigma`, in order of rising probability."""
    return (1 + sigma * _quantiles()).astype(np.float32)


@corruption(
    "noise", Photons, (60.0, 25.0, 12.0, 5.0, 3.0), small=(500.0, 250.0, 100.0, 75.0, 50.0), on_levels=True
)
def shot_noise(images: LevelBatch, p: Photons, rng: np.random.Generator) -> LevelBatch:
    """Poisson counting noise of few photons.

    The count of each level is read from a table of the Poisson distribution's quantiles at 8,192 evenly
    likely steps (ten times faster than drawing each count; probabilities below 1/8192 are lost).
    """
    places = images.astype(np.int32)
    places *= _SHOT_STEPS
    places += _sixteen_bits(images.shape, rng) >> 3
    return np.take(_shot_table(p.photons), places)


@lru_cache(maxsize=16)
def _shot_table(photons: float) -> NDArray[np.uint8]:
    """uint8 (256 * 8192,): for each brightness level, counts / photons (at most 1) as a level, in order of
    rising probability.
    """
    from scipy.special import pdtr

    top = int(photons + 6 * np.sqrt(photons)) + 10
    cumulative = pdtr(np.arange(top + 1)[None, :], photons * np.arange(256)[:, None] / 255)
    ends = np.rint(cumulative * _SHOT_STEPS).astype(np.int64)
    ends[:, -1] = _SHOT_STEPS
    repeats = np.diff(ends, axis=1, prepend=0)
    values = np.minimum(np.arange(top + 1) / photons, 1).astype(np.float32)
    values = (values * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    return np.repeat(np.tile(values, 256), repeats.ravel())


@corruption(
    "noise", Impulses, (0.03, 0.06, 0.09, 0.17, 0.27), small=(0.01, 0.02, 0.03, 0.05, 0.07), on_levels=True
)
def impulse_noise(images: LevelBatch, p: Impulses, rng: np.random.Generator) -> LevelBatch:
    """Salt and pepper: single values set to black or white."""
    draws = _sixteen_bits(images.shape, rng)
    hit, salt = round(p.amount * _DRAWS), round(p.amount * _DRAWS / 2)
    # All bits set where something is kept, and where it is salt: no branch, no index.
    noisy = (draws >= hit).view(np.uint8)
    noisy *= images
    noisy |= np.negative((draws < salt).view(np.uint8))
    return noisy
