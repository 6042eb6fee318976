"""Seeing through a frozen classifier: gradients flow through it, none of its numbers moves."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from lightfast.models.checkpoint import Checkpoint


def frozen(classifier: Checkpoint) -> Callable[[Tensor], Tensor]:
    """The classifier as a function from pixels, float (N, C, H, W) in [0, 1], to logits (N, K).

    Its weights are switched to need no gradient and its batch norm to its stored statistics; both stay bit-identical.
    Raises CheckpointError for a forest, which has no gradients.
    """
    network = classifier.torch_network.eval()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return classifier.logits
