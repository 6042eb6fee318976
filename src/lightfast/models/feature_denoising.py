"""A classifier with a denoising layer inside: the features are denoised, not the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from lightfast.base.errors import SettingsError
from lightfast.models.classifiers import ConvNet
from lightfast.models.registry import ImageShape, register

Smoothing = Literal["non-local", "mean"]
SMOOTHINGS: tuple[Smoothing, ...] = ("non-local", "mean")


class FeatureDenoising(nn.Module):
    """The denoising block of Xie et al. 2019 (section 4, Figure 3): a denoising operation, a 1 × 1
    convolution, and the identity added. "mean" is the 3 × 3 mean; "non-local" is the non-local mean in its
    dot-product form without an embedding, y_i = Σ_j (x_iᵀ x_j) x_j / positions.

    Float (N, C, H, W) → the same shape. The convolution starts at zero, so that an untrained block changes
    nothing (ours; the paper trains from its own start).
    """

    def __init__(self, channels: int, smoothing: Smoothing = "non-local") -> None:
        super().__init__()
        if smoothing not in SMOOTHINGS:
            raise SettingsError(f"smoothing={smoothing}", expected=" or ".join(SMOOTHINGS))
        self.smoothing = smoothing
        self.mix = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, features: Tensor) -> Tensor:
        return features + self.mix(self.denoised(features))

    def denoised(self, features: Tensor) -> Tensor:
        """The denoising operation alone."""
        if self.smoothing == "mean":
            return functional.avg_pool2d(features, 3, stride=1, padding=1, count_include_pad=False)
        rows = features.flatten(2)
        # (X Xᵀ) X and not X (Xᵀ X): C² numbers instead of one for every pair of positions.
        products = torch.bmm(rows, rows.transpose(1, 2)) / rows.shape[2]
        return torch.bmm(products, rows).reshape(features.shape)


class DenoisingConvNet(ConvNet):
    """`cnn` with a `FeatureDenoising` behind each of its blocks but the last, trained end to end."""

    def __init__(
        self,
        image_shape: ImageShape,
        outputs: int,
        widths: Sequence[int] = (32, 64, 128),
        dense: int = 128,
        dropout: float = 0.3,
        smoothing: Smoothing = "non-local",
    ) -> None:
        super().__init__(image_shape, outputs, widths, dense, dropout)
        # Two modules a block: convolutions and pooling.
        layers: list[nn.Module] = []
        for number, layer in enumerate(self.features):
            layers.append(layer)
            if number % 2 and number < len(self.features) - 1:
                layers.append(FeatureDenoising(widths[number // 2], smoothing))
        self.features = nn.Sequential(*layers)


register(
    "denoising-cnn",
    DenoisingConvNet,
    "`cnn` with denoising layers between its blocks",
    "Xie et al. 2019; this project",
)
