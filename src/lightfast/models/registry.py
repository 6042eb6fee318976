"""The table of models: name → how to build it for a picture shape and a number of outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from lightfast.base.registry import Registry

Role = Literal["classifier", "detector", "restorer"]
ImageShape = tuple[int, int, int]


@dataclass(frozen=True)
class ModelSpec:
    """One model.

    Attributes:
        name: what the user types.
        role: "classifier" (also the backbone of detectors) or "restorer".
        build: (image_shape (H, W, C), outputs, **config) → network. A classifier maps normalised float32 (N,
            C, H, W) to logits (N, outputs); a restorer maps [0, 1] pictures (N, C, H, W) to [0, 1] pictures
            of the same shape.
        summary: one line for tables and help.
        source: where the architecture comes from.
        transfer: stands on a pretrained backbone,
            with the backbone's own preprocessing (see `models.transfer`).
    """

    name: str
    role: Literal["classifier", "restorer"]
    build: Callable[..., Any]
    summary: str
    source: str
    transfer: bool = False


MODELS: Registry[ModelSpec] = Registry("model")


def register(
    name: str,
    build: Callable[..., Any],
    summary: str,
    source: str,
    role: Literal["classifier", "restorer"] = "classifier",
    transfer: bool = False,
) -> None:
    """Add a model to the table; see `ModelSpec`."""
    MODELS.add(name, ModelSpec(name, role, build, summary, source, transfer))


def count_parameters(network: nn.Module) -> int:
    """How many trainable numbers the network has."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
