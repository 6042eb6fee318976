"""Augmentation on whole batches of pixels, float (N, C, H, W) in [0, 1], by a passed torch generator.

Labels stay true. What is drawn is drawn where the generator is: by one of a graphics card nothing is copied
to the card.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def augment(pixels: Tensor, kind: str, generator: torch.Generator) -> Tensor:
    """`none`, `shift`, `flip`, `mirror`, `affine`, `mirror-affine`, `natural` or `cutout` (see
    Recipe.augment); the input is untouched.
    """
    if kind == "none":
        return pixels
    if kind == "shift":
        return _shift(pixels, 2 / 28, generator)
    if kind == "affine":
        return _affine(pixels, generator)
    if kind == "cutout":
        return _cutout(pixels, generator)
    mirrored = torch.where(
        uniform(len(pixels), generator, pixels)[:, None, None, None] < 0.5, pixels.flip(-1), pixels
    )
    if kind == "flip":
        return mirrored
    if kind == "mirror":
        return _shift(mirrored, 2 / 28, generator)
    if kind == "mirror-affine":
        return _affine(mirrored, generator)
    gain = 1 + 0.2 * (uniform(len(pixels), generator, pixels)[:, None, None, None] - 0.5)
    return (_shift(mirrored, 1 / 8, generator) * gain).clamp(0, 1)


def uniform(shape: int | Sequence[int], generator: torch.Generator, like: Tensor) -> Tensor:
    """Float32 numbers in [0, 1) of this shape, drawn where the generator is, on the device of `like`."""
    return torch.rand(shape, generator=generator, device=generator.device).to(like.device)


def _integers(low: int, high: int, count: int, generator: torch.Generator, like: Tensor) -> Tensor:
    """int64 (count, 1) from `low` to `high` − 1."""
    return torch.randint(low, high, (count, 1), generator=generator, device=generator.device).to(like.device)


def _shift(pixels: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Whole-pixel shifts up to `share` of the size, edges replicated."""
    count, _, height, width = pixels.shape
    reach = (max(1, round(share * height)), max(1, round(share * width)))
    rows, columns = (
        (
            _integers(-most, most + 1, count, generator, pixels) + torch.arange(extent, device=pixels.device)
        ).clamp(0, extent - 1)
        for most, extent in zip(reach, (height, width), strict=True)
    )
    moved = pixels.permute(0, 2, 3, 1)[
        torch.arange(count, device=pixels.device)[:, None, None], rows[:, :, None], columns[:, None, :]
    ]
    return moved.permute(0, 3, 1, 2)


def _cutout(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """A square of half the shorter side filled with each channel's mean over the batch; its middle lies on
    any pixel, so that it may stick out (DeVries & Taylor 2017: 16 of CIFAR-10's 32 pixels, there zeros after
    the mean was taken off).
    """
    count, _, height, width = pixels.shape
    side = max(1, min(height, width) // 2)
    covered = [
        _covered(extent, side, _integers(0, extent, count, generator, pixels)) for extent in (height, width)
    ]
    square = (covered[0][:, :, None] & covered[1][:, None, :])[:, None]
    return torch.where(square, pixels.mean(dim=(0, 2, 3), keepdim=True), pixels)


def _covered(extent: int, side: int, middles: Tensor) -> Tensor:
    """bool (N, extent): which pixels along an axis the squares with these middles (N, 1) cover."""
    places = torch.arange(extent, device=middles.device)
    return (places >= middles - side // 2) & (places < middles - side // 2 + side)


def _affine(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Rotation ±10°, scale ±10 %, shift ±10 %, zeros outside."""
    count = len(pixels)
    draw = (torch.rand(count, 4, generator=generator, device=generator.device) * 2 - 1).to(pixels.device)
    angle, scale = draw[:, 0] * math.radians(10), 1 + 0.1 * draw[:, 1]
    cosine, sine = torch.cos(angle) / scale, torch.sin(angle) / scale
    rows = torch.stack(
        [torch.stack([cosine, -sine, 0.2 * draw[:, 2]], 1), torch.stack([sine, cosine, 0.2 * draw[:, 3]], 1)],
        1,
    )
    grid = functional.affine_grid(rows, list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid, align_corners=False)
