"""`whitened`: a network for small colour pictures that learns in few epochs, after K. Jordan, "94% on
CIFAR-10 in 3.29 Seconds on a Single GPU" (2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from lightfast.models.classifiers import checked_views, require_size, views_of
from lightfast.models.registry import ImageShape, register

_PATCH = 2
_EPSILON = 5e-4
_AT_ONCE = 2**21
"""Numbers of pictures whose patches are held at once: 64 MB of them."""
_SCALE = 1 / 9
"""Logits are scaled down, so that the first steps are not taken for certainties."""


class Whitened(nn.Module):
    """A convolution 2 × 2 that makes the pictures' patches white and learns its bias alone, three groups of
    two convolutions with one max-pool, batch norm that learns its bias alone, GELU; max-pool, a linear layer
    without bias. Convolutions begin as the identity where they can.

    Args:
        widths: channels of the three groups.
        views: what a prediction is averaged over (`classifiers.VIEWS`); training sees the picture itself.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        outputs: int,
        widths: Sequence[int] = (64, 256, 256),
        views: str = "mirror",
    ) -> None:
        super().__init__()
        require_size(image_shape, 16)
        self.views = checked_views(views)
        patch = _PATCH**2 * image_shape[2]
        self.whiten = nn.Conv2d(image_shape[2], 2 * patch, _PATCH)
        self.whiten.weight.requires_grad_(False)
        groups = [_group(inputs, wide) for inputs, wide in pairwise((2 * patch, *widths))]
        self.features = nn.Sequential(nn.GELU(), *groups)
        self.head = nn.Sequential(
            nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(widths[-1], outputs, bias=False)
        )

    @torch.no_grad()
    def meet(self, pictures: Tensor) -> None:
        """Take the whitening from normalised float (N, C, H, W) pictures: the eigenvectors of their patches'
        covariance over the roots of its eigenvalues, each with both signs.
        """
        size = self.whiten.weight[0].numel()
        total, squares, count = torch.zeros(size).double(), torch.zeros(size, size).double(), 0
        # Patches are four times their pictures, in numbers twice as long: never those of all at once.
        for some in pictures.split(max(1, _AT_ONCE // pictures[0].numel())):
            patches = functional.unfold(some.double(), _PATCH).transpose(1, 2).flatten(0, 1).cpu()
            total, squares, count = (
                total + patches.sum(0),
                squares + patches.T @ patches,
                count + len(patches),
            )
        mean = total / count
        values, vectors = torch.linalg.eigh((squares - count * mean.outer(mean)) / max(1, count - 1))
        rows = (vectors / (values + _EPSILON).sqrt()).T.flip(0)
        self.whiten.weight.copy_(torch.cat([rows, -rows]).view_as(self.whiten.weight))
        assert self.whiten.bias is not None
        self.whiten.bias.zero_()

    def forward(self, pictures: Tensor) -> Tensor:
        if self.training or self.views == "one":
            return self._read(pictures)
        views = views_of(pictures, self.views)
        return torch.stack([self._read(view) for view in views]).mean(dim=0)

    def _read(self, pictures: Tensor) -> Tensor:
        return self.head(self.features(self.whiten(pictures))) * _SCALE


def _group(inputs: int, wide: int) -> nn.Sequential:
    first, second = _convolution(inputs, wide), _convolution(wide, wide)
    return nn.Sequential(first, nn.MaxPool2d(2), _norm(wide), nn.GELU(), second, _norm(wide), nn.GELU())


def _convolution(inputs: int, wide: int) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, wide, 3, padding=1, bias=False)
    nn.init.dirac_(layer.weight[: min(inputs, wide)].data)
    return layer


def _norm(wide: int) -> nn.BatchNorm2d:
    layer = nn.BatchNorm2d(wide, momentum=0.4)
    layer.weight.requires_grad_(False)
    return layer


register(
    "whitened",
    Whitened,
    "for small colour pictures: whitened patches, six convolutions (64 to 256), few epochs; meant for a "
    "graphics card",
    "K. Jordan, 94% on CIFAR-10 in 3.29 seconds, 2024",
)
