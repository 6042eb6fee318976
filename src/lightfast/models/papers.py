"""The small classifiers of the papers. Inputs are normalised float32 (N, C, H, W); outputs logits (N, K)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from lightfast.models.classifiers import conv_block, dense_head, require_size
from lightfast.models.quick import Stages
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
        self.features = Stages(
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


_KERNELS = (3, 3, 2, 2)
"""Not told by the letters paper. Four valid convolutions with three pools do not fit into 28 pixels with
3 × 3 alone; these fit, and leave one position.
"""


class LayeredCNN(nn.Module):
    """The letters paper's CNN of one to four layers: convolution with valid padding and ReLU, max-pool 2
    after the first three, then a dense layer of 128 and the logits.

    With three and four layers, as the paper has it: Gaussian noise `noise` (standard deviation, in units of
    the normalised input) on the input, batch norm between convolution and pool, `dropout` after each pool and
    after the dense layer (its four). With one and two layers nothing regularises, whatever is given. The
    paper tells neither widths (32, 64, 128, 128 here) nor kernels nor the places of the dropouts.
    """

    def __init__(
        self, image_shape: ImageShape, outputs: int, layers: int = 3, noise: float = 0.1, dropout: float = 0.3
    ) -> None:
        super().__init__()
        channels, widths = image_shape[2], (32, 64, 128, 128)
        if not 1 <= layers <= len(widths):
            raise ValueError(f"layers is 1 to {len(widths)}")
        require_size(image_shape, _smallest(layers))
        regular = layers > 2
        blocks: list[nn.Module] = [GaussianNoise(noise)] if regular else []
        for number, (inputs, wide) in enumerate(zip((channels, *widths), widths[:layers], strict=False)):
            blocks += [nn.Conv2d(inputs, wide, _KERNELS[number]), nn.ReLU(inplace=True)]
            if number < 3:
                blocks += (
                    [nn.BatchNorm2d(wide)] * regular + [nn.MaxPool2d(2)] + [nn.Dropout(dropout)] * regular
                )
        self.features = Stages(*blocks)
        height, width = (_side(side, layers) for side in image_shape[:2])
        self.head = dense_head(widths[layers - 1] * height * width, 128, outputs)
        if regular:
            self.head.insert(3, nn.Dropout(dropout))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.features(pictures))


def _side(side: int, layers: int) -> int:
    """Positions along a side that are left of `side` pixels."""
    for number, kernel in enumerate(_KERNELS[:layers]):
        side = (side - kernel + 1) // (2 if number < 3 else 1)
    return side


def _smallest(layers: int) -> int:
    """The fewest pixels a side of which one position is left."""
    return next(side for side in range(1, 64) if _side(side, layers) == 1)


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


class DrawingCNN(nn.Module):
    """The drawings paper's CNNs (its Figures 6 and 7): convolution 3 × 3 × 4, convolution 2 × 2 × 8, both
    with valid padding and ReLU, a dense layer of 64, logits; with `pooled`, max-pool 2 × 2 after each
    convolution.
    For 28 × 28 × 1 and ten classes these have its 320,890 and 19,322 parameters.
    """

    def __init__(self, image_shape: ImageShape, outputs: int, pooled: bool = False) -> None:
        super().__init__()
        height, width, channels = image_shape
        require_size(image_shape, 8 if pooled else 4)
        layers: list[nn.Module] = []
        for convolution in (nn.Conv2d(channels, 4, 3), nn.Conv2d(4, 8, 2)):
            layers += [convolution, nn.ReLU(inplace=True), *([nn.MaxPool2d(2)] * pooled)]
        self.features = Stages(*layers)
        left = [((side - 2) // 2 - 1) // 2 if pooled else side - 3 for side in (height, width)]
        self.head = dense_head(8 * left[0] * left[1], 64, outputs)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.features(pictures))


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
    DrawingCNN,
    "the drawings paper's CNN without pooling (320,890 parameters)",
    "Quick, Draw! study",
)
register(
    "drawing-cnn-2",
    partial(DrawingCNN, pooled=True),
    "the drawings paper's CNN with pooling (19,322 parameters)",
    "Quick, Draw! study",
)
