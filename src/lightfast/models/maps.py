"""Where a network keeps maps of the picture, read from what the network says of itself, so that they can be
shown and differentiated.

timm's networks name their stages (`feature_info`), their order of axes (`output_fmt`), their tokens
(`num_prefix_tokens`) and their grid (`patch_embed.grid_size`); transformers' name their tokens by parameter.
Where nothing is said, a convolution with what follows it up to the next convolution, pooling or size is one
layer: that describes our own networks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lightfast.base.errors import CheckpointError, SettingsError
from lightfast.models.enhanced_network import EnhancedNetwork
from lightfast.models.hub import TransformersClassifier
from lightfast.models.transfer import TransferNetwork

MOST_UNSAID = 16
"""Of a network that names no stages and has more layers than this,
the last layer of each size stands for the others.
"""
_POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Upsample)
_TOKEN_NAMES = ("cls_token", "distillation_token", "register_tokens")


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


@dataclass(frozen=True, eq=False)
class _Event:
    """A module that gave a tensor, in the order of the forward pass."""

    name: str
    module: nn.Module
    output: Tensor


@dataclass(frozen=True, eq=False)
class _Pass:
    """One forward pass of a single picture: what each module gave, the (H, W) that the described part got,
    and that part.
    """

    events: tuple[_Event, ...]
    size: tuple[int, int]
    owner: nn.Module

    def first(self, name: str) -> int:
        """The number of the event called `name`, or -1."""
        return next((number for number, event in enumerate(self.events) if event.name == name), -1)


def map_layers(network: nn.Module, example: Tensor) -> tuple[MapLayer, ...]:
    """The layers that keep maps, in the order of the forward pass; none for a network that keeps no places
    (an MLP).

    Of a transformer with a class token the last block gives way to its first norm: behind it no other token
    counts, so that nothing could be differentiated by them.

    Args:
        network: any classifier's network; it is left as it was.
        example: one normalised picture, float (1, C, H, W).

    Raises SettingsError when the pictures are too small to pass through the network.
    """
    run = _forward_pass(network, example)
    layers = _described(run) or _unsaid(run)
    for number in _first_convolutions(run):
        layer = _layer_of(run, number, None, None)
        if layer is not None:
            layers.setdefault(number, layer)
    return tuple(layers[number] for number in sorted(layers))


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
            cure="Use a classifier with a larger input side, or --method occlusion or lime.",
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
    try:
        with evaluation_mode(network):
            network(pictures)
    finally:
        for hook in hooks:
            hook.remove()
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

    hook = layer.module.register_forward_hook(swap)
    try:
        yield
    finally:
        hook.remove()


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
            cure="Use a classifier with a larger input side, e.g. one trained with --model lite0.",
        ) from error


def _tensor(output: Any) -> Tensor:
    """The output, or the first tensor of several."""
    return output if isinstance(output, Tensor) else output[0]


def _parts(network: nn.Module) -> tuple[nn.Module, nn.Module]:
    """(the module that gets the pictures of the classifier, the module that describes itself)."""
    if isinstance(network, EnhancedNetwork):
        return _parts(network.classifier)
    if isinstance(network, TransferNetwork):
        return network, network.backbone
    return (network, network.model) if isinstance(network, TransformersClassifier) else (network, network)


def _forward_pass(network: nn.Module, example: Tensor) -> _Pass:
    events: list[_Event] = []
    sizes: list[tuple[int, int]] = []
    reader, owner = _parts(network)

    def seen(name: str, module: nn.Module, _given: Any, output: Any) -> None:
        first = output[0] if isinstance(output, tuple | list) and output else output
        if isinstance(first, Tensor):
            events.append(_Event(name, module, first))

    hooks = [
        module.register_forward_hook(partial(seen, name)) for name, module in owner.named_modules() if name
    ]
    hooks.append(
        reader.register_forward_pre_hook(
            lambda _, given: sizes.append((given[0].shape[-2], given[0].shape[-1]))
        )
    )
    try:
        require_passage(network, example)
    finally:
        for hook in hooks:
            hook.remove()
    # What runs several times has no one map.
    times = Counter(event.name for event in events)
    return _Pass(tuple(event for event in events if times[event.name] == 1), sizes[0], owner)


def _layer_of(run: _Pass, number: int, channels: int | None, reduction: int | None) -> MapLayer | None:
    """The layer of an event, or None when its output keeps no places."""
    event = run.events[number]
    shape = tuple(event.output.shape)
    if len(shape) == 4:
        last = (
            channels is not None
            and shape[-1] == channels
            and (shape[1] != channels or getattr(run.owner, "output_fmt", "") == "NHWC")
        )
        if last:
            return MapLayer(event.name, event.module, shape[3], (shape[1], shape[2]), _from_last, _to_last)
        return MapLayer(
            event.name, event.module, shape[1], (shape[2], shape[3]), lambda output: output.float()
        )
    if len(shape) != 3:
        return None
    for prefix in dict.fromkeys((_prefix_tokens(run.owner), 0)):
        for grid in _grids(run, reduction):
            if grid[0] * grid[1] + prefix == shape[1]:
                to_map, from_map = partial(_from_tokens, prefix, grid), partial(_to_tokens, prefix)
                return MapLayer(event.name, event.module, shape[2], grid, to_map, from_map)
    return None


def _from_last(output: Tensor) -> Tensor:
    return output.permute(0, 3, 1, 2).float()


def _to_last(maps: Tensor, output: Tensor) -> Tensor:
    return maps.permute(0, 2, 3, 1).to(output.dtype)


def _from_tokens(prefix: int, grid: tuple[int, int], output: Tensor) -> Tensor:
    return output[:, prefix:].transpose(1, 2).unflatten(2, grid).float()


def _to_tokens(prefix: int, maps: Tensor, output: Tensor) -> Tensor:
    return torch.cat([output[:, :prefix], maps.flatten(2).transpose(1, 2).to(output.dtype)], dim=1)


def _prefix_tokens(owner: nn.Module) -> int:
    """How many tokens stand before those of the places."""
    said = getattr(owner, "num_prefix_tokens", None)
    if said is not None:
        return int(said)
    return sum(
        parameter.shape[-2]
        for name, parameter in owner.named_parameters()
        if name.rpartition(".")[2] in _TOKEN_NAMES
    )


def _grids(run: _Pass, reduction: int | None) -> Iterator[tuple[int, int]]:
    """The grids that a row of tokens can stand for, the likeliest first."""
    height, width = run.size
    embed: Any = getattr(run.owner, "patch_embed", None)
    if embed is not None and getattr(embed, "grid_size", None) is not None:
        sized = hasattr(embed, "dynamic_feat_size") and not getattr(embed, "strict_img_size", True)
        yield tuple(embed.dynamic_feat_size((height, width)) if sized else embed.grid_size)
    if reduction is not None:
        yield -(-height // reduction), -(-width // reduction)
    # The patch embedding's own grid, halved by each merging of patches.
    first = _first_convolutions(run)[:1]
    for halvings in range(5 if first else 0):
        rows, columns = run.events[first[0]].output.shape[-2:]
        yield -(-rows // 2**halvings), -(-columns // 2**halvings)


def _first_convolutions(run: _Pass) -> list[int]:
    return [
        number
        for number, event in enumerate(run.events)
        if isinstance(event.module, nn.Conv2d) and event.output.ndim == 4
    ][:2]


def _described(run: _Pass) -> dict[int, MapLayer]:
    """What timm's `feature_info` names, and a last convolution behind it;
    or the blocks of a transformer that has none.
    """
    info: Any = getattr(run.owner, "feature_info", None)
    rows = list(getattr(info, "info", info) or ())
    named = [(run.first(row["module"]), row.get("num_chs"), row.get("reduction")) for row in rows]
    named = [row for row in named if row[0] >= 0 and not isinstance(run.events[row[0]].module, _POOLS)] or [
        (number, None, None) for number in _blocks(run)
    ]
    made = ((number, _layer_of(run, number, channels, reduction)) for number, channels, reduction in named)
    found = {number: layer for number, layer in made if layer is not None}
    if not found:
        return {}
    last = max(found)
    if run.events[last].output.ndim == 3 and _prefix_tokens(run.owner):
        number = _first_norm(run, last)
        behind = None if number is None else _layer_of(run, number, None, None)
        if number is not None and behind is not None:
            found = {key: layer for key, layer in found.items() if key != last} | {number: behind}
    elif run.events[last].output.ndim == 4:
        found |= {
            number: layer
            for number, layer in _unsaid(run, thinned=False).items()
            if number > last and layer.places > 1 and run.events[number].output is not run.events[last].output
        }
    return found


def _blocks(run: _Pass) -> list[int]:
    """The blocks of a transformer: outermost members of a module list that give rows of tokens."""
    lists = {name for name, module in run.owner.named_modules() if isinstance(module, nn.ModuleList)}
    members = [
        event.name
        for event in run.events
        if event.name.rpartition(".")[0] in lists and event.output.ndim == 3
    ]
    inner = {name for name in members for other in members if name.startswith(f"{other}.")}
    return [run.first(name) for name in members if name not in inner]


def _first_norm(run: _Pass, number: int) -> int | None:
    block = run.events[number]
    inside = (
        (place, event) for place, event in enumerate(run.events) if event.name.startswith(f"{block.name}.")
    )
    return next(
        (
            place
            for place, event in inside
            if "norm" in type(event.module).__name__.lower() and event.output.shape == block.output.shape
        ),
        None,
    )


def _unsaid(run: _Pass, thinned: bool = True) -> dict[int, MapLayer]:
    """Each convolution with what follows it: normalisation, activation, dropout,
    the sum of a residual block.
    """
    chosen: list[int] = []
    begun = 0
    pooled: Tensor | None = None
    current: tuple[int, ...] | None = None
    for number, event in enumerate(run.events):
        output, is_convolution = event.output, isinstance(event.module, nn.Conv2d | nn.ConvTranspose2d)
        inside = sum(isinstance(module, nn.Conv2d | nn.ConvTranspose2d) for module in event.module.modules())
        if isinstance(event.module, _POOLS) or output.ndim != 4:
            pooled, current = output, None
            continue
        if isinstance(event.module, nn.Identity) or output is pooled:
            continue
        shape = tuple(output.shape)
        if is_convolution or (inside and shape != current):
            chosen.append(number)
            begun, current = inside, shape
        elif shape == current:
            passed_on = output is run.events[chosen[-1]].output and inside
            # A container that only hands the output on gives the layer its name when nothing else is in it.
            if not passed_on or inside == begun:
                chosen[-1] = number
    layers = {number: layer for number in chosen if (layer := _layer_of(run, number, None, None)) is not None}
    if thinned and len(layers) > MOST_UNSAID:
        last_of = {layer.size: number for number, layer in layers.items()}
        layers = {number: layers[number] for number in sorted(last_of.values())}
    return layers
