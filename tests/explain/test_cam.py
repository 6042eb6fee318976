"""Grad-CAM and Grad-CAM++ against the definitions of their papers, written out."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from lightfast.base.errors import CheckpointError
from lightfast.data.preprocess import Preprocess, to_pixels
from lightfast.explain.attribution import explain
from lightfast.explain.cam import grad_cam_plus_plus
from lightfast.explain.methods import ExplainSettings
from lightfast.models.build import fresh_network
from lightfast.models.checkpoint import Checkpoint


def checkpoint(network: nn.Module, shape: tuple[int, int, int], outputs: int = 3) -> Checkpoint:
    return Checkpoint(
        "classifier",
        "cnn",
        shape,
        outputs,
        tuple("abcdefgh"[:outputs]),
        Preprocess.identity(shape),
        network.eval(),
    )


def random_pictures(count: int, shape: tuple[int, int, int]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


def cut_in_two(front: nn.Module, back: nn.Module, pixels: Tensor, target: int) -> tuple[Tensor, Tensor]:
    """(maps, gradient of the target's logit by them), one picture at a time,
    with a graph through everything.
    """
    maps = front(pixels)
    maps.retain_grad()
    back(maps)[0, target].backward()
    assert maps.grad is not None
    return maps.detach()[0], maps.grad[0]


def test_grad_cam_is_the_rectified_sum_of_maps_times_mean_gradients():
    network = fresh_network("cnn", "classifier", (24, 16, 3), 3, {}, 0).eval()
    images, targets = random_pictures(4, (24, 16, 3)), np.array([0, 1, 2, 1])
    found = explain(checkpoint(network, (24, 16, 3)), images, targets=targets)
    # features.5 pools: the maps are those before it.
    front, back = network.features[:5], nn.Sequential(network.features[5], network.head)
    for row, target in enumerate(targets):
        maps, gradient = cut_in_two(front, back, to_pixels(torch.from_numpy(images[row : row + 1])), target)
        wanted = sum(gradient[channel].mean() * maps[channel] for channel in range(len(maps)))
        wanted = functional.interpolate(torch.relu(wanted)[None, None], size=(24, 16), mode="bilinear")[0, 0]
        assert np.allclose(found.maps[row], wanted.numpy(), rtol=1e-3, atol=1e-4 * float(wanted.max()))
    assert found.maps.max() > 0


def test_grad_cam_of_a_vit_weighs_the_tokens_of_places_only():
    network = timm.create_model(
        "vit_tiny_patch16_224",
        img_size=(32, 24),
        patch_size=8,
        embed_dim=16,
        depth=3,
        num_heads=2,
        num_classes=3,
    )
    images = random_pictures(2, (32, 24, 3))
    found = explain(
        checkpoint(network, (32, 24, 3)),
        images,
        targets=np.array([2, 0]),
        settings=ExplainSettings(layer="blocks.1"),
    )
    for row, target in enumerate((2, 0)):
        tokens = network.blocks[:2](
            network._pos_embed(network.patch_embed(to_pixels(torch.from_numpy(images[row : row + 1]))))
        )
        tokens.retain_grad()
        network.forward_head(network.norm(network.blocks[2](tokens)))[0, target].backward()
        values, gradient = tokens.detach()[0, 1:], tokens.grad[0, 1:]
        wanted = torch.relu(values @ gradient.mean(dim=0)).reshape(1, 1, 4, 3)
        wanted = functional.interpolate(wanted, size=(32, 24), mode="bilinear")[0, 0]
        assert np.allclose(found.maps[row], wanted.numpy(), rtol=1e-3, atol=1e-4 * float(wanted.max()))


@pytest.mark.parametrize("name", ["vit", "swin"])
def test_the_default_layer_of_a_transformer_says_something(name):
    torch.manual_seed(0)
    if name == "vit":
        network = timm.create_model(
            "vit_tiny_patch16_224",
            img_size=32,
            patch_size=8,
            embed_dim=16,
            depth=2,
            num_heads=2,
            num_classes=3,
        )
    else:
        network = timm.create_model(
            "swin_tiny_patch4_window7_224",
            img_size=64,
            window_size=4,
            embed_dim=16,
            depths=(1, 1, 2, 1),
            num_heads=(1, 1, 2, 2),
            num_classes=3,
        )
    side = 32 if name == "vit" else 64
    made, images = checkpoint(network, (side, side, 3)), random_pictures(3, (side, side, 3))
    # Of three classes at least one is spoken for in every picture.
    maps = np.stack([explain(made, images, targets=np.full(3, target)).maps for target in range(3)])
    assert (maps.max(axis=(0, 2, 3)) > 0).all()


class Tiny(nn.Module):
    """A convolution with ReLU, then a piecewise linear head:
    small enough for third derivatives one by one.
    """

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.front = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU())
        self.back = nn.Sequential(nn.Flatten(), nn.Linear(3 * 12, 8), nn.ReLU(), nn.Linear(8, 3))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.back(self.front(pictures))


def by_the_paper(network: Tiny, pixels: Tensor, target: int) -> Tensor:
    """Grad-CAM++ as equations 10 and 19 define it:
    α from the second and third derivative of exp(logit) by every single place.
    """
    maps = network.front(pixels)[0].detach()

    def score(values: Tensor) -> Tensor:
        return torch.exp(network.back(values[None])[0, target])

    weights = torch.zeros(len(maps), dtype=maps.dtype)
    for channel, row, column in np.ndindex(*maps.shape):

        def along(step: Tensor, channel: int = channel, row: int = row, column: int = column) -> Tensor:
            moved = maps.clone()
            moved[channel, row, column] = maps[channel, row, column] + step
            return score(moved)

        step = torch.zeros((), dtype=maps.dtype, requires_grad=True)
        (first,) = torch.autograd.grad(along(step), step, create_graph=True)
        (second,) = torch.autograd.grad(first, step, create_graph=True)
        (third,) = torch.autograd.grad(second, step)
        below = 2 * second + maps[channel].sum() * third
        weights[channel] += (second / below if below != 0 else 0) * torch.relu(first.detach())
    return torch.relu((weights[:, None, None] * maps).sum(dim=0)).detach() / score(maps).detach()


def test_grad_cam_plus_plus_is_the_papers_formula_by_second_and_third_derivatives():
    from lightfast.explain.methods import AttributionRequest
    from lightfast.models.map_layers import map_layers
    from lightfast.models.maps import find_layer

    network = Tiny().double()
    pixels = torch.rand(2, 1, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    layer = find_layer(map_layers(network, pixels[:1]), "front")
    asked = AttributionRequest(
        checkpoint(network, (4, 3, 1)), pixels, torch.tensor([0, 2]), ExplainSettings(), 0, layer
    )
    wanted = torch.stack(
        [by_the_paper(network, pixels[row : row + 1], target) for row, target in enumerate((0, 2))]
    )
    assert wanted.max() > 0
    assert torch.allclose(grad_cam_plus_plus(asked), wanted, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("method", ["grad-cam", "grad-cam++"])
def test_maps_of_nothing_stay_zero_and_finite(method):
    network = fresh_network("cnn", "classifier", (16, 16, 1), 3, {}, 0)
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    found = explain(checkpoint(network, (16, 16, 1)), random_pictures(2, (16, 16, 1)), method=method)
    assert (found.maps == 0).all()


@pytest.mark.parametrize("method", ["grad-cam", "grad-cam++"])
def test_it_looks_at_what_decides(method):
    # A detector of bright spots whose logit is their sum: what is bright is what counts.
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.tensor(1.0))
        network[0].bias.zero_()
    images = np.zeros((1, 8, 8, 1), dtype=np.uint8)
    images[0, 5, 2] = 255
    found = explain(checkpoint(network, (8, 8, 1), 2), images, method=method)
    assert np.unravel_index(found.maps[0].argmax(), (8, 8)) == (5, 2)
    assert (found.maps[0] > 0).sum() == 1


def test_the_layers_before_the_maps_leave_no_graph():
    network = fresh_network("cnn", "classifier", (16, 16, 1), 3, {}, 0)
    graphs: list[bool] = []
    for part in (network.features[0], network.features[2], network.head[2]):
        part.register_forward_hook(lambda _module, _given, output: graphs.append(output.requires_grad))
    explain(
        checkpoint(network, (16, 16, 1)),
        random_pictures(1, (16, 16, 1)),
        settings=ExplainSettings(layer="features.4"),
    )
    # Once to find the layers, once for the gradient.
    assert graphs == [False, False, False, False, False, True]


def test_a_layer_that_does_not_reach_the_logits_is_refused_with_the_cure():
    class Aside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused, self.head = nn.Conv2d(1, 2, 3), nn.Conv2d(1, 2, 3), nn.Linear(2 * 36, 3)

        def forward(self, pictures: Tensor) -> Tensor:
            maps = self.used(pictures)
            self.unused(pictures)
            return self.head(maps.flatten(1))

    with pytest.raises(
        CheckpointError,
        match=r"layer=unused: the logits do not depend on these maps\. Choose an earlier layer",
    ):
        explain(checkpoint(Aside(), (8, 8, 1)), random_pictures(1, (8, 8, 1)))
