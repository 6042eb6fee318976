"""Small classifiers of our own. Inputs are normalised float32 (N, C, H, W); outputs logits (N, K)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from lightfast.base.errors import SettingsError
from lightfast.models.quick import Stages
from lightfast.models.registry import ImageShape, register


def conv_block(inputs: int, outputs: int) -> nn.Sequential:
    """Convolution 3 × 3 (same size), batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def dense_head(inputs: int, dense: int, outputs: int, *before: nn.Module) -> nn.Sequential:
    """Flatten, `before`, one dense layer with ReLU, logits."""
    layers = nn.Linear(inputs, dense), nn.ReLU(inplace=True), nn.Linear(dense, outputs)
    return nn.Sequential(nn.Flatten(), *before, *layers)


ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


class MLP(nn.Module):
    """Flatten, hidden layers with an activation (relu, tanh or sigmoid) and dropout, logits."""

    def __init__(
        self,
        image_shape: ImageShape,
        outputs: int,
        hidden: Sequence[int] = (256, 128),
        dropout: float = 0.2,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation is one of {', '.join(ACTIVATIONS)}")
        height, width, channels = image_shape
        sizes = [height * width * channels, *hidden]
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), ACTIVATIONS[activation](), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.layers(pictures)


class ConvNet(nn.Module):
    """The plain CNN: blocks of convolution, batch norm, ReLU and 2 × 2 max-pooling,
    then a dense layer with dropout and the logits.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        outputs: int,
        widths: Sequence[int] = (32, 64, 128),
        dense: int = 128,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        height, width, channels = image_shape
        require_size(image_shape, 2 ** len(widths))
        blocks: list[nn.Module] = []
        for inputs, wide in zip((channels, *widths), widths, strict=False):
            blocks += [conv_block(inputs, wide), nn.MaxPool2d(2)]
            height, width = height // 2, width // 2
        self.features = Stages(*blocks)
        self.head = dense_head(widths[-1] * height * width, dense, outputs, nn.Dropout(dropout))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.features(pictures))


VIEWS = ("one", "mirror", "shift", "mirror-shift")
"""What a prediction may be averaged over: the picture; with its mirror image; moved by a pixel up, down,
left and right; both.
"""


def checked_views(views: str) -> str:
    """`views`, or a ValueError that lists what there is."""
    if views not in VIEWS:
        raise ValueError(f"views is one of {', '.join(VIEWS)}")
    return views


def views_of(pictures: Tensor, views: str) -> list[Tensor]:
    """The views of float (N, C, H, W) pictures, the pictures first; edges are replicated."""
    found = [pictures]
    if "shift" in views:
        height, width = pictures.shape[-2:]
        padded = functional.pad(pictures, (1, 1, 1, 1), mode="replicate")
        found += [
            padded[..., row : row + height, column : column + width]
            for row, column in ((0, 1), (2, 1), (1, 0), (1, 2))
        ]
    return [*found, *(view.flip(-1) for view in found)] if "mirror" in views else found


class Residual(nn.Module):
    """Two convolution blocks with a bridge over them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(conv_block(width, width), conv_block(width, width))

    def forward(self, features: Tensor) -> Tensor:
        return features + self.blocks(features)


class ResNet9(nn.Module):
    """The nine-layer residual network of the DAWNBench speed entries (D. Page, "How to train your ResNet",
    2018), width adjustable.

    With `views`, a prediction is the mean of the logits over several views of the picture (`VIEWS`); training
    sees the picture itself.
    """

    def __init__(
        self, image_shape: ImageShape, outputs: int, width: int = 32, dropout: float = 0.1, views: str = "one"
    ) -> None:
        super().__init__()
        require_size(image_shape, 8)
        self.views = checked_views(views)
        self.features = Stages(
            conv_block(image_shape[2], width),
            conv_block(width, 2 * width),
            nn.MaxPool2d(2),
            Residual(2 * width),
            conv_block(2 * width, 4 * width),
            nn.MaxPool2d(2),
            conv_block(4 * width, 8 * width),
            nn.MaxPool2d(2),
            Residual(8 * width),
        )
        self.head = nn.Sequential(
            nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(8 * width, outputs)
        )

    def forward(self, pictures: Tensor) -> Tensor:
        if self.training or self.views == "one":
            return self.head(self.features(pictures))
        views = views_of(pictures, self.views)
        return torch.stack([self.head(self.features(view)) for view in views]).mean(dim=0)


def require_size(image_shape: ImageShape, smallest: int) -> None:
    """Refuse pictures that are smaller than the network's stride."""
    if min(image_shape[:2]) < smallest:
        height, width = image_shape[:2]
        raise SettingsError(
            "this network",
            expected=f"pictures of at least {smallest} × {smallest} pixels",
            got=f"{height} × {width}",
            cure="Use `model` mlp or random-forest for pictures this small.",
        )


register("cnn", ConvNet, "plain CNN, three 3 × 3 convolutions (32, 64, 128)", "this project")
register("mlp", MLP, "dense network, 256 and 128 hidden units", "this project")
register("resnet9", ResNet9, "small residual network", "D. Page, How to train your ResNet, 2018")
register(
    "resnet9-small",
    partial(ResNet9, width=16),
    "resnet9, 16 wide: our best network for small pictures",
    "this project",
)
