"""Pictures through a checkpoint's network, in batches: logits of a classifier, pictures of a restorer."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from lightfast.base.errors import CheckpointError
from lightfast.data.preprocess import to_images, to_pixels, to_tensor
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.forest import Forest


@torch.inference_mode()
def predict_logits(
    checkpoint: Checkpoint, images: NDArray[np.uint8], *, batch_size: int = 256
) -> NDArray[np.float32]:
    """uint8 (N, H, W, C) → float32 logits (N, outputs) divided by the temperature;
    for a forest the logarithm of its probabilities.
    """
    if isinstance(checkpoint.network, Forest):
        return (
            np.log(np.clip(checkpoint.network.pred_probs(images), 1e-6, None)) / checkpoint.temperature
        ).astype(np.float32)
    network = checkpoint.network.eval()
    device = next(network.parameters()).device
    logits = np.empty((len(images), checkpoint.outputs), dtype=np.float32)
    for start in range(0, len(images), batch_size):
        batch = to_tensor(images[start : start + batch_size]).to(device)
        logits[start : start + batch_size] = checkpoint.logits(to_pixels(batch)).float().cpu().numpy()
    return logits / checkpoint.temperature


@torch.inference_mode()
def restore(restorer: Checkpoint, images: NDArray[np.uint8], *, batch_size: int = 256) -> NDArray[np.uint8]:
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
    network = restorer.torch_network.eval()
    device = next(network.parameters()).device
    restored = np.empty_like(images)
    for start in range(0, len(images), batch_size):
        batch = to_tensor(images[start : start + batch_size]).to(device)
        restored[start : start + batch_size] = to_images(network(to_pixels(batch)))
    return restored
