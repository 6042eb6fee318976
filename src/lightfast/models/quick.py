"""`Stages`: layers in a row that in training compute what they say with less to do."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional


class Stages(nn.Sequential):
    """An `nn.Sequential` (same names, same weights, same outside of training) that in training, on a CPU,

    - pools before the ReLU in place of after it: max(relu(x)) = relu(max(x)), a quarter of the numbers;
    - takes the first convolution and its batch norm as one convolution. The mean and variance of a linear map
      follow from the mean and covariance of the patches that it reads, so that its outputs, the largest of
      the whole network, are written once and never read for statistics.

    Loss, gradients and running statistics are those of the plain row up to rounding. A graphics card has
    kernels of its own for this, and takes the plain row; so does an input that wants a gradient itself.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or input.device.type != "cpu":
            return super().forward(input)
        layers = list(_leaves(self))
        if not input.requires_grad and len(layers) > 1 and _foldable(layers[0], layers[1], input):
            input = normalised_convolution(layers[0], layers[1], input)  # type: ignore[arg-type]
            layers = layers[2:]
        position = 0
        while position < len(layers):
            one, after = layers[position], layers[position + 1 : position + 2]
            if isinstance(one, nn.ReLU) and after and isinstance(after[0], nn.MaxPool2d):
                input = one(after[0](input))
                position += 2
            else:
                input = one(input)
                position += 1
        return input


def normalised_convolution(convolution: nn.Conv2d, norm: nn.BatchNorm2d, pictures: Tensor) -> Tensor:
    """norm(convolution(pictures)) in training, running statistics updated: float (N, C, H, W) without a
    gradient of its own, a convolution without bias → (N, K, H', W'), by one convolution.
    """
    weight = convolution.weight.flatten(1)
    with torch.autocast(pictures.device.type, enabled=False):
        mean, covariance, count = _patch_moments(convolution, pictures)
        shift = weight @ mean
        variance = ((weight @ covariance) * weight).sum(dim=1)
        scale = norm.weight * torch.rsqrt(variance + norm.eps)
        folded = (weight * scale[:, None]).view_as(convolution.weight)
        bias = norm.bias - shift * scale
        with torch.no_grad():
            _follow(norm, shift, variance * (count / max(count - 1, 1)))
    return functional.conv2d(pictures, folded, bias, convolution.stride, convolution.padding)


@torch.no_grad()
def _patch_moments(convolution: nn.Conv2d, pictures: Tensor) -> tuple[Tensor, Tensor, int]:
    """Mean (D,), covariance (D, D) and number of the patches of D = C · kernel² numbers that it reads."""
    kernel, padding, stride = convolution.kernel_size, convolution.padding, convolution.stride
    patches = functional.unfold(pictures, kernel, padding=padding, stride=stride)  # type: ignore[arg-type]
    rows = patches.transpose(0, 1).flatten(1)
    mean = rows.mean(dim=1)
    rows -= mean[:, None]
    return mean, (rows @ rows.T) / rows.shape[1], rows.shape[1]


def _follow(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    """The running statistics, one batch on."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    assert norm.momentum is not None
    norm.num_batches_tracked.add_(1)
    norm.running_mean.lerp_(mean, norm.momentum)
    norm.running_var.lerp_(variance, norm.momentum)


def _foldable(convolution: nn.Module, norm: nn.Module, pictures: Tensor) -> bool:
    return (
        type(convolution) is nn.Conv2d
        and type(norm) is nn.BatchNorm2d
        and pictures.dtype in (torch.float32, torch.float64)
        # A bias would get no gradient (the mean takes it off again), and processes in a group wait for one.
        and convolution.bias is None
        and convolution.groups == 1
        and convolution.dilation == (1, 1)
        and convolution.padding_mode == "zeros"
        and not isinstance(convolution.padding, str)
        and norm.training
        and norm.affine
        and norm.track_running_stats
        and norm.momentum is not None
    )


def _leaves(row: nn.Sequential) -> Iterator[nn.Module]:
    """The layers in order, those of rows within the row among them."""
    for layer in row:
        if type(layer) in (nn.Sequential, Stages):
            yield from _leaves(layer)  # type: ignore[arg-type]
        else:
            yield layer
