"""Small classifiers: our own plain networks and those of the papers. Inputs are normalised float32 (N, C, H, W); outputs logits (N, K)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from lightfast.base.errors import SettingsError
from lightfast.models.registry import MODELS, ImageShape, ModelSpec


def conv_block(inputs: int, outputs: int, kernel: int = 3) -> nn.Sequential:
    """Convolution (same size), batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class MLP(nn.Module):
    """Flatten, hidden layers with ReLU and dropout, logits."""

    def __init__(self, image_shape: ImageShape, outputs: int, hidden: Sequence[int] = (256, 128), dropout: float = 0.2) -> None:
        super().__init__()
        height, width, channels = image_shape
        sizes = [height * width * channels, *hidden]
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.ReLU(inplace=True), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.layers(pictures)


class ConvNet(nn.Module):
    """The plain CNN: blocks of convolution, batch norm, ReLU and 2 × 2 max-pooling, then a dense layer with dropout and the logits."""

    def __init__(
        self, image_shape: ImageShape, outputs: int, widths: Sequence[int] = (32, 64, 128), dense: int = 128, dropout: float = 0.3
    ) -> None:
        super().__init__()
        height, width, channels = image_shape
        require_size(image_shape, 2 ** len(widths))
        blocks: list[nn.Module] = []
        for inputs, wide in zip((channels, *widths), widths, strict=False):
            blocks += [conv_block(inputs, wide), nn.MaxPool2d(2)]
            height, width = height // 2, width // 2
        self.features = nn.Sequential(*blocks)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(widths[-1] * height * width, dense),
            nn.ReLU(inplace=True),
            nn.Linear(dense, outputs),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.features(pictures))


class Residual(nn.Module):
    """Two convolution blocks with a bridge over them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(conv_block(width, width), conv_block(width, width))

    def forward(self, features: Tensor) -> Tensor:
        return features + self.blocks(features)


class ResNet9(nn.Module):
    """The nine-layer residual network of the DAWNBench speed entries (D. Page, "How to train your ResNet", 2018), width adjustable."""

    def __init__(self, image_shape: ImageShape, outputs: int, width: int = 32, dropout: float = 0.1) -> None:
        super().__init__()
        require_size(image_shape, 8)
        self.features = nn.Sequential(
            conv_block(image_shape[2], width),
            conv_block(width, 2 * width), nn.MaxPool2d(2), Residual(2 * width),
            conv_block(2 * width, 4 * width), nn.MaxPool2d(2),
            conv_block(4 * width, 8 * width), nn.MaxPool2d(2), Residual(8 * width),
        )  # fmt: skip
        self.head = nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(8 * width, outputs))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.features(pictures))


class PaperSvhnNet(nn.Module):
    """The house-number network of the damaged-digits paper: conv 5 × 5 × 32 (same), batch norm, conv 5 × 5 × 64 (same), dropout 0.2,
    max-pool 2, dense 32 at every position, flatten, softmax. With `autoencoder`, a convolutional encoder (max-pooling) and decoder
    (up-sampling) stand before it and learn with it."""

    def __init__(self, image_shape: ImageShape, outputs: int, autoencoder: bool = False) -> None:
        super().__init__()
        height, width, channels = image_shape
        require_size(image_shape, 4)
        self.autoencoder = _pooling_autoencoder(channels) if autoencoder else nn.Identity()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 32, 5, padding=2), nn.ReLU(inplace=True), nn.BatchNorm2d(32),
            nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(inplace=True), nn.Dropout(0.2), nn.MaxPool2d(2),
        )  # fmt: skip
        # A dense layer at every position is a 1 × 1 convolution.
        self.dense = nn.Sequential(nn.Conv2d(64, 32, 1), nn.ReLU(inplace=True))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(32 * (height // 2) * (width // 2), outputs))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.dense(self.features(self.autoencoder(pictures))))


def _pooling_autoencoder(channels: int) -> nn.Sequential:
    # Batch norm lets the signal reach the classifier at its own scale: with torch's initialisation alone it shrinks 40 times on the way.
    return nn.Sequential(
        conv_block(channels, 32), nn.MaxPool2d(2), conv_block(32, 32), nn.MaxPool2d(2),
        conv_block(32, 32), nn.Upsample(scale_factor=2), conv_block(32, 32), nn.Upsample(scale_factor=2),
        nn.Conv2d(32, channels, 3, padding=1),
    )  # fmt: skip


def require_size(image_shape: ImageShape, smallest: int) -> None:
    """Refuse pictures that are smaller than the network's stride."""
    if min(image_shape[:2]) < smallest:
        height, width = image_shape[:2]
        raise SettingsError(
            "this network",
            expected=f"pictures of at least {smallest} × {smallest} pixels",
            got=f"{height} × {width}",
            cure="Use --model mlp or --model random-forest for pictures this small.",
        )


def _paper_autoencoder(image_shape: ImageShape, outputs: int) -> PaperSvhnNet:
    return PaperSvhnNet(image_shape, outputs, autoencoder=True)


MODELS.add("cnn", ModelSpec("cnn", "classifier", ConvNet, "plain CNN, three 3 × 3 convolutions (32, 64, 128)", "this project"))
MODELS.add("mlp", ModelSpec("mlp", "classifier", MLP, "dense network, 256 and 128 hidden units", "this project"))
MODELS.add("resnet9", ModelSpec("resnet9", "classifier", ResNet9, "small residual network", "D. Page, How to train your ResNet, 2018"))
MODELS.add("svhn-cnn", ModelSpec("svhn-cnn", "classifier", PaperSvhnNet, "the paper's house-number CNN", "damaged-digits study"))
MODELS.add(
    "svhn-ae-cnn",
    ModelSpec(
        "svhn-ae-cnn", "classifier", _paper_autoencoder, "the paper's house-number CNN behind its autoencoder", "damaged-digits study"
    ),
)
