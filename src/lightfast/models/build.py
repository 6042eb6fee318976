"""Networks by name: the table of models, filled by the families that register themselves on import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from lightfast.base.errors import SettingsError
from lightfast.base.randomness import derive_seed
from lightfast.data.preprocess import Preprocess

# Each family adds its own to MODELS.
from lightfast.models import (  # noqa: F401
    aligned,
    autoencoders,
    backbones,
    classifiers,
    feature_denoising,
    forest,
    hub,
    papers,
    restorers,
    transfer,
    whitened,
)
from lightfast.models.enhanced_network import ENHANCED_MODEL as ENHANCED
from lightfast.models.enhanced_network import EnhancedNetwork
from lightfast.models.registry import MODELS, ImageShape, ModelSpec, Role, register


def find_model(name: str, role: Role) -> ModelSpec:
    """The spec called `name` (also `timm:NAME` and `hf-hub:ID`); raises UnknownName,
    or SettingsError when its role is another.
    """
    prefix, sign, _ = name.partition(":")
    spec = MODELS.get(f"{prefix}:") if sign and f"{prefix}:" in MODELS else MODELS.get(name)
    wanted = "restorer" if role == "restorer" else "classifier"
    if spec.role != wanted:
        known = ", ".join(entry.name for entry in MODELS if entry.role == wanted)
        raise SettingsError(
            f"model {name!r} is a {spec.role}", expected=f"a {wanted}", cure=f"Known: {known}."
        )
    return spec


def build_network(
    name: str, role: Role, image_shape: ImageShape, outputs: int, config: dict[str, Any] | None = None
) -> Any:
    """Build the network called `name` with fresh weights drawn from torch's current generator state."""
    spec = find_model(name, role)
    extra = {"identifier": name.partition(":")[2]} if spec.name.endswith(":") else {}
    try:
        return spec.build(image_shape, outputs, **extra, **(config or {}))
    except (TypeError, ValueError) as error:
        shown = ", ".join(f"{key}={value!r}" for key, value in (config or {}).items())
        what = f"model {name} cannot be built with {shown or 'these pictures'} ({error})"
        raise SettingsError(what, cure="docs/models.md lists its settings.") from error


def fresh_network(
    model: str, role: Role, shape: ImageShape, outputs: int, config: Mapping[str, Any], seed: int
) -> Any:
    """A network with weights drawn from (seed, role, model); torch's global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "weights", role, model))
        return build_network(model, role, shape, outputs, dict(config))


def _build(
    image_shape: ImageShape, outputs: int, enhancer: Mapping[str, Any], classifier: Mapping[str, Any]
) -> EnhancedNetwork:
    """`enhancer` is {"model", "config"}, `classifier` {"model", "config", "preprocess"}:
    what `put_before` writes into a checkpoint.
    """
    return EnhancedNetwork(
        build_network(enhancer["model"], "restorer", image_shape, 0, dict(enhancer["config"])),
        Preprocess.from_json(dict(classifier["preprocess"])),
        build_network(classifier["model"], "classifier", image_shape, outputs, dict(classifier["config"])),
    )


register(ENHANCED, _build, "a frozen classifier behind a learnt enhancer, made by `enhance`", "this project")
