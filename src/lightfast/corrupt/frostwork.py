"""Procedural frost: feathered ice crystals on glass."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lightfast.corrupt.plasma import plasma

_DIRECTIONS = 6
"""Needles point along multiples of 30 degrees,
so a crystal's branches at 60 degrees fall on the same six images.
"""
_ICE = np.array([0.86, 0.94, 1.0], np.float32)


def frostwork(side: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """A grey frost texture float32 (side, side) in [0, 1], mean 0.4, about as bright as the photographs of
    ImageNet-C.

    The glass is divided into crystal grains (nearest of some random seeds), each with its own axis. White
    noise smeared along the axis gives needles, along the axis turned by 60 degrees both ways gives their
    branches; a plasma map makes the ice thick and thin.
    """
    noise = rng.standard_normal((side, side), dtype=np.float32)
    noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), side / 200), np.float32)
    needles = np.stack(
        [_smear(noise, 180 * turn / _DIRECTIONS, max(5, side // 12)) for turn in range(_DIRECTIONS)]
    )
    axis = _grains(side, rng)
    branch = 60 * _DIRECTIONS // 180
    rows, columns = np.ogrid[:side, :side]
    ice = needles[axis, rows, columns]
    for turn in (branch, -branch):
        ice = ice + 0.6 * needles[(axis + turn) % _DIRECTIONS, rows, columns]
    ridges = np.abs(ice) / max(float(np.abs(ice).mean()), 1e-6)
    depth = plasma(1, side, 1 << (side - 1).bit_length(), 2.0, rng)[0]
    texture = (0.15 + 0.85 * np.clip(depth, 0, 1)) * (0.45 + 0.55 * ridges)
    return np.clip(texture * np.float32(0.4 / max(float(texture.mean()), 1e-6)), 0, 1).astype(np.float32)


def tinted(texture: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """The texture (H, W) as (H, W, channels), bluish white when there are three."""
    return texture[..., None] * _ICE if channels == 3 else texture[..., None]


def _smear(noise: NDArray[np.float32], degrees: float, length: int) -> NDArray[np.float32]:
    kernel = np.zeros((length, length), np.float32)
    middle = (length - 1) / 2
    reach = middle * np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))])
    start, end = (np.rint(middle + sign * reach).astype(int).tolist() for sign in (-1, 1))
    cv2.line(kernel, start, end, 1.0)
    return np.asarray(
        cv2.filter2D(noise, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT), np.float32
    )


def _grains(side: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The axis (0..5) of the crystal at each pixel (side, side)."""
    count = 14
    seeds = rng.uniform(0, side, (count, 2))
    axes = rng.integers(0, _DIRECTIONS, count)
    line = np.arange(side)
    distance = (line[None, :, None] - seeds[:, 0, None, None]) ** 2 + (
        line[None, None, :] - seeds[:, 1, None, None]
    ) ** 2
    return axes[np.argmin(distance.astype(np.float32), axis=0)]
