"""Remedies for uneven classes: weights in the loss, or a draw that shows every class equally often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightfast.base.randomness import derive_seed, generator
from lightfast.data.preprocess import to_images, to_pixels
from lightfast.train.augment import augment
from lightfast.train.objectives import Batch


def class_weights(labels: Tensor, classes: int) -> Tensor:
    """float32 (K,) weights n / (K · n_c) for int64 labels (N,): every class weighs the same in the loss,
    the mean weight a picture is 1.
    """
    counts = torch.bincount(labels, minlength=classes).clamp(min=1)
    return len(labels) / (classes * counts.float())


@dataclass(frozen=True)
class BalancedDraws:
    """A source that draws every class equally often; an epoch keeps the number of rows (to a multiple of K),
    so remedies cost the same.

    Attributes:
        train, val: batches (uint8 images (N, H, W, C), int64 labels (N,)).
        classes: number of classes K.
        seed: of the draws; epoch e draws from (seed, e).
        moved: pictures drawn a second time within an epoch are moved, turned and scaled (augment "affine"),
            so that they differ.
    """

    train: Batch
    val: Batch
    classes: int
    seed: int
    moved: bool = False

    def epoch(self, number: int) -> Batch:
        """K times N // K rows, as many of each class
        (whole passes over its pictures first, in random order).
        """
        images, labels = self.train
        rng = generator(self.seed, "balance", number)
        given = labels.numpy()
        drawn = [
            _draws(np.flatnonzero(given == one), len(given) // self.classes, rng)
            for one in range(self.classes)
        ]
        rows = torch.from_numpy(np.concatenate([rows for rows, _ in drawn]))
        again = torch.from_numpy(np.concatenate([again for _, again in drawn]))
        chosen = images[rows]
        if self.moved and bool(again.any()):
            source = torch.Generator().manual_seed(derive_seed(self.seed, "balance", "moved", number))
            chosen[again] = torch.from_numpy(to_images(augment(to_pixels(chosen[again]), "affine", source)))
        return chosen, labels[rows]

    def validation(self) -> Batch:
        """The validation rows as they are: their classes keep their own shares."""
        return self.val


def _draws(
    pictures: NDArray[np.intp], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """(`count` rows out of `pictures`, whether each was already drawn before)."""
    if not len(pictures):
        return pictures, np.zeros(0, dtype=bool)
    passes = [rng.permutation(pictures) for _ in range(-(-count // len(pictures)))]
    return np.concatenate(passes)[:count], np.arange(count) >= len(pictures)
