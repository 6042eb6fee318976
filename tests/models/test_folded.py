"""Folding batch norms changes how a network is computed, not what it says, and leaves the network alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lightfast.models.build import build_network
from lightfast.models.folded import fold_batch_norms


def lived_in(network: nn.Module) -> nn.Module:
    """Statistics and scales as after a training: those of a fresh batch norm fold to nothing."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                assert tensor is not None
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return network


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize(
    ("name", "config"),
    [("cnn", {}), ("resnet9-small", {}), ("timm:efficientnet_lite0", {}), ("timm:resnet18", {})],
)
def test_a_folded_copy_says_the_same_with_no_batch_norm_left(name: str, config: dict):
    torch.manual_seed(0)
    network = lived_in(build_network(name, "classifier", (32, 32, 3), 4, config)).eval()
    pictures = torch.rand(3, 3, 32, 32)
    merged = fold_batch_norms(network, pictures[:1])
    with torch.no_grad():
        assert torch.allclose(merged(pictures), network(pictures), rtol=1e-3, atol=1e-4)
    assert norms(network) > 0
    assert norms(merged) == 0


def test_the_network_itself_stays_as_it_was():
    network = lived_in(build_network("resnet9-small", "classifier", (16, 16, 1), 3)).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fold_batch_norms(network, torch.rand(2, 1, 16, 16))
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


class Misleading(nn.Module):
    """Norm stands behind the convolution in the code and before it in the computation."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.convolution(self.norm(pictures)).mean(dim=(2, 3))


def test_where_the_code_misleads_nothing_is_folded():
    network = lived_in(Misleading()).eval()
    pictures = torch.rand(2, 3, 8, 8)
    merged = fold_batch_norms(network, pictures)
    assert norms(merged) == 1
    with torch.no_grad():
        assert torch.equal(merged(pictures), network(pictures))


def test_gradients_reach_the_picture_and_no_weight():
    network = lived_in(build_network("cnn", "classifier", (16, 16, 1), 3)).eval()
    merged = fold_batch_norms(network, torch.rand(1, 1, 16, 16))
    pictures = torch.rand(2, 1, 16, 16, requires_grad=True)
    merged(pictures).sum().backward()
    wanted = torch.autograd.grad(network(pictures).sum(), pictures)[0]
    assert pictures.grad is not None
    assert torch.allclose(pictures.grad, wanted, rtol=1e-3, atol=1e-5)
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in merged.parameters())
