"""The maps of the picture that the layers of a network keep: shown, and differentiated by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lightfast.base.errors import CheckpointError, SettingsError
from lightfast.models.stages import hooked


def _same(maps: Tensor, output: Tensor) -> Tensor:
    return maps.to(output.dtype)


@dataclass(frozen=True, eq=False)
class MapLayer:
    """One place of a network where it keeps maps.

    Attributes:
        name: the module's dotted name in the network (in a backbone: within the backbone; behind an enhancer:
            within the classifier).
        module: the module whose output they are.
        channels, size: C and (h, w) for the pictures that the layers were looked up with.
        to_map: from the module's output (its first tensor where it gives several) to float (N, C, h, w).
        from_map: (maps, output) → the output with those maps in it: the inverse of `to_map`.
    """

    name: str
    module: nn.Module
    channels: int
    size: tuple[int, int]
    to_map: Callable[[Tensor], Tensor]
    from_map: Callable[[Tensor, Tensor], Tensor] = _same

    @property
    def places(self) -> int:
        """How many places of the picture it tells apart."""
        return self.size[0] * self.size[1]


def find_layer(layers: Sequence[MapLayer], wanted: str | None) -> MapLayer:
    """The layer called `wanted`; None takes the last one with more than one place.

    Raises CheckpointError without layers, SettingsError for an unknown name (with the layers there are) and
    where no layer, or not the one that was asked for, tells places apart.
    """
    if not layers:
        raise CheckpointError(
            "this network keeps no maps of the picture",
            expected="a convolutional network or a vision transformer",
            cure="Use a method that needs none: integrated-gradients, occlusion or lime.",
        )
    telling = [layer for layer in layers if layer.places > 1]
    names = ", ".join(layer.name for layer in telling)
    if not telling:
        raise SettingsError(
            "pictures of this size are smaller than the network's stride",
            expected="maps of more than one place",
            got="1 × 1 in every layer",
            cure="Use a classifier with a larger input side, or `method` occlusion or lime.",
        )
    if wanted is None:
        return telling[-1]
    found = next((layer for layer in layers if layer.name == wanted), None)
    if found is None:
        raise SettingsError(
            f"layer={wanted}",
            expected="a layer of this network that keeps maps",
            cure=f"Its layers: {names}.",
        )
    if found.places == 1:
        raise SettingsError(
            f"layer={wanted}: pictures of this size are smaller than its stride",
            expected="a map of more than one place",
            got="1 × 1",
            cure=f"Use a classifier with a larger input side, or one of its layers {names}.",
        )
    return found


def convolutions(layers: Sequence[MapLayer]) -> tuple[MapLayer, ...]:
    """The first and the second convolution, or the only one (of a vision transformer:
    its patch embedding).
    """
    return tuple(layer for layer in layers if isinstance(layer.module, nn.Conv2d))[:2]


@contextmanager
def evaluation_mode(network: nn.Module, one_view: bool = True) -> Iterator[None]:
    """Evaluation mode and, with `one_view`, the plain picture where a network averages over views of it;
    afterwards every module has the mode and the views that it had.
    """
    modes = [(module, module.training) for module in network.modules()]
    views = [
        (module, module.views)
        for module in network.modules()
        if one_view and isinstance(getattr(module, "views", None), str)
    ]
    try:
        network.eval()
        for module, _ in views:
            module.views = "one"  # pyright: ignore[reportArgumentType]
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for module, said in views:
            module.views = said


@torch.no_grad()
def compute_maps(network: nn.Module, layers: Sequence[MapLayer], pictures: Tensor) -> list[Tensor]:
    """What `layers` give for normalised float (N, C, H, W) pictures: float (N, C, h, w) each, as they were
    before anything changed them in place. One forward pass.
    """
    found: dict[str, Tensor] = {}

    def keep(name: str, layer: MapLayer, _module: nn.Module, _given: Any, output: Any) -> None:
        found[name] = layer.to_map(_tensor(output)).clone()

    hooks = [layer.module.register_forward_hook(partial(keep, layer.name, layer)) for layer in layers]
    with hooked(hooks), evaluation_mode(network):
        network(pictures)
    return [found[layer.name] for layer in layers]


class Probe(nn.Module):
    """Passes the maps of a layer on.

    `maps` are those of the last call, a leaf: what comes after can be differentiated by them.
    """

    maps: Tensor

    def forward(self, maps: Tensor) -> Tensor:
        self.maps = maps
        # The next layer may change its input in place, which a leaf forbids.
        return maps.clone()


@contextmanager
def graph_from(layer: MapLayer, probe: Probe) -> Iterator[None]:
    """Calls under `torch.no_grad()` record a graph from the maps of `layer` on, which go through `probe`;
    before it none is kept.
    """

    def swap(_module: nn.Module, _given: Any, output: Any) -> Any:
        tensor = _tensor(output).detach()
        maps = layer.to_map(tensor).requires_grad_()
        # Until the enclosing no_grad ends.
        torch.set_grad_enabled(True)
        changed = layer.from_map(probe(maps), tensor)
        return changed if isinstance(output, Tensor) else (changed, *output[1:])

    with hooked([layer.module.register_forward_hook(swap)]):
        yield


def require_passage(network: nn.Module, example: Tensor) -> None:
    """Raise SettingsError, with the cure, when one normalised picture does not pass through the network."""
    try:
        with torch.no_grad(), evaluation_mode(network):
            network(example)
    except (RuntimeError, ValueError, AssertionError, IndexError, ZeroDivisionError) as error:
        height, width = example.shape[-2:]
        reason = (str(error).splitlines() or [type(error).__name__])[0][:150]
        raise SettingsError(
            f"pictures of {height} × {width} pixels do not pass through this network ({reason})",
            expected="pictures at least as large as its stride, 32 pixels for most",
            cure="Use a classifier with a larger input side, e.g. of lightfast train with `model` lite0.",
        ) from error


def _tensor(output: Any) -> Tensor:
    """The output, or the first tensor of several."""
    return output if isinstance(output, Tensor) else output[0]
