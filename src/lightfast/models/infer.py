"""Pictures through a checkpoint's network, in batches: logits of a classifier, pictures of a restorer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lightfast.base.errors import CheckpointError
from lightfast.data.preprocess import to_images, to_pixels, to_tensor
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.forest import Forest

_BATCH = 256


@torch.inference_mode()
def predict_logits(checkpoint: Checkpoint, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 (N, H, W, C) → float32 logits (N, outputs) divided by the temperature;
    for a forest the logarithm of its probabilities.
    """
    if isinstance(checkpoint.network, Forest):
        probs = np.clip(checkpoint.network.pred_probs(images), 1e-6, None)
        return (np.log(probs) / checkpoint.temperature).astype(np.float32)
    logits = np.empty((len(images), checkpoint.outputs), dtype=np.float32)
    for rows, pixels in _batches(checkpoint.network, images):
        logits[rows] = checkpoint.logits(pixels).float().cpu().numpy()
    return logits / checkpoint.temperature


@torch.inference_mode()
def restore(restorer: Checkpoint, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 (N, H, W, C) degraded → uint8 restored of the same shape;
    raises CheckpointError for another number of channels.
    """
    if images.shape[-1] != restorer.image_shape[2]:
        raise CheckpointError(
            "restorer",
            expected=f"pictures with {restorer.image_shape[2]} channels",
            got=str(images.shape[-1]),
            cure="Convert the pictures, or train a restorer on pictures like these.",
        )
    restored = np.empty_like(images)
    for rows, pixels in _batches(restorer.torch_network, images):
        restored[rows] = to_images(restorer.torch_network(pixels))
    return restored


def _batches(network: nn.Module, images: NDArray[np.uint8]) -> Iterator[tuple[slice, Tensor]]:
    """(rows, their pixels where the network is) for a network that is put into eval mode."""
    device = next(network.eval().parameters()).device
    for start in range(0, len(images), _BATCH):
        rows = slice(start, start + _BATCH)
        yield rows, to_pixels(to_tensor(images[rows]).to(device))
