"""Where a network keeps maps of the picture, read from what the network says of itself, layer by layer.

timm's networks name their stages (`feature_info`), their order of axes (`output_fmt`), their tokens
(`num_prefix_tokens`) and their grid (`patch_embed.grid_size`); transformers' name their tokens by parameter.
Where nothing is said, a convolution with what follows it up to the next convolution, pooling or size is one
layer: that describes our own networks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lightfast.models.enhanced_network import EnhancedNetwork
from lightfast.models.hub import TransformersClassifier
from lightfast.models.maps import MapLayer, require_passage
from lightfast.models.stages import hooked
from lightfast.models.transfer import TransferNetwork

MOST_UNSAID = 16
"""Of a network that names no stages and has more layers than this,
the last layer of each size stands for the others.
"""
_POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Upsample)
_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
_TOKEN_NAMES = ("cls_token", "distillation_token", "register_tokens")
_Said = tuple[int | None, int | None]  # channels and reduction of a stage, as far as the network names them


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
    layers = _layers(run, _first_convolutions(run)) | (_described(run) or _thinned(_unsaid(run)))
    return tuple(layers[number] for number in sorted(layers))


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
    hooks.append(reader.register_forward_pre_hook(lambda _, given: sizes.append(tuple(given[0].shape[-2:]))))
    with hooked(hooks):
        require_passage(network, example)
    # What runs several times has no one map.
    times = Counter(event.name for event in events)
    return _Pass(tuple(event for event in events if times[event.name] == 1), sizes[0], owner)


def _layers(
    run: _Pass, numbers: Iterable[int], said: Mapping[int, _Said] | None = None
) -> dict[int, MapLayer]:
    """The layers of those events whose output keeps places."""
    made = {number: _layer_of(run, number, *(said or {}).get(number, (None, None))) for number in numbers}
    return {number: layer for number, layer in made.items() if layer is not None}


def _layer_of(run: _Pass, number: int, channels: int | None, reduction: int | None) -> MapLayer | None:
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
    stages = _stages(run)
    found = _layers(run, stages or _blocks(run), stages)
    if not found:
        return {}
    last = max(found)
    output = run.events[last].output
    if output.ndim == 3 and _prefix_tokens(run.owner):
        behind = _layers(run, _norms(run, last)[:1])
        if behind:
            del found[last]
        return found | behind
    if output.ndim == 4:
        found |= {
            number: layer
            for number, layer in _unsaid(run).items()
            if number > last and layer.places > 1 and run.events[number].output is not output
        }
    return found


def _stages(run: _Pass) -> dict[int, _Said]:
    """The events that `feature_info` names, pools left out."""
    info: Any = getattr(run.owner, "feature_info", None)
    rows = getattr(info, "info", info) or ()
    said = {run.first(row["module"]): (row.get("num_chs"), row.get("reduction")) for row in rows}
    return {
        number: one
        for number, one in said.items()
        if number >= 0 and not isinstance(run.events[number].module, _POOLS)
    }


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


def _norms(run: _Pass, number: int) -> list[int]:
    """The normalisations of a block that keep its shape."""
    block = run.events[number]
    return [
        place
        for place, event in enumerate(run.events)
        if event.name.startswith(f"{block.name}.")
        and "norm" in type(event.module).__name__.lower()
        and event.output.shape == block.output.shape
    ]


def _unsaid(run: _Pass) -> dict[int, MapLayer]:
    """Each convolution with what follows it: normalisation, activation, dropout,
    the sum of a residual block.
    """
    chosen: list[int] = []
    begun = 0
    pooled: Tensor | None = None
    current: tuple[int, ...] | None = None
    for number, event in enumerate(run.events):
        output, shape = event.output, tuple(event.output.shape)
        if isinstance(event.module, _POOLS) or output.ndim != 4:
            pooled, current = output, None
            continue
        if isinstance(event.module, nn.Identity) or output is pooled:
            continue
        inside = _convolutions_in(event.module)
        if isinstance(event.module, _CONVOLUTIONS) or (inside and shape != current):
            chosen.append(number)
            begun, current = inside, shape
        # A container that only hands the output on gives the layer its name when nothing else is in it.
        elif shape == current and (inside in (0, begun) or output is not run.events[chosen[-1]].output):
            chosen[-1] = number
    return _layers(run, chosen)


def _convolutions_in(module: nn.Module) -> int:
    return sum(isinstance(part, _CONVOLUTIONS) for part in module.modules())


def _thinned(layers: dict[int, MapLayer]) -> dict[int, MapLayer]:
    """Of too many layers the last of each size."""
    if len(layers) <= MOST_UNSAID:
        return layers
    last_of = {layer.size: number for number, layer in layers.items()}
    return {number: layers[number] for number in sorted(last_of.values())}
