"""What an enhancer minimises: the error of a frozen classifier on the changed picture,
held back by how far the picture may change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from lightfast.data.preprocess import to_pixels
from lightfast.train.augment import augment
from lightfast.train.objectives import Batch, classification_loss

Fidelity = Literal["ssim", "l1"]
SSIM_WINDOW = 7


@dataclass(frozen=True)
class Enhancement:
    """Cross-entropy of a frozen classifier on the changed picture, plus `strength` × its distance from the
    clean picture.

    Batches: (uint8 given, uint8 clean, int64 labels), both pictures (N, H, W, C); given and clean are
    augmented alike.

    Attributes:
        frozen: pixels float (N, C, H, W) in [0, 1] → logits (N, K); its weights receive no gradient (the
            caller froze them).
        strength: λ ≥ 0.
        fidelity: "ssim" (1 − SSIM) or "l1" (mean absolute difference).
        augment: as `Recipe.augment`, in training only: a classifier that is right on all of its training
            pictures has nothing to teach on them, but still errs on moved ones.
    """

    frozen: Callable[[Tensor], Tensor]
    strength: float = 0.0
    fidelity: Fidelity = "ssim"
    augment: str = "none"

    def __call__(
        self, network: nn.Module, batch: Batch, generator: torch.Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum; `cross_entropy`, `accuracy` of the frozen classifier, and `change`
        (the distance).
        """
        given, clean, labels = batch
        pixels, target = to_pixels(given), to_pixels(clean)
        if generator is not None and self.augment != "none":
            channels = pixels.shape[1]
            both = augment(torch.cat([pixels, target], dim=1), self.augment, generator)
            pixels, target = both[:, :channels], both[:, channels:]
        changed = network(pixels).float()
        error, measures = classification_loss(self.frozen(changed.clamp(0, 1)).float(), labels)
        distance = (
            1 - differentiable_ssim(changed, target)
            if self.fidelity == "ssim"
            else functional.l1_loss(changed, target)
        )
        measures = {"cross_entropy": error.detach(), **measures, "change": distance.detach()}
        return (error + self.strength * distance if self.strength else error), measures


def differentiable_ssim(first: Tensor, second: Tensor) -> Tensor:
    """Mean structural similarity of float pictures (N, C, H, W) in [0, 1], a scalar; the differentiable twin
    of `evaluate.image_quality.ssim`.

    Wang et al. 2004; uniform window of 7 × 7 (the largest odd one that fits), K1 = 0.01, K2 = 0.03,
    sample covariance.
    """
    side = min(SSIM_WINDOW, *first.shape[-2:])
    side -= 1 - side % 2
    count = side * side
    unbiased = count / max(count - 1, 1)

    def mean(values: Tensor) -> Tensor:
        return functional.avg_pool2d(values, side, stride=1)

    mean_first, mean_second = mean(first), mean(second)
    variance_first = unbiased * (mean(first * first) - mean_first * mean_first)
    variance_second = unbiased * (mean(second * second) - mean_second * mean_second)
    covariance = unbiased * (mean(first * second) - mean_first * mean_second)
    one, two = 0.01**2, 0.03**2
    above = (2 * mean_first * mean_second + one) * (2 * covariance + two)
    below = (mean_first**2 + mean_second**2 + one) * (variance_first + variance_second + two)
    return (above / below).mean()
