"""Architectures of timm by name: `timm:resnet18`, `timm:vit_tiny_patch16_224` … (weights random,
or timm's own with pretrained=true).
"""

from __future__ import annotations

from typing import Any

from torch import nn

from lightfast.base.errors import DownloadError, UnknownName
from lightfast.models.hub_reach import require_published
from lightfast.models.registry import ImageShape, register


def known_timm(identifier: str) -> str:
    """The architecture of "NAME.weights" alone; raises UnknownName for one that timm has not."""
    import timm

    base, known = identifier.partition(".")[0], timm.list_models()
    if base not in known:
        raise UnknownName("timm model", base, known)
    return base


def timm_network(
    image_shape: ImageShape, outputs: int, identifier: str, pretrained: bool = False, **config: Any
) -> nn.Module:
    """A timm network for `image_shape` and `outputs` logits;
    `pretrained` fetches the weights that timm names.
    """
    import timm

    if known_timm(identifier) == "inception_v3":
        # Its second output would stand beside the logits in training.
        config = {"aux_logits": False, **config}
    if pretrained:
        require_published(identifier)
    try:
        return timm.create_model(
            identifier, pretrained=pretrained, num_classes=outputs, in_chans=image_shape[2], **config
        )
    except OSError as error:
        raise DownloadError(
            f"weights of timm model {identifier} could not be fetched ({error})",
            cure="Check the connection, or train from random weights (pretrained=false).",
        ) from error


register("timm:", timm_network, "any timm architecture: timm:NAME", "R. Wightman, timm")
