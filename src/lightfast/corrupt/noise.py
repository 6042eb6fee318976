"""Noise: gaussian, shot, impulse, speckle.

Parameters from the published generators; draws are made for whole batches.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtr

from lightfast.corrupt.registry import IMAGENET_C, ImageBatch, corruption

_SHOT_STEPS = 8192


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
    "noise", Spread, (0.08, 0.12, 0.18, 0.26, 0.38), small=(0.04, 0.06, 0.08, 0.09, 0.1), source=IMAGENET_C
)
def gaussian_noise(images: ImageBatch, p: Spread, rng: np.random.Generator) -> ImageBatch:
    """Gaussian noise added to every value (electronic noise, low light)."""
    noise = rng.standard_normal(images.shape, dtype=np.float32)
    noise *= np.float32(p.sigma)
    noise += images
    return noise


@corruption(
    "noise", Spread, (0.15, 0.2, 0.35, 0.45, 0.6), small=(0.06, 0.1, 0.12, 0.16, 0.2), source=IMAGENET_C
)
def speckle_noise(images: ImageBatch, p: Spread, rng: np.random.Generator) -> ImageBatch:
    """Gaussian noise in proportion to each value: bright parts are noisier."""
    noise = rng.standard_normal(images.shape, dtype=np.float32)
    noise *= np.float32(p.sigma)
    noise += 1
    noise *= images
    return noise


@corruption("noise", Photons, (60.0, 25.0, 12.0, 5.0, 3.0), small=(500.0, 250.0, 100.0, 75.0, 50.0))
def shot_noise(images: ImageBatch, p: Photons, rng: np.random.Generator) -> ImageBatch:
    """Poisson counting noise of few photons.

    Each value is rounded to one of 256 levels; its count is read from a table of the Poisson distribution's
    quantiles at 8,192 evenly likely steps (ten times faster than drawing each count; probabilities below
    1/8192 are lost).
    """
    levels = np.rint(images * np.float32(255)).astype(np.int32)
    levels *= _SHOT_STEPS
    levels += rng.integers(0, 65536, size=images.shape, dtype=np.uint16) >> 3
    return np.take(_shot_table(p.photons), levels)


@lru_cache(maxsize=16)
def _shot_table(photons: float) -> NDArray[np.float32]:
    """float32 (256 * 8192,): for each brightness level, counts / photons
    (at most 1) in order of rising probability.
    """
    top = int(photons + 6 * np.sqrt(photons)) + 10
    cumulative = pdtr(np.arange(top + 1)[None, :], photons * np.arange(256)[:, None] / 255)
    ends = np.rint(cumulative * _SHOT_STEPS).astype(np.int64)
    ends[:, -1] = _SHOT_STEPS
    repeats = np.diff(ends, axis=1, prepend=0)
    values = np.minimum(np.arange(top + 1) / photons, 1).astype(np.float32)
    return np.repeat(np.tile(values, 256), repeats.ravel())


@corruption("noise", Impulses, (0.03, 0.06, 0.09, 0.17, 0.27), small=(0.01, 0.02, 0.03, 0.05, 0.07))
def impulse_noise(images: ImageBatch, p: Impulses, rng: np.random.Generator) -> ImageBatch:
    """Salt and pepper: single values set to black or white."""
    draws = rng.integers(0, 65536, size=images.shape, dtype=np.uint16)
    hit, salt = round(p.amount * 65536), round(p.amount * 32768)
    noisy = images.copy()
    noisy[draws < hit] = 0
    noisy[draws < salt] = 1
    return noisy
