"""Stages: what a plain row of layers computes in training, with less to do."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from lightfast.models.classifiers import ConvNet
from lightfast.models.papers import DrawingCNN
from lightfast.models.quick import Stages, normalised_convolution


def rows(stages: Stages) -> tuple[Stages, nn.Sequential]:
    """The stages in double precision, and the same layers as a plain row."""
    stages = stages.double().train()
    return stages, nn.Sequential(*copy.deepcopy(stages))


def pictures(channels: int = 1, side: int = 16) -> Tensor:
    return 0.3 + torch.rand(
        6, channels, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )


NETWORKS = {
    "batch norm": (lambda: ConvNet((16, 16, 3), 4, widths=(8, 16)).features, 3),
    "bias": (lambda: Stages(nn.Conv2d(1, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2)), 1),
    "odd kernel": (
        lambda: Stages(nn.Conv2d(1, 5, (3, 2), stride=2, padding=1, bias=False), nn.BatchNorm2d(5)),
        1,
    ),
    "no norm": (lambda: DrawingCNN((16, 16, 1), 4, pooled=True).features, 1),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_gradients_and_running_statistics_are_those_of_the_plain_row(name):
    make, channels = NETWORKS[name]
    quick, plain = rows(make())
    given = pictures(channels)
    outputs = [one(given) for one in (quick, plain)]
    for one in outputs:
        (one**2).sum().backward()
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-9, atol=1e-12)
    for one, other in zip(quick.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-8, atol=1e-9)
    for one, other in zip(quick.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_outside_of_training_every_layer_is_called_in_its_place():
    quick, plain = rows(NETWORKS["batch norm"][0]())
    quick.eval(), plain.eval()
    seen: list[str] = []
    quick[0][2].register_forward_hook(lambda *_: seen.append("relu"))
    quick[1].register_forward_hook(lambda *_: seen.append("pool"))
    assert torch.equal(quick(pictures(3)), plain(pictures(3)))
    assert seen == ["relu", "pool"]


def test_pictures_that_learn_get_their_gradient():
    quick, plain = rows(NETWORKS["batch norm"][0]())
    inputs = [pictures(3).requires_grad_() for _ in range(2)]
    for row, given in zip((quick, plain), inputs, strict=True):
        row(given).sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad)


def test_plain_surfaces_do_not_divide_by_zero():
    convolution, norm = nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2)
    found = normalised_convolution(convolution, norm, torch.full((4, 1, 8, 8), 0.5))
    torch.testing.assert_close(found, torch.zeros_like(found), atol=1e-3, rtol=0)
