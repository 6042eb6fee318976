"""Restorers: networks from a damaged picture to a clean one, both float32 (N, C, H, W) in [0, 1],
any H and W ≥ 8.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from lightfast.base.errors import SettingsError
from lightfast.models.classifiers import conv_block, require_size
from lightfast.models.registry import ImageShape, register

LINEAR = 7
"""Side of the linear filter of a `LevelsUNet`, pixels."""


class DenoisingAutoencoder(nn.Module):
    """The paper's restorer: strided convolutions as encoder, transposed convolutions as decoder, sigmoid
    output, trained by BCE (the layout of the Keras denoising-autoencoder tutorial that the damaged-digits
    study followed).
    """

    def __init__(self, image_shape: ImageShape, outputs: int = 0, width: int = 32) -> None:
        super().__init__()
        require_size(image_shape, 8)
        channels = image_shape[2]
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
        )
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(width, width, 3, stride=2, padding=1, output_padding=1),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(width, width, 3, stride=2, padding=1, output_padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, channels, 3, padding=1),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        return _padded(lambda padded: torch.sigmoid(self.decoder(self.encoder(padded))), pictures, 4)


class _Levels(nn.Module):
    """The levels of a U-Net: `depth` times down and up again, each joined with its skip."""

    def __init__(self, inputs: int, width: int, depth: int, norm: bool = True) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(
            _pair(before, wide, norm) for before, wide in zip((inputs, *widths), widths, strict=False)
        )
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * wide, wide, 2, stride=2) for wide in widths[:-1])
        self.merge = nn.ModuleList(_pair(2 * wide, wide, norm) for wide in widths[:-1])

    def through(self, features: Tensor) -> Tensor:
        """float (N, inputs, H, W) → (N, width, H, W)."""
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            features = block(functional.max_pool2d(features, 2) if level else features)
            skips.append(features)
        for level in reversed(range(len(self.up))):
            features = self.merge[level](torch.cat([self.up[level](features), skips[level]], dim=1))
        return features


class UNet(_Levels):
    """Residual U-Net (Ronneberger et al. 2015) on a space-to-depth stem (Shi et al. 2016).

    `stem` × `stem` pixels become channels before the first convolution, which divides the cost of the widest
    layers by stem². The output is the input plus a learnt correction: with its last layer at zero the
    untrained network changes nothing. Without `norm` there is no batch norm: what is learnt through a frozen
    classifier changes a picture by little, and less than the noise that the statistics of a
    batch bring with them.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        outputs: int = 0,
        width: int = 32,
        stem: int = 2,
        depth: int = 2,
        norm: bool = True,
    ) -> None:
        if depth < 1 or stem < 1:
            raise SettingsError("unet", expected="depth ≥ 1 and stem ≥ 1", got=f"depth {depth}, stem {stem}")
        require_size(image_shape, 8)
        packed = image_shape[2] * stem**2
        super().__init__(packed, width, depth, norm)
        self.stem, self.multiple = stem, stem * 2**depth
        self.out = _silent(nn.Conv2d(width, packed, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        return _padded(self._corrected, pictures, self.multiple)

    def _corrected(self, padded: Tensor) -> Tensor:
        features = self.through(functional.pixel_unshuffle(padded, self.stem))
        return padded + functional.pixel_shuffle(self.out(features), self.stem)


class Levels(nn.Module):
    """Gain and offset of each channel of each picture, read from its own statistics: undoes what no window of
    a few pixels can see, such as low contrast. Untrained it changes nothing.
    """

    def __init__(self, channels: int, width: int = 32) -> None:
        super().__init__()
        self.hidden = nn.Linear(5 * channels, width)
        self.out = nn.Linear(width, 2 * channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, pictures: Tensor) -> Tensor:
        mean = pictures.mean(dim=(2, 3))
        centred = pictures - mean[..., None, None]
        spread = (centred.square().mean(dim=(2, 3)) + 1e-6).sqrt()
        # Texture tells low contrast from a smooth picture; logarithms, because what is sought is a factor.
        rough = (
            (pictures - functional.avg_pool2d(pictures, 3, stride=1, padding=1, count_include_pad=False))
            .abs()
            .mean(dim=(2, 3))
        )
        statistics = torch.cat(
            [
                mean - 0.5,
                (spread + 0.01).log() + 2,
                (rough + 0.01).log() + 3,
                pictures.amin(dim=(2, 3)),
                pictures.amax(dim=(2, 3)) - 1,
            ],
            dim=1,
        )
        gain, offset = self.out(functional.relu(self.hidden(statistics))).chunk(2, dim=1)
        return centred * gain.clamp(-4, 4).exp()[..., None, None] + (mean + offset)[..., None, None]


class LevelsUNet(UNet):
    """`UNet` without batch norm, on a picture whose levels are set first, plus one linear `LINEAR` × `LINEAR`
    filter (sharpening, colour).

    What a frozen classifier gains most by is low contrast undone, which takes the whole picture, and sharper
    edges, which take a filter; a U-Net alone learns both late. Untrained it changes nothing.
    """

    def __init__(
        self, image_shape: ImageShape, outputs: int = 0, width: int = 32, stem: int = 2, depth: int = 2
    ) -> None:
        super().__init__(image_shape, outputs, width, stem, depth, norm=False)
        channels = image_shape[2]
        self.levels = Levels(channels)
        self.linear = _silent(
            nn.Conv2d(channels, channels, LINEAR, padding=LINEAR // 2, padding_mode="replicate")
        )

    def forward(self, pictures: Tensor) -> Tensor:
        levelled = self.levels(pictures)
        return super().forward(levelled) + self.linear(levelled - 0.5)


def _silent(convolution: nn.Conv2d) -> nn.Conv2d:
    """At zero: what it adds is nothing until it has learnt."""
    nn.init.zeros_(convolution.weight)
    nn.init.zeros_(convolution.bias)  # pyright: ignore[reportArgumentType]
    return convolution


class PaperUNet(_Levels):
    """The U-Net of the perturbations study (Ronneberger et al. 2015): `depth` levels of two 3 × 3
    convolutions with ReLU, max-pooling, transposed convolutions, skips, and a sigmoid at the end. It starts
    from nothing and has to learn the picture itself first. The paper names the network; batch norm and widths
    are ours.
    """

    def __init__(self, image_shape: ImageShape, outputs: int = 0, width: int = 32, depth: int = 2) -> None:
        if depth < 1:
            raise SettingsError("paper-unet", expected="depth ≥ 1", got=f"depth {depth}")
        require_size(image_shape, 2**depth)
        super().__init__(image_shape[2], width, depth)
        self.multiple = 2**depth
        self.out = nn.Conv2d(width, image_shape[2], 1)

    def forward(self, pictures: Tensor) -> Tensor:
        return _padded(lambda padded: torch.sigmoid(self.out(self.through(padded))), pictures, self.multiple)


class OwnAutoencoder(nn.Module):
    """own(a-b) of the perturbations study: `a` encoding and `b` decoding layers of 3 × 3 convolutions with
    ReLU, sigmoid at the end.

    The paper gives the two numbers. Ours: the first min(a, b, 3) encoding layers halve the picture, as many
    decoding layers, the last ones, double it; each halving doubles the width, from `width` up to 4 × `width`.
    """

    def __init__(
        self, image_shape: ImageShape, outputs: int = 0, identifier: str = "2-2", width: int = 32
    ) -> None:
        super().__init__()
        encoding, decoding = _layer_counts(identifier)
        halvings = min(encoding, decoding, 3)
        require_size(image_shape, 2**halvings)
        self.multiple = 2**halvings
        widths = [width * 2 ** min(level, 2) for level in range(halvings)]
        layers: list[nn.Module] = []
        inputs = image_shape[2]
        for number in range(encoding):
            wide, stride = widths[min(number, halvings - 1)], 2 if number < halvings else 1
            layers += [nn.Conv2d(inputs, wide, 3, stride, 1), nn.ReLU(inplace=True)]
            inputs = wide
        for number in range(decoding):
            level = decoding - number
            wide = widths[min(level, halvings) - 1]
            doubling = level <= halvings
            layers += [
                nn.ConvTranspose2d(inputs, wide, 2, 2) if doubling else nn.Conv2d(inputs, wide, 3, padding=1),
                nn.ReLU(inplace=True),
            ]
            inputs = wide
        self.layers = nn.Sequential(*layers, nn.Conv2d(inputs, image_shape[2], 3, padding=1))

    def forward(self, pictures: Tensor) -> Tensor:
        return _padded(lambda padded: torch.sigmoid(self.layers(padded)), pictures, self.multiple)


def _layer_counts(identifier: str) -> tuple[int, int]:
    parts = identifier.split("-")
    if len(parts) != 2 or not all(part.isdigit() and 1 <= int(part) <= 8 for part in parts):
        raise SettingsError(
            f"own:{identifier}",
            expected="own:A-B, encoding and decoding layers, 1 to 8 each",
            cure="E.g. own:2-2.",
        )
    return int(parts[0]), int(parts[1])


def _padded(network: Callable[[Tensor], Tensor], pictures: Tensor, multiple: int) -> Tensor:
    """`network` of the pictures, padded and cut off again."""
    height, width = pictures.shape[-2:]
    return network(padded_to(pictures, multiple))[..., :height, :width]


def padded_to(pictures: Tensor, multiple: int) -> Tensor:
    """float (N, C, H, W), its right and lower edge replicated until both sides are multiples."""
    height, width = pictures.shape[-2:]
    below, right = -height % multiple, -width % multiple
    return functional.pad(pictures, (0, right, 0, below), mode="replicate") if below or right else pictures


def _pair(inputs: int, outputs: int, norm: bool = True) -> nn.Sequential:
    if norm:
        return nn.Sequential(conv_block(inputs, outputs), conv_block(outputs, outputs))
    layers: list[nn.Module] = []
    for before in (inputs, outputs):
        convolution = nn.Conv2d(before, outputs, 3, padding=1)
        # Without norm the signal must keep its scale through ten layers by itself (He et al. 2015); torch's
        # default shrinks it.
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        nn.init.zeros_(convolution.bias)  # pyright: ignore[reportArgumentType]
        layers += [convolution, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


register(
    "autoencoder",
    DenoisingAutoencoder,
    "the paper's denoising autoencoder",
    "damaged-digits study",
    role="restorer",
)
register(
    "unet",
    UNet,
    "residual U-Net on a space-to-depth stem",
    "Ronneberger et al. 2015; this project",
    role="restorer",
)
register(
    "levels-unet",
    LevelsUNet,
    "residual U-Net, the picture's levels set first",
    "this project",
    role="restorer",
)
register(
    "paper-unet",
    PaperUNet,
    "the perturbations paper's U-Net, sigmoid output",
    "perturbations study",
    role="restorer",
)
register(
    "own:", OwnAutoencoder, "plain autoencoder own(a-b): own:A-B", "perturbations study", role="restorer"
)
