"""A restorer that first puts the picture straight, by an affine map that it reads from the picture itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lightfast.models.registry import ImageShape, register
from lightfast.models.restorers import UNet

LOOK_SIDE = 32
"""Larger pictures are looked at as averages of square blocks, this many a side at most."""


class Alignment(nn.Module):
    """One affine map a picture, estimated by a small network and applied by bilinear sampling, what lies
    outside continued from the edge (spatial transformer, Jaderberg et al. 2015).

    Three strided convolutions, a dense layer of `dense`, then six numbers that are added to the identity;
    untrained it is the identity.
    """

    def __init__(self, image_shape: ImageShape, dense: int = 64) -> None:
        super().__init__()
        height, width, channels = image_shape
        self.block = -(-max(height, width) // LOOK_SIDE)
        self.convolutions = nn.Sequential(*_halved(channels, 16, 5), *_halved(16, 32, 3), *_halved(32, 64, 3))
        self.grid = (-(-max(1, height // self.block) // 8), -(-max(1, width // self.block) // 8))
        self.dense = nn.Linear(64 * self.grid[0] * self.grid[1], dense)
        self.map = nn.Linear(dense, 6)
        nn.init.zeros_(self.map.weight)
        nn.init.zeros_(self.map.bias)

    def matrices(self, pictures: Tensor) -> Tensor:
        """float (N, C, H, W) → float (N, 2, 3): where each output place is read from, both in [-1, 1]."""
        features = self.convolutions(functional.avg_pool2d(pictures, self.block))
        if features.shape[-2:] != self.grid:
            features = functional.adaptive_avg_pool2d(features, self.grid)
        offset = self.map(functional.relu(self.dense(features.flatten(1))))
        identity = torch.eye(2, 3, dtype=offset.dtype, device=offset.device)
        return identity + offset.view(-1, 2, 3)

    def forward(self, pictures: Tensor) -> Tensor:
        matrices = self.matrices(pictures).float()
        height, width = pictures.shape[-2:]
        # By hand: `affine_grid` has no way into an exported graph of every opset.
        places = torch.stack(
            [
                _centres(width, matrices).expand(height, width),
                _centres(height, matrices)[:, None].expand(height, width),
                torch.ones(height, width, device=matrices.device),
            ],
            dim=-1,
        )
        read = torch.einsum("hwk,nik->nhwi", places, matrices)
        moved = functional.grid_sample(pictures.float(), read, padding_mode="border", align_corners=False)
        return moved.to(pictures.dtype)


class AlignedUNet(UNet):
    """`UNet` on a picture that `Alignment` put straight: shifts, turns, slants and sizes are undone by a map
    of six numbers, which no window of a few pixels can see. Untrained it changes nothing.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        outputs: int = 0,
        width: int = 32,
        stem: int = 2,
        depth: int = 2,
        dense: int = 64,
    ) -> None:
        super().__init__(image_shape, outputs, width, stem, depth)
        self.alignment = Alignment(image_shape, dense)

    def forward(self, pictures: Tensor) -> Tensor:
        return super().forward(self.alignment(pictures))


def _halved(inputs: int, outputs: int, kernel: int) -> tuple[nn.Module, ...]:
    """Strided convolution, batch norm, ReLU."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride=2, padding=kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)


def _centres(count: int, like: Tensor) -> Tensor:
    """Middles of `count` pixels along an axis of [-1, 1]."""
    return (2 * torch.arange(count, dtype=like.dtype, device=like.device) + 1) / count - 1


register(
    "aligned-unet",
    AlignedUNet,
    "residual U-Net, the picture put straight first",
    "Jaderberg et al. 2015; this project",
    role="restorer",
)
