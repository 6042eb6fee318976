"""Stages: what a plain row of layers computes in training, with less to do."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lightfast.models.classifiers import ConvNet
from lightfast.models.papers import DrawingCNN, LayeredCNN
from lightfast.models.quick import Stages

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "batch norm between": lambda: ConvNet((16, 16, 1), 4, widths=(8, 16)),
    "none": lambda: DrawingCNN((16, 16, 1), 4, pooled=True),
    "batch norm after the ReLU": lambda: LayeredCNN((28, 28, 1), 4, layers=3, noise=0.0, dropout=0.0),
}


def rows(name: str) -> tuple[Stages, nn.Sequential]:
    """The stages of a network, and the same layers as a plain row."""
    stages = NETWORKS[name]().features
    assert isinstance(stages, Stages)
    return stages.train(), nn.Sequential(*copy.deepcopy(stages)).train()


def pictures() -> Tensor:
    return torch.randn(6, 1, 28, 28, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_gradients_and_running_statistics_are_those_of_the_plain_row(name):
    quick, plain = rows(name)
    outputs = [one(pictures()) for one in (quick, plain)]
    for one in outputs:
        (one**2).sum().backward()
    assert torch.equal(*outputs)
    for one, other in zip(quick.parameters(), plain.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)
    for one, other in zip(quick.buffers(), plain.buffers(), strict=True):
        assert torch.equal(one, other)


def calls(quick: Stages) -> list[str]:
    seen: list[str] = []
    quick[0][2].register_forward_hook(lambda *_: seen.append("relu"))
    quick[1].register_forward_hook(lambda *_: seen.append("pool"))
    quick(pictures())
    return seen


def test_pooling_comes_first_in_training_alone():
    quick, _ = rows("batch norm between")
    assert calls(copy.deepcopy(quick)) == ["pool", "relu"]
    assert calls(quick.eval()) == ["relu", "pool"]
