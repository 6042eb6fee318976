"""The network of an enhanced classifier: an enhancer, and behind it the classifier."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from lightfast.data.preprocess import Preprocess

ENHANCED_MODEL = "enhanced"


class PreprocessStep(nn.Module):
    """A `Preprocess` as a step of a network; it has no weights."""

    def __init__(self, preprocess: Preprocess) -> None:
        super().__init__()
        self.preprocess = preprocess

    def forward(self, pixels: Tensor) -> Tensor:
        return self.preprocess(pixels)


class EnhancedNetwork(nn.Module):
    """Pixels, float (N, C, H, W) in [0, 1] → enhancer → the classifier's own preprocessing
    → logits (N, K).
    """

    def __init__(self, enhancer: nn.Module, preprocess: Preprocess, classifier: nn.Module) -> None:
        super().__init__()
        self.enhancer, self.classifier = enhancer, classifier
        self.prepare: Any = PreprocessStep(preprocess)

    def enhance(self, pixels: Tensor) -> Tensor:
        """The changed pictures, float (N, C, H, W) in [0, 1]."""
        return self.enhancer(pixels).clamp(0, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.classifier(self.prepare(self.enhance(pixels)))
