"""A network as a row of stages, so that it can be cut: what stands before the cut is frozen,
what comes after it learns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lightfast.base.errors import SettingsError


@dataclass(frozen=True)
class Stage:
    """One step of a backbone.

    Attributes:
        name: as in the network's own code: "stem", "blocks.3", "layer2", "features" …
        run: what it does to a batch; it uses the backbone's own modules, so training it trains the backbone.
        modules: those modules.
        maps: whether the output is a map float (N, C, H, W) that keeps places; the last stage gives features
            (N, D).
    """

    name: str
    run: Callable[[Tensor], Tensor]
    modules: tuple[nn.Module, ...]
    maps: bool = True


def stages_of(backbone: nn.Module) -> tuple[Stage, ...]:
    """The stages of a timm network without a classifier (`num_classes=0`), in order; run one after the other
    they are its forward pass.

    EfficientNet, ResNet, VGG, Inception-v3 and ViT families are cut inside; any other network has two stages:
    all of it, and the pooling.
    """
    parts: Any = backbone
    for names, family in _FAMILIES:
        if all(hasattr(backbone, name) for name in names):
            return family(parts)
    return (Stage("features", parts.forward_features, (backbone,)), _pooling(parts, ()))


@contextmanager
def hooked(hooks: Sequence[RemovableHandle]) -> Iterator[None]:
    """Removes the hooks at the end, whatever happens."""
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def run_stages(stages: Sequence[Stage], pictures: Tensor) -> Tensor:
    """A batch through the stages, one after the other."""
    for stage in stages:
        pictures = stage.run(pictures)
    return pictures


def stage_index(stages: Sequence[Stage], wanted: str) -> int:
    """The number of the stage called `wanted`; raises SettingsError with the names there are."""
    names = [stage.name for stage in stages]
    if wanted not in names:
        raise SettingsError(
            f"from_stage={wanted}",
            expected="a stage of this network",
            cure=f"Its stages: {', '.join(names)}.",
        )
    return names.index(wanted)


def stage_costs(stages: Sequence[Stage], pictures: Tensor) -> list[float]:
    """The share of the forward pass that every stage takes (sums to 1): multiply-adds of its convolutions and
    linear layers, counted on one batch of `pictures`.
    """
    counts = [0.0] * len(stages)
    place = {
        module: number
        for number, stage in enumerate(stages)
        for owner in stage.modules
        for module in owner.modules()
    }

    def count(module: nn.Module, _: Any, output: Any) -> None:
        weight = getattr(module, "weight", None)
        if isinstance(module, nn.Conv2d | nn.Linear) and weight is not None:
            places = output[0].numel() // output.shape[1 if isinstance(module, nn.Conv2d) else -1]
            counts[place[module]] += float(weight.numel()) * places

    hooks = [module.register_forward_hook(count) for module in place]
    with hooked(hooks), torch.inference_mode():
        run_stages(stages, pictures)
    total = sum(counts) or 1.0
    return [one / total for one in counts]


def _chain(name: str, *modules: nn.Module) -> Stage:
    def run(batch: Tensor) -> Tensor:
        for module in modules:
            batch = module(batch)
        return batch

    return Stage(name, run, modules)


def _pooling(
    backbone: Any, modules: tuple[nn.Module, ...], before: Callable[[Tensor], Tensor] | None = None
) -> Stage:
    def run(batch: Tensor) -> Tensor:
        return backbone.forward_head(before(batch) if before else batch, pre_logits=True)

    return Stage("pool", run, modules, maps=False)


def _efficientnet(backbone: Any) -> tuple[Stage, ...]:
    def last(batch: Tensor) -> Tensor:
        return backbone.bn2(backbone.conv_head(batch))

    blocks = [_chain(f"blocks.{number}", block) for number, block in enumerate(backbone.blocks)]
    return (
        _chain("stem", backbone.conv_stem, backbone.bn1),
        *blocks,
        _pooling(backbone, (backbone.conv_head, backbone.bn2), last),
    )


def _resnet(backbone: Any) -> tuple[Stage, ...]:
    layers = [_chain(name, getattr(backbone, name)) for name in ("layer1", "layer2", "layer3", "layer4")]
    return (
        _chain("stem", backbone.conv1, backbone.bn1, backbone.act1, backbone.maxpool),
        *layers,
        _pooling(backbone, ()),
    )


def _vgg(backbone: Any) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    block: list[nn.Module] = []
    for module in backbone.features:
        block.append(module)
        if isinstance(module, nn.MaxPool2d):
            stages.append(_chain(f"features.{len(stages)}", *block))
            block = []
    rest = [_chain(f"features.{len(stages)}", *block)] if block else []
    return (*stages, *rest, _pooling(backbone, (backbone.pre_logits,)))


def _inception(backbone: Any) -> tuple[Stage, ...]:
    names = [name for name, _ in backbone.named_children() if name.startswith(("Conv2d_", "Pool", "Mixed_"))]
    first = names.index("Mixed_5b")
    stem = _chain("stem", *(getattr(backbone, name) for name in names[:first]))
    return (stem, *(_chain(name, getattr(backbone, name)) for name in names[first:]), _pooling(backbone, ()))


def _vit(backbone: Any) -> tuple[Stage, ...]:
    def embed(pictures: Tensor) -> Tensor:
        return backbone.norm_pre(backbone.patch_drop(backbone._pos_embed(backbone.patch_embed(pictures))))

    # The tokens carry no places of their own: (N, tokens, D).
    blocks = [
        Stage(f"blocks.{number}", block, (block,), maps=False) for number, block in enumerate(backbone.blocks)
    ]
    return (
        Stage("stem", embed, (backbone.patch_embed,), maps=False),
        *blocks,
        _pooling(backbone, (backbone.norm,), backbone.norm),
    )


# What a family is known by; the first that fits counts. `features` with `pre_logits` are VGG alone.
_FAMILIES: tuple[tuple[tuple[str, ...], Callable[[Any], tuple[Stage, ...]]], ...] = (
    (("conv_stem", "blocks", "bn2"), _efficientnet),
    (("conv1", "bn1", "maxpool", "layer4", "global_pool"), _resnet),
    (("features", "pre_logits"), _vgg),
    (("Mixed_7c",), _inception),
    (("patch_embed", "blocks", "_pos_embed"), _vit),
)
