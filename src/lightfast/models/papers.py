"""The small classifiers of the papers. Inputs are normalised float32 (N, C, H, W); outputs logits (N, K)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from lightfast.models.classifiers import conv_block, dense_head, require_size
from lightfast.models.registry import ImageShape, register


class PaperSvhnNet(nn.Module):
    """The house-number network of the damaged-digits paper: conv 5 × 5 × 32 (same), batch norm, conv 5 × 5 ×
    64 (same), dropout 0.2, max-pool 2, dense 32 at every position, flatten, softmax. With `autoencoder`, a
    convolutional encoder (max-pooling) and decoder (up-sampling) stand before it and learn with it.
    """

    def __init__(self, image_shape: ImageShape, outputs: int, autoencoder: bool = False) -> None:
        super().__init__()
        height, width, channels = image_shape
        require_size(image_shape, 4)
        self.autoencoder = _pooling_autoencoder(channels) if autoencoder else nn.Identity()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 32, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.BatchNorm2d(32),
            nn.Conv2d(32, 64, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.Dropout(0.2),
            nn.MaxPool2d(2),
        )
        # A dense layer at every position is a 1 × 1 convolution.
        self.dense = nn.Sequential(nn.Conv2d(64, 32, 1), nn.ReLU(inplace=True))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(32 * (height // 2) * (width // 2), outputs))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.dense(self.features(self.autoencoder(pictures))))


def _pooling_autoencoder(channels: int) -> nn.Sequential:
    # Batch norm lets the signal reach the classifier at its own scale: with torch's initialisation alone it
    # shrinks 40 times on the way.
    return nn.Sequential(
        conv_block(channels, 32),
        nn.MaxPool2d(2),
        conv_block(32, 32),
        nn.MaxPool2d(2),
        conv_block(32, 32),
        nn.Upsample(scale_factor=2),
        conv_block(32, 32),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(32, channels, 3, padding=1),
    )


class GaussianNoise(nn.Module):
    """Adds normal noise of standard deviation `deviation` (in units of the input) in training;
    passes the input on otherwise.
    """

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, pictures: Tensor) -> Tensor:
        return (
            pictures + self.deviation * torch.randn_like(pictures)
            if self.training and self.deviation
            else pictures
        )


class LayeredCNN(nn.Module):
    """The letters paper's CNN of one to four layers: Gaussian noise on the input, then `layers` times
    convolution 3 × 3, batch norm, ReLU and max-pool 2, then dropout and a dense layer. The paper names noise,
    dropout and batch norm; widths and places are ours: with dropout after every layer three layers reached
    91.3 % on Fashion-MNIST's validation pictures, still underfitted.
    """

    def __init__(
        self, image_shape: ImageShape, outputs: int, layers: int = 3, noise: float = 0.1, dropout: float = 0.3
    ) -> None:
        super().__init__()
        height, width, channels = image_shape
        widths = (32, 64, 128, 128)
        if not 1 <= layers <= len(widths):
            raise ValueError(f"layers is 1 to {len(widths)}")
        require_size(image_shape, 2**layers)
        blocks: list[nn.Module] = [GaussianNoise(noise)]
        for inputs, wide in zip((channels, *widths), widths[:layers], strict=False):
            blocks += [conv_block(inputs, wide), nn.MaxPool2d(2)]
            height, width = height // 2, width // 2
        self.features = nn.Sequential(*blocks)
        self.head = dense_head(widths[layers - 1] * height * width, 128, outputs, nn.Dropout(dropout))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.features(pictures))


class DrawingDense(nn.Sequential):
    """The drawings paper's fully connected network;
    25 and 12 hidden units give its 20,067 parameters for 28 × 28 × 1 and ten classes.
    """

    def __init__(self, image_shape: ImageShape, outputs: int) -> None:
        height, width, channels = image_shape
        super().__init__(
            nn.Flatten(),
            nn.Linear(height * width * channels, 25),
            nn.ReLU(inplace=True),
            nn.Linear(25, 12),
            nn.ReLU(inplace=True),
            nn.Linear(12, outputs),
        )


class DrawingLargeCNN(nn.Module):
    """The drawings paper's large CNN: 320,890 parameters for 28 × 28 × 1 and ten classes. The paper gives the
    number; three 5 × 5 convolutions (8, 32, 64), each with max-pool 2, and 448 dense units give it exactly.
    """

    def __init__(self, image_shape: ImageShape, outputs: int) -> None:
        super().__init__()
        height, width, channels = image_shape
        require_size(image_shape, 8)
        self.features = nn.Sequential(*_plain(channels, 8), *_plain(8, 32), *_plain(32, 64))
        self.head = dense_head(64 * (height // 8) * (width // 8), 448, outputs)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.features(pictures))


class DrawingSmallCNN(nn.Module):
    """The drawings paper's small CNN: 19,322 parameters for 1 channel and ten classes. The paper gives the
    number; 3 × 3 convolutions (16, 16, 32, 32) with bias and batch norm, mean over the map, 64 dense units
    give it exactly.
    """

    def __init__(self, image_shape: ImageShape, outputs: int) -> None:
        super().__init__()
        require_size(image_shape, 4)
        self.features = nn.Sequential(
            *_normed(image_shape[2], 16),
            nn.MaxPool2d(2),
            *_normed(16, 16),
            nn.MaxPool2d(2),
            *_normed(16, 32),
            *_normed(32, 32),
            nn.AdaptiveAvgPool2d(1),
        )
        self.head = dense_head(32, 64, outputs)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.features(pictures))


def _plain(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(2)


def _normed(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)


register("svhn-cnn", PaperSvhnNet, "the paper's house-number CNN", "damaged-digits study")
register(
    "svhn-ae-cnn",
    partial(PaperSvhnNet, autoencoder=True),
    "the paper's house-number CNN behind its autoencoder",
    "damaged-digits study",
)
for _layers in (1, 2, 3, 4):
    _text = f"the letters paper's CNN, {_layers} layer{'s' * (_layers > 1)}"
    register(f"cnn-{_layers}", partial(LayeredCNN, layers=_layers), _text, "EMNIST study")
register(
    "drawing-fc", DrawingDense, "the drawings paper's dense network (20,067 parameters)", "Quick, Draw! study"
)
register(
    "drawing-cnn-1",
    DrawingLargeCNN,
    "the drawings paper's large CNN (320,890 parameters)",
    "Quick, Draw! study",
)
register(
    "drawing-cnn-2",
    DrawingSmallCNN,
    "the drawings paper's small CNN (19,322 parameters)",
    "Quick, Draw! study",
)
