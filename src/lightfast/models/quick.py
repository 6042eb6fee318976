"""`Stages`: layers in a row that in training compute what they say with less to do."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn


class Stages(nn.Sequential):
    """An `nn.Sequential` (same names, same weights, same outside of training) that in training pools before
    the ReLU in place of after it: max(relu(x)) = relu(max(x)), of which a quarter of the numbers are left.

    Outputs and gradients are those of the plain row, to the last bit. (The first batch norm folded into its
    convolution by the covariance of the patches was measured, too: no faster.)
    """

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        layers, position = list(_leaves(self)), 0
        while position < len(layers):
            one, after = layers[position], layers[position + 1 : position + 2]
            if isinstance(one, nn.ReLU) and after and isinstance(after[0], nn.MaxPool2d):
                input = one(after[0](input))
                position += 2
            else:
                input = one(input)
                position += 1
        return input


def _leaves(row: nn.Sequential) -> Iterator[nn.Module]:
    """The layers in order, those of rows within the row among them."""
    for layer in row:
        if type(layer) in (nn.Sequential, Stages):
            yield from _leaves(layer)  # type: ignore[arg-type]
        else:
            yield layer
