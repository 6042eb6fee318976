"""Damaged pictures made on the fly from clean ones: what detector and restorer learn from.

Every epoch draws its damage anew, by seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from lightfast.base.errors import SettingsError
from lightfast.base.randomness import generator
from lightfast.corrupt.suite import CLEAN, CORRUPTIONS, SUITES, damage_mixture
from lightfast.data.images import ImageSet
from lightfast.data.preprocess import to_tensor
from lightfast.train.objectives import Batch

Choice = tuple[str, int]


@dataclass(frozen=True)
class DamageMix:
    """Which damages occur: (corruption, severity) each equally likely, and the share of pictures that stay
    clean.

    Attributes:
        choices: pairs (registered corruption, severity 1..5).
        clean_share: 0..1, part of the pictures left untouched.
    """

    choices: tuple[Choice, ...]
    clean_share: float = 0.125

    def __post_init__(self) -> None:
        if not self.choices:
            raise SettingsError("damage mixture", expected="at least one corruption", got="none")
        if not 0 <= self.clean_share < 1:
            raise SettingsError(f"clean_share={self.clean_share}", expected="a share from 0 to below 1")

    @classmethod
    def of_suite(
        cls,
        suite: str,
        *,
        without_family: str | None = None,
        severities: Sequence[int] | None = None,
        clean_share: float = 0.125,
    ) -> DamageMix:
        """The corruptions of a registered suite (`mnist-c`, `imagenet-c` …) at the suite's severities,
        or at `severities`.
        """
        entries = [
            (name, severity) for name, own, _ in SUITES.get(suite).entries for severity in (severities or own)
        ]
        kept = tuple(entry for entry in entries if CORRUPTIONS.get(entry[0]).family != without_family)
        return cls(kept, clean_share)

    @property
    def kinds(self) -> tuple[str, ...]:
        """`clean`, then the names of the corruptions in their first order: the detector's classes."""
        return (CLEAN, *dict.fromkeys(name for name, _ in self.choices))

    def draw(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """int64 (count,): -1 for clean, else an index into `choices`."""
        drawn = rng.integers(0, len(self.choices), size=count)
        return np.where(rng.random(count) < self.clean_share, -1, drawn)

    def apply(
        self, images: NDArray[np.uint8], drawn: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """uint8 (N, H, W, C) with picture i damaged by `choices[drawn[i]]`; -1 leaves it as it is."""
        return damage_mixture(
            images, [*self.choices, (CLEAN, 0)], np.where(drawn < 0, len(self.choices), drawn), rng
        )

    def targets(self, drawn: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(kind index into `kinds`, severity 0..5) of every drawn row, both int64 (N,)."""
        kinds = np.array([0, *(self.kinds.index(name) for name, _ in self.choices)], dtype=np.int64)
        severities = np.array([0, *(severity for _, severity in self.choices)], dtype=np.int64)
        return kinds[drawn + 1], severities[drawn + 1]


@dataclass(frozen=True)
class DamagedPictures:
    """A loop source over clean pictures: each epoch takes `per_epoch` of them and damages each in one way.

    Attributes:
        train, val: clean labelled sets; validation damage is drawn once.
        mix: which damages.
        seed: fixes every epoch's damage.
        per_epoch: pictures an epoch (all when None); epochs walk through the whole set in turn.
        task: "restore" gives (degraded, clean, labels), "detect" gives (degraded, kind, severity).
    """

    train: ImageSet
    val: ImageSet
    mix: DamageMix
    seed: int
    per_epoch: int | None = None
    task: str = "restore"

    def epoch(self, number: int) -> Batch:
        """Rows of epoch `number`: uint8 (n, H, W, C) pictures and the task's targets."""
        count = len(self.train)
        wanted = min(self.per_epoch or count, count)
        lap, place = divmod(number * wanted, count)
        order = np.concatenate(
            [generator(self.seed, "lap", lap + extra).permutation(count) for extra in (0, 1)]
        )
        return self._rows(
            self.train.take(order[place : place + wanted]), generator(self.seed, "damage", self.task, number)
        )

    def validation(self) -> Batch:
        """The validation pictures, damaged once."""
        return self._validation

    @cached_property
    def _validation(self) -> Batch:
        return self._rows(self.val, generator(self.seed, "damage-validation"))

    def _rows(self, clean: ImageSet, rng: np.random.Generator) -> Batch:
        drawn = self.mix.draw(len(clean), rng)
        degraded = torch.from_numpy(self.mix.apply(clean.images, drawn, rng))
        if self.task == "detect":
            kinds, severities = self.mix.targets(drawn)
            return degraded, torch.from_numpy(kinds), torch.from_numpy(severities)
        return degraded, to_tensor(clean.images), torch.from_numpy(clean.require_labels())
