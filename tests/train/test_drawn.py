"""What a step draws, it draws where its generator is: of a graphics card's generator torch demands it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from lightfast.models.autoencoders import StackedAutoencoder
from lightfast.models.build import fresh_network
from lightfast.train.augment import augment
from lightfast.train.autoencoders import LayerDenoising, PenalisedRestoration
from lightfast.train.objectives import Restoration
from lightfast.train.transfer import _MapsObjective

SHAPE = (8, 8, 1)


def as_on_a_card(draw: Callable[..., Any]) -> Callable[..., Any]:
    """The draw, refused as torch refuses one by a card's generator without that card as the device."""

    def drawn(*sizes: Any, generator: torch.Generator, device: torch.device | None = None) -> Any:
        assert device == generator.device, "Expected a 'cpu' device type for generator but found 'cuda'"
        return draw(*sizes, generator=generator, device=device)

    return drawn


def fine_tune(generator: torch.Generator) -> Any:
    maps = torch.eye(3).half()
    return _MapsObjective(0.0)(nn.Identity(), (maps, maps, torch.tensor([0, 1, 2])), generator)


def layer_alone(generator: torch.Generator) -> Any:
    network = fresh_network("stacked-autoencoder", "restorer", SHAPE, 0, {"width": 3}, 0)
    assert isinstance(network, StackedAutoencoder)
    pictures = torch.zeros(2, *SHAPE, dtype=torch.uint8)
    return LayerDenoising(1, "bce")(network, (pictures, pictures), generator)


def contractive(generator: torch.Generator) -> Any:
    network = fresh_network("contractive-autoencoder", "restorer", SHAPE, 0, {"width": 3}, 0)
    pictures = torch.zeros(2, *SHAPE, dtype=torch.uint8)
    labels = torch.zeros(2, dtype=torch.int64)
    return PenalisedRestoration(Restoration("bce"))(network, (pictures, pictures, labels), generator)


def augmented(generator: torch.Generator) -> Any:
    kinds = ("shift", "flip", "mirror", "affine", "mirror-affine", "natural", "cutout")
    return [augment(torch.rand(2, 1, 8, 8), kind, generator) for kind in kinds]


@pytest.mark.parametrize("step", [fine_tune, layer_alone, contractive, augmented])
def test_what_is_drawn_is_drawn_where_the_generator_is(step: Callable, monkeypatch: pytest.MonkeyPatch):
    calls: list[int] = []
    generator = torch.Generator().manual_seed(0)
    for name in ("rand", "randint"):
        strict, plain = as_on_a_card(getattr(torch, name)), getattr(torch, name)

        def either(*sizes: Any, strict: Any = strict, plain: Any = plain, **named: Any) -> Any:
            if named.get("generator") is not generator:
                return plain(*sizes, **named)
            calls.append(1)
            return strict(*sizes, **named)

        monkeypatch.setattr(torch, name, either)
    step(generator)
    assert calls
