"""A network as a row of stages, so that it can be cut: what stands before the cut is frozen,
what comes after it learns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lightfast.base.errors import SettingsError


@dataclass(frozen=True)
class Stage:
    """One step of a trunk.

    Attributes:
        name: as in the network's own code: "stem", "blocks.3", "layer2", "features" …
        run: what it does to a batch; it uses the trunk's own modules, so training it trains the trunk.
        modules: those modules.
        maps: whether the output is a map float (N, C, H, W) that keeps places; the last stage gives features
            (N, D).
    """

    name: str
    run: Callable[[Tensor], Tensor]
    modules: tuple[nn.Module, ...]
    maps: bool = True


def stages_of(trunk: nn.Module) -> tuple[Stage, ...]:
    """The stages of a timm network without a classifier (`num_classes=0`), in order; run one after the other
    they are its forward pass.

    EfficientNet, ResNet, VGG, Inception-v3 and ViT families are cut inside; any other network has two stages:
    all of it, and the pooling.
    """
    parts: Any = trunk
    if hasattr(trunk, "conv_stem") and hasattr(trunk, "blocks") and hasattr(trunk, "bn2"):
        return _efficientnet(parts)
    if all(hasattr(trunk, name) for name in ("conv1", "bn1", "maxpool", "layer4", "global_pool")):
        return _resnet(parts)
    if (
        hasattr(trunk, "features")
        and hasattr(trunk, "pre_logits")
        and isinstance(parts.features, nn.Sequential)
    ):
        return _vgg(parts)
    if hasattr(trunk, "Mixed_7c"):
        return _inception(parts)
    if hasattr(trunk, "patch_embed") and hasattr(trunk, "blocks") and hasattr(trunk, "_pos_embed"):
        return _vit(parts)
    return (Stage("features", parts.forward_features, (trunk,)), _pooling(parts, ()))


def run_stages(stages: Sequence[Stage], pictures: Tensor) -> Tensor:
    """A batch through the stages, one after the other."""
    for stage in stages:
        pictures = stage.run(pictures)
    return pictures


def position(stages: Sequence[Stage], wanted: str) -> int:
    """The number of the stage called `wanted`; raises SettingsError with the names there are."""
    names = [stage.name for stage in stages]
    if wanted not in names:
        raise SettingsError(
            f"from_stage={wanted}",
            expected="a stage of this network",
            cure=f"Its stages: {', '.join(names)}.",
        )
    return names.index(wanted)


def costs(stages: Sequence[Stage], pictures: Tensor) -> list[float]:
    """The share of the forward pass that every stage takes (sums to 1): multiply-adds of its convolutions and
    linear layers, counted on one batch of `pictures`.
    """
    counts = [0.0] * len(stages)
    place = {
        id(module): number
        for number, stage in enumerate(stages)
        for owner in stage.modules
        for module in owner.modules()
    }

    def count(module: nn.Module, _: Any, output: Any) -> None:
        weight = getattr(module, "weight", None)
        if isinstance(module, nn.Conv2d | nn.Linear) and weight is not None:
            places = (
                output[0, 0].numel()
                if isinstance(module, nn.Conv2d)
                else output[0].numel() // output.shape[-1]
            )
            counts[place[id(module)]] += float(weight.numel()) * places

    seen = {id(module): module for stage in stages for owner in stage.modules for module in owner.modules()}
    hooks = [module.register_forward_hook(count) for module in seen.values()]
    try:
        with torch.inference_mode():
            run_stages(stages, pictures)
    finally:
        for hook in hooks:
            hook.remove()
    total = sum(counts) or 1.0
    return [one / total for one in counts]


def _chain(name: str, *modules: nn.Module) -> Stage:
    def run(batch: Tensor) -> Tensor:
        for module in modules:
            batch = module(batch)
        return batch

    return Stage(name, run, modules)


def _pooling(
    trunk: Any, modules: tuple[nn.Module, ...], before: Callable[[Tensor], Tensor] | None = None
) -> Stage:
    def run(batch: Tensor) -> Tensor:
        return trunk.forward_head(before(batch) if before else batch, pre_logits=True)

    return Stage("pool", run, modules, maps=False)


def _efficientnet(trunk: Any) -> tuple[Stage, ...]:
    def last(batch: Tensor) -> Tensor:
        return trunk.bn2(trunk.conv_head(batch))

    blocks = [_chain(f"blocks.{number}", block) for number, block in enumerate(trunk.blocks)]
    return (
        _chain("stem", trunk.conv_stem, trunk.bn1),
        *blocks,
        _pooling(trunk, (trunk.conv_head, trunk.bn2), last),
    )


def _resnet(trunk: Any) -> tuple[Stage, ...]:
    layers = [_chain(name, getattr(trunk, name)) for name in ("layer1", "layer2", "layer3", "layer4")]
    return (_chain("stem", trunk.conv1, trunk.bn1, trunk.act1, trunk.maxpool), *layers, _pooling(trunk, ()))


def _vgg(trunk: Any) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    block: list[nn.Module] = []
    for module in trunk.features:
        block.append(module)
        if isinstance(module, nn.MaxPool2d):
            stages.append(_chain(f"features.{len(stages)}", *block))
            block = []
    rest = [_chain(f"features.{len(stages)}", *block)] if block else []
    return (*stages, *rest, _pooling(trunk, (trunk.pre_logits,)))


def _inception(trunk: Any) -> tuple[Stage, ...]:
    names = [name for name, _ in trunk.named_children() if name.startswith(("Conv2d_", "Pool", "Mixed_"))]
    first = names.index("Mixed_5b")
    stem = _chain("stem", *(getattr(trunk, name) for name in names[:first]))
    return (stem, *(_chain(name, getattr(trunk, name)) for name in names[first:]), _pooling(trunk, ()))


def _vit(trunk: Any) -> tuple[Stage, ...]:
    def embed(pictures: Tensor) -> Tensor:
        return trunk.norm_pre(trunk.patch_drop(trunk._pos_embed(trunk.patch_embed(pictures))))

    # The tokens carry no places of their own: (N, tokens, D).
    blocks = [
        Stage(f"blocks.{number}", block, (block,), maps=False) for number, block in enumerate(trunk.blocks)
    ]
    return (
        Stage("stem", embed, (trunk.patch_embed,), maps=False),
        *blocks,
        _pooling(trunk, (trunk.norm,), trunk.norm),
    )
