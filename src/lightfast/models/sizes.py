"""Whether pictures of a size go through a network, and with which size or setting they would."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lightfast.base.errors import InputError, SettingsError
from lightfast.models.build import build_network, find_model
from lightfast.models.forest import Forest
from lightfast.models.maps import evaluation_mode
from lightfast.models.registry import ImageShape
from lightfast.models.transfer import preprocess_of

_STRIDE = 32
"""The stride of most networks, and a whole number of most patches."""
_SIDES = (16, 32, 48, 64, 96, 128, 224)
_REASON = 100


def check_model(model: str, image_shape: ImageShape, outputs: int, config: Mapping[str, Any]) -> None:
    """Build a network of the table and send an empty picture through it, before anything is trained.

    Raises SettingsError for settings that the network has not, and for pictures (H, W, C) that it cannot
    take, with the sizes or settings by which it can (each was tried).
    """
    height, width, _ = image_shape
    if reason := _obstacle(model, image_shape, outputs, config):
        cures = [said for said in _cures(model, image_shape, config) if said]
        raise SettingsError(
            f"model {model} takes no pictures of {height} × {width} pixels ({reason})",
            cure=f"Give {' or '.join(cures)}." if cures else "Take `model` random-forest, for any size.",
        )


def _obstacle(model: str, image_shape: ImageShape, outputs: int, config: Mapping[str, Any]) -> str:
    """Why one picture does not go through the network of these settings; empty where it does."""
    height, width, channels = image_shape
    # Weights do not matter here: none are fetched, and torch's generator is left as it was.
    told = {**config, "pretrained": False} if "pretrained" in config else dict(config)
    try:
        with torch.random.fork_rng(devices=[]):
            network = build_network(model, "classifier", image_shape, outputs, told)
        if isinstance(network, Forest):
            return ""
        if find_model(model, "classifier").transfer:
            (height, width), channels = preprocess_of(model, image_shape, config).size, 3
        patch = _patch(network)
        if height % patch or width % patch:
            return f"its patches of {patch} pixels would leave out an edge"
        with torch.no_grad(), evaluation_mode(network):
            found = network(torch.zeros(1, channels, height, width))
    except (RuntimeError, TypeError, ValueError, AssertionError, IndexError, ZeroDivisionError) as error:
        return (str(error).splitlines() or [type(error).__name__])[0][:_REASON].rstrip(". ")
    return "" if isinstance(found, Tensor) and found.shape == (1, outputs) else "it gives no logits"


def _patch(network: nn.Module) -> int:
    """Pixels a side of what a vision transformer cuts a picture into; 1 for other networks and for those
    that pad their pictures.
    """
    cut: Any = getattr(network, "patch_embed", None)
    size = getattr(cut, "patch_size", 1)
    return 1 if getattr(cut, "dynamic_img_pad", False) else int(size[0] if isinstance(size, tuple) else size)


def _cures(model: str, image_shape: ImageShape, config: Mapping[str, Any]) -> Iterator[str]:
    """At most two ways by which pictures get through: at their size or the next multiple of the stride by
    the setting `img_size`, and at another size.
    """
    height, width, channels = image_shape
    plain = {key: value for key, value in config.items() if key != "img_size"}
    whole = _STRIDE * -(-max(height, width) // _STRIDE)
    own: list[tuple[int, dict[str, Any], str]] = [
        (height, {**plain, "img_size": height}, f"`config.img_size={height}`"),
        (whole, {**plain, "img_size": whole}, f"`image_size={whole}` with `config.img_size={whole}`"),
    ]
    yield next(
        (said for side, told, said in own[height != width :] if _passes(model, side, channels, told)), ""
    )
    without = " without `config.img_size`" if "img_size" in config else ""
    smaller, larger = _other_sides(model, height, width)
    sides = (side for side in [*larger, *smaller] if _passes(model, side, channels, plain))
    yield next((f"`image_size={side}`{without}" for side in sides), "")


def _other_sides(model: str, height: int, width: int) -> tuple[list[int], list[int]]:
    """(sides up to that of the pictures, larger ones) to try, in order."""
    shorter, sides = min(height, width), sorted({*_SIDES, *_native(model)} - ({height} & {width}))
    cut = bisect_right(sides, shorter)
    return sides[:cut], sides[cut:]


def _native(model: str) -> tuple[int, ...]:
    """The side that timm's weights of this architecture were trained at."""
    import timm

    prefix, _, identifier = model.partition(":")
    known = timm.get_pretrained_cfg(identifier, allow_unregistered=True) if prefix == "timm" else None
    return () if known is None else (int(known.input_size[1]),)


def _passes(model: str, side: int, channels: int, config: Mapping[str, Any]) -> bool:
    try:
        return not _obstacle(model, (side, side, channels), 2, config)
    except InputError:
        return False
