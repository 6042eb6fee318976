"""A classifier with a denoising layer inside: the features are denoised, not the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from lightfast.base.errors import SettingsError
from lightfast.models.classifiers import ConvNet
from lightfast.models.registry import ImageShape, register

Smoothing = Literal["non-local", "mean"]
SMOOTHINGS: tuple[Smoothing, ...] = ("non-local", "mean")


class FeatureDenoising(nn.Module):
    """The denoising block of Xie et al. 2019 (section 4, Figure 3): a denoising operation, a 1 × 1
    convolution, and the identity added. "non-local" is the non-local mean in its Gaussian form without an
    embedding, Σ_j softmax_j(x_iᵀ x_j / √C) x_j over all positions j; "mean" the 3 × 3 mean.

    Float (N, C, H, W) → the same shape. The convolution starts at zero, so that an untrained block changes
    nothing (ours).
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
        places = features.flatten(2).transpose(1, 2)[:, None]
        # Attention without projections is the same formula, and never holds all pairs of positions at once.
        mean = functional.scaled_dot_product_attention(places, places, places)
        return mean[:, 0].transpose(1, 2).reshape(features.shape)


class DenoisingConvNet(ConvNet):
    """`cnn` with a `FeatureDenoising` behind its last block but one, trained end to end."""

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
        if len(widths) < 2:
            raise SettingsError("denoising-cnn", expected="at least two widths", got=str(len(widths)))
        layers = list(self.features)
        # Two modules a block: convolution and pooling.
        self.features = nn.Sequential(*layers[:-2], FeatureDenoising(widths[-2], smoothing), *layers[-2:])


register(
    "denoising-cnn",
    DenoisingConvNet,
    "`cnn` with a denoising layer between its blocks",
    "Xie et al. 2019; this project",
)
