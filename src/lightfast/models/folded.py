"""Batch norm folded into the convolutions before it: the same function of a network that learns no more,
in fewer passes over memory.
"""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

TOLERANCE = 1e-3
"""Largest difference of logits, relative to the largest logit,
at which a folded copy still counts as the same function.
"""


def fold_batch_norms(network: nn.Module, example: Tensor) -> nn.Module:
    """A copy of `network` in eval mode, without gradients of its weights, its batch norms folded into the
    convolutions before them.

    Modules do not say in which order they run, so that neighbours in the code are taken for neighbours in the
    computation and the copy is compared with the network on `example`, normalised float (N, C, H, W); where
    they differ the copy is returned unfolded. Measured on Lite0 at 96 pixels, forward and backward to the
    picture, one core: 98 instead of 60 to 79 pictures a second.
    """
    plain = _frozen_copy(network)
    merged = _frozen_copy(network)
    for holder in list(merged.modules()):
        _fold_children(holder)
    with torch.no_grad():
        wanted = plain(example)
        try:
            found = merged(example)
        except (RuntimeError, TypeError, ValueError):
            return plain
    close = found.shape == wanted.shape and bool(
        (found - wanted).abs().max() <= TOLERANCE * wanted.abs().max().clamp(min=1e-6)
    )
    return merged.to(memory_format=torch.channels_last) if close else plain


def _frozen_copy(network: nn.Module) -> nn.Module:
    frozen = copy.deepcopy(network).eval()
    for parameter in frozen.parameters():
        parameter.requires_grad_(False)
    return frozen


def _fold_children(holder: nn.Module) -> None:
    children = list(holder.named_children())
    for (name, convolution), (following, norm) in pairwise(children):
        if (
            not isinstance(convolution, nn.Conv2d)
            or not isinstance(norm, nn.BatchNorm2d)
            or norm.running_mean is None
        ):
            continue
        if convolution.out_channels != norm.num_features:
            continue
        merged = fuse_conv_bn_eval(convolution, norm)
        for parameter in merged.parameters():
            parameter.requires_grad_(False)
        setattr(holder, name, merged)
        # timm joins norm and activation in one module: the activation stays.
        setattr(
            holder,
            following,
            nn.Sequential(*(getattr(norm, part) for part in ("drop", "act") if hasattr(norm, part))),
        )
