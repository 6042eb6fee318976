"""Seeing through a frozen classifier: gradients flow through it, none of its numbers moves."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lightfast.models.checkpoint import Checkpoint
from lightfast.models.folded import fold_batch_norms


def frozen_classifier(
    classifier: Checkpoint, device: torch.device | None = None
) -> Callable[[Tensor], Tensor]:
    """The classifier as a function from pixels, float (N, C, H, W) in [0, 1], to logits (N, K).

    What is learnt through is a copy in eval mode whose weights need no gradient and whose batch norms are
    folded away: the classifier itself, weights, statistics and modes, is not touched. The copy computes on
    `device`, by default the classifier's own. Raises CheckpointError for a forest, which has no gradients.
    """
    network = classifier.torch_network
    place = device or next(network.parameters()).device
    height, width, channels = classifier.image_shape
    example = torch.rand((2, channels, height, width), generator=torch.Generator().manual_seed(0))
    preprocess = classifier.preprocess
    through = fold_batch_norms(network, preprocess(example.to(next(network.parameters()).device))).to(place)
    return lambda pixels: through(preprocess(pixels))
