"""Pictures changed against a classifier by its own gradient."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from lightfast.base.errors import CheckpointError, SettingsError
from lightfast.data.preprocess import to_images, to_pixels, to_tensor
from lightfast.models.checkpoint import Checkpoint

_BATCH = 256


def fast_gradient_sign(
    classifier: Checkpoint, images: NDArray[np.uint8], labels: NDArray[np.int64], epsilon: float
) -> NDArray[np.uint8]:
    """One step of `epsilon` against the reading of each picture, x + ε · sign(∇ₓ cross-entropy), cut off at
    black and white (fast gradient sign method: Goodfellow, Shlens & Szegedy 2014, section 4).

    Args:
        classifier: a network; its weights and gradients stay as they are.
        images: uint8 (N, H, W, C).
        labels: int64 (N,), what each picture shows.
        epsilon: above 0 and at most 1, a share of the range from black to white (the paper on MNIST: 0.25).

    Returns: uint8 (N, H, W, C), rounded to whole grey levels.

    Raises:
        SettingsError: another `epsilon`. CheckpointError: a forest, which has no gradients, or no classifier.
    """
    if not 0 < epsilon <= 1:
        raise SettingsError(f"epsilon={epsilon}", expected="above 0 and at most 1")
    if classifier.role != "classifier":
        raise CheckpointError("adversarial pictures", expected="a classifier", got=f"a {classifier.role}")
    network, changed = classifier.torch_network.eval(), np.empty_like(images)
    device = next(network.parameters()).device
    for start in range(0, len(images), _BATCH):
        rows = slice(start, start + _BATCH)
        pixels = to_pixels(to_tensor(images[rows]).to(device)).requires_grad_()
        wanted = torch.from_numpy(labels[rows]).to(device)
        loss = functional.cross_entropy(classifier.logits(pixels), wanted, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, pixels)
        changed[rows] = to_images((pixels.detach() + epsilon * gradient.sign()).clamp(0, 1))
    return changed
