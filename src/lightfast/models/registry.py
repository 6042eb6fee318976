"""The table of models: name → how to build it for a picture shape and a number of outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from lightfast.base.errors import SettingsError
from lightfast.base.randomness import derive
from lightfast.base.registry import Registry

Role = Literal["classifier", "detector", "restorer"]
ImageShape = tuple[int, int, int]


@dataclass(frozen=True)
class ModelSpec:
    """One model.

    Attributes:
        name: what the user types.
        role: "classifier" (also the trunk of detectors) or "restorer".
        build: (image_shape (H, W, C), outputs, **config) → network. A classifier maps normalised float32 (N,
            C, H, W) to logits (N, outputs); a restorer maps [0, 1] pictures (N, C, H, W) to [0, 1] pictures
            of the same shape.
        summary: one line for tables and help.
        source: where the architecture comes from.
        gradient: trained by gradient descent (True) or fitted at once (forests).
        transfer: stands on a pretrained trunk, with the trunk's own preprocessing (see `models.transfer`).
    """

    name: str
    role: Literal["classifier", "restorer"]
    build: Callable[..., Any]
    summary: str
    source: str
    gradient: bool = True
    transfer: bool = False


MODELS: Registry[ModelSpec] = Registry("model")


def find_model(name: str, role: Role) -> ModelSpec:
    """The spec called `name` (also `timm:NAME` and `hf-hub:ID`); raises UnknownName,
    or SettingsError when its role is another.
    """
    # Imported here because each of these modules registers itself in MODELS on import.
    from lightfast.models import backbones, classifiers, enhanced, forest, hub, papers, restorers, transfer  # noqa: F401

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
        torch.manual_seed(derive(seed, "weights", role, model))
        return build_network(model, role, shape, outputs, dict(config))


def count_parameters(network: nn.Module) -> int:
    """How many trainable numbers the network has."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
