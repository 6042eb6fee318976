"""What a training minimises: one small class a task, passed into the one loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from lightfast.data.preprocess import Preprocess, to_pixels
from lightfast.train.augment import augment

Batch = tuple[Tensor, ...]


class Objective(Protocol):
    """Loss and measures of one batch."""

    def __call__(
        self, network: nn.Module, batch: Batch, generator: torch.Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """(mean loss, {measure: mean over the batch});
        `generator` is given in training and None in validation.
        """
        ...


@dataclass(frozen=True)
class Classification:
    """Cross-entropy on batches (uint8 images (N, H, W, C), int64 labels (N,)); `class_weights` (K,) act in
    training only.

    With bool tags (N, K) in place of labels each class is a yes or no of its own (binary cross-entropy).
    A third part of the batch, bool (N, K), says which classes are ruled out; rows without a label have -1 and
    count by `ruled_out_loss`.
    Where every epoch has the `same_rows`, the margin of each label is among the measures of training.
    """

    preprocess: Preprocess
    label_smoothing: float = 0.0
    augment: str = "none"
    class_weights: Tensor | None = None
    same_rows: bool = True

    def __call__(
        self, network: nn.Module, batch: Batch, generator: torch.Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy (smoothed in training only) and `accuracy`."""
        images, targets, *ruled_out = batch
        pixels = to_pixels(images)
        if generator is not None:
            pixels = augment(pixels, self.augment, generator)
        smoothing = self.label_smoothing if generator is not None else 0.0
        weights = None if generator is None else self.class_weights
        logits = network(self.preprocess(pixels)).float()
        if ruled_out:
            loss, measures = partly_labelled_loss(logits, (targets, ruled_out[0]), smoothing, weights)
        else:
            loss, measures = classification_loss(logits, targets, smoothing, weights)
        if generator is not None and self.same_rows:
            measures |= margin_measure(logits, targets)
        return loss, measures


def classification_loss(
    logits: Tensor, targets: Tensor, smoothing: float = 0.0, weights: Tensor | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """(mean loss, {"accuracy": …}) of float logits (N, K): cross-entropy for int64 labels (N,), binary
    cross-entropy for bool tags (N, K).

    For tags the accuracy is the share of right yes and no; the loss is the sum over classes, so that their
    number does not weaken a step.
    """
    weights = None if weights is None else weights.to(logits.device)
    if targets.ndim == 2:
        soft = targets.float() * (1 - smoothing) + smoothing / 2
        losses = functional.binary_cross_entropy_with_logits(
            logits, soft, weight=weights, reduction="none"
        ).sum(dim=1)
        return losses.mean(), {"accuracy": ((logits > 0) == targets).float().mean()}
    # torch divides a weighted mean by the weights of the batch; dividing by its size keeps the step of a
    # batch without rare pictures.
    losses = functional.cross_entropy(
        logits, targets, weight=weights, label_smoothing=smoothing, reduction="none"
    )
    return losses.mean(), {"accuracy": (logits.argmax(1) == targets).float().mean()}


def ruled_out_loss(logits: Tensor, ruled_out: Tensor) -> Tensor:
    """float32 (N,): -log of the probability that is left to the classes not `ruled_out` (bool (N, K)), for
    float logits (N, K): the likelihood of "not this" (Feng et al. 2020, Learning with Multiple Complementary
    Labels, the log form). Without a class ruled out it is 0.
    """
    logits = logits.float()
    left = logits.masked_fill(ruled_out, -torch.inf)
    return logits.logsumexp(dim=1) - left.logsumexp(dim=1)


def partly_labelled_loss(
    logits: Tensor, said: tuple[Tensor, Tensor], smoothing: float = 0.0, weights: Tensor | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """As `classification_loss`, where `said` is (int64 labels (N,), -1 without one; bool (N, K) ruled out).

    `accuracy` counts the labelled rows that are right, `LABELLED` all that have a label, both as shares of
    N: over batches the accuracy of the labelled rows is the one mean divided by the other.
    """
    labels, ruled_out = said
    named = labels >= 0
    losses = ruled_out_loss(logits[~named], ruled_out[~named]).sum()
    accuracy = torch.zeros((), device=logits.device)
    if named.any():
        mean, measures = classification_loss(logits[named], labels[named], smoothing, weights)
        losses, accuracy = losses + mean * named.sum(), measures["accuracy"] * named.float().mean()
    return losses / len(logits), {"accuracy": accuracy, LABELLED: named.float().mean()}


LABELLED = "labelled"
"""The share of a batch's rows that have a label, where some have none: their `accuracy` is a share of all."""
ROW_MARGINS = "row_margins"
"""A measure that has one number a row, not a mean over the batch."""


def margin_measure(logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """{ROW_MARGINS: float32 (N,) in −1..1}: probability of the label less that of the best other class, as
    training sees the picture (its mean over epochs: Pleiss et al. 2020, there of logits), NaN without a
    label; nothing for tags.
    """
    if targets.ndim != 1 or logits.shape[1] < 2:
        return {}
    probs = logits.detach().float().softmax(dim=1)
    places = targets.clamp(min=0)[:, None]
    own, others = probs.gather(1, places), probs.scatter(1, places, -1.0)
    margins = own[:, 0] - others.amax(dim=1)
    return {ROW_MARGINS: margins.masked_fill(targets < 0, torch.nan)}


@dataclass(frozen=True)
class Detection:
    """Which damage and how strong, on batches (images, int64 kinds (N,), int64 severities (N,) 1..5, 0 =
    clean).

    The first `kinds` logits name the damage (0 = clean), the last five the severity, which is scored on
    damaged pictures only.
    """

    preprocess: Preprocess
    kinds: int

    def __call__(
        self, network: nn.Module, batch: Batch, generator: torch.Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy of kind plus 0.2 × that of severity, and `accuracy` of the kind."""
        images, kinds, severities = batch
        logits = network(self.preprocess(to_pixels(images))).float()
        named, strength = logits[:, : self.kinds], logits[:, self.kinds :]
        loss = functional.cross_entropy(named, kinds)
        damaged = severities > 0
        if damaged.any():
            loss = loss + 0.2 * functional.cross_entropy(strength[damaged], severities[damaged] - 1)
        return loss, {"accuracy": (named.argmax(1) == kinds).float().mean()}


@dataclass(frozen=True)
class Restoration:
    """Pixel loss, plus `recognition` × the cross-entropy of a frozen classifier on the restored picture.

    Batches: (uint8 degraded, uint8 clean, int64 labels). `pixel_loss` is "mse", "l1" or "bce" (the paper's).
    `frozen` maps restored pixels to logits; its weights receive no gradient (the caller froze them).
    """

    pixel_loss: str = "mse"
    frozen: Callable[[Tensor], Tensor] | None = None
    recognition: float = 0.0

    def __call__(
        self, network: nn.Module, batch: Batch, generator: torch.Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Pixel loss plus weighted recognition; `mse`,
        and `accuracy` of the frozen reader where there is one.
        """
        degraded, clean, labels = batch
        target = to_pixels(clean)
        restored = network(to_pixels(degraded)).float()
        loss = pixel_loss(self.pixel_loss, restored, target)
        measures = {"mse": functional.mse_loss(restored.detach().clamp(0, 1), target)}
        if self.frozen is not None and self.recognition > 0:
            logits = self.frozen(restored.clamp(0, 1)).float()
            loss = loss + self.recognition * functional.cross_entropy(logits, labels)
            measures["accuracy"] = (logits.argmax(1) == labels).float().mean()
        return loss, measures


def pixel_loss(kind: str, restored: Tensor, target: Tensor) -> Tensor:
    """Mean loss over all pixels: mse, l1, or bce (restored clipped into the open interval)."""
    if kind == "bce":
        return functional.binary_cross_entropy(restored.clamp(1e-6, 1 - 1e-6), target)
    return functional.l1_loss(restored, target) if kind == "l1" else functional.mse_loss(restored, target)
