"""`Preprocess`: from pixels in [0, 1] to what a network wants.

It travels inside every checkpoint; normalisation lives nowhere else.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lightfast.base.errors import DataError
from lightfast.data.images import ImageSet


@dataclass(frozen=True)
class Preprocess:
    """Channels, size and normalisation, applied in that order and differentiable throughout.

    Attributes:
        size: (H, W) that the network takes; other sizes are resized (bilinear, antialiased).
        channels: 1 or 3; grey is repeated to RGB, RGB becomes grey by ITU-R BT.601 luma.
        mean, std: per channel, in the unit of pixels scaled to [0, 1].
    """

    size: tuple[int, int]
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def identity(cls, image_shape: tuple[int, int, int]) -> Self:
        """Leaves pictures of `image_shape` (H, W, C) as they are: for networks that work on [0, 1] itself."""
        height, width, channels = image_shape
        return cls((height, width), channels, (0.0,) * channels, (1.0,) * channels)

    @classmethod
    def of(cls, images: ImageSet) -> Self:
        """Mean and standard deviation a channel, measured on `images` (the training part)."""
        height, width, channels = images.image_shape
        counts = np.zeros((channels, 256), dtype=np.int64)
        # By blocks: large sets rest on disk.
        for start in range(0, len(images), 4_096):
            block = images.images[start : start + 4_096]
            counts += [
                np.bincount(block[..., channel].reshape(-1), minlength=256) for channel in range(channels)
            ]
        levels = np.arange(256) / 255.0
        mean = counts @ levels / counts.sum(axis=1)
        std = np.sqrt(np.maximum(counts @ levels**2 / counts.sum(axis=1) - mean**2, 1e-4))
        return cls((height, width), channels, tuple(mean.round(6).tolist()), tuple(std.round(6).tolist()))

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Inverse of `as_json`."""
        return cls(
            tuple(content["size"]), int(content["channels"]), tuple(content["mean"]), tuple(content["std"])
        )

    def as_json(self) -> dict[str, Any]:
        """A JSON-ready mapping."""
        return asdict(self)

    def __call__(self, pixels: Tensor) -> Tensor:
        """float (N, C, H, W) in [0, 1] → float (N, channels, *size), normalised."""
        if pixels.shape[1] != self.channels:
            pixels = pixels.expand(-1, 3, -1, -1) if self.channels == 3 else _luma(pixels)
        if tuple(pixels.shape[-2:]) != tuple(self.size):
            pixels = functional.interpolate(
                pixels, size=self.size, mode="bilinear", antialias=True, align_corners=False
            )
        of_channels = _resting if pixels.is_cuda else _of_channels
        mean, std = (of_channels(values, pixels.dtype, pixels.device) for values in (self.mean, self.std))
        return (pixels - mean) / std


def _of_channels(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """(1, C, 1, 1)."""
    return torch.tensor(values, dtype=dtype, device=device).reshape(1, -1, 1, 1)


@lru_cache(maxsize=64)
def _resting(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """`_of_channels` on a graphics card, brought there once: every copy is waited for."""
    with torch.inference_mode(False):
        return _of_channels(values, dtype, device)


def _luma(pixels: Tensor) -> Tensor:
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=pixels.dtype, device=pixels.device).reshape(
        1, 3, 1, 1
    )
    return (pixels * weights).sum(dim=1, keepdim=True)


def to_tensor(images: NDArray[np.uint8]) -> Tensor:
    """The same rows as a tensor; copied where they cannot be shared: slices with gaps,
    and arrays that rest on disk and are read-only.
    """
    return torch.from_numpy(images if images.flags.writeable and images.flags.c_contiguous else images.copy())


def to_pixels(images: Tensor) -> Tensor:
    """uint8 (N, H, W, C) → float32 (N, C, H, W) in [0, 1]; the memory stays channels-last,
    which convolutions like.
    """
    if images.dtype != torch.uint8:
        raise DataError("pictures", expected="uint8 (N, H, W, C)", got=f"{images.dtype}")
    return images.permute(0, 3, 1, 2).float().div_(255.0)


def to_images(pixels: Tensor) -> NDArray[np.uint8]:
    """float (N, C, H, W) in [0, 1] → uint8 (N, H, W, C), rounded and clipped."""
    return (
        pixels.detach()
        .float()
        .clamp(0, 1)
        .mul(255)
        .round()
        .to(torch.uint8)
        .permute(0, 2, 3, 1)
        .contiguous()
        .cpu()
        .numpy()
    )
