"""Is the exported file the classifier? The same pictures through both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError, LightfastError
from lightfast.tagging.card import ModelCard

TIE = 1e-4
"""Two probabilities nearer than this (and one nearer than this to its
threshold) may change places by rounding.
"""


@dataclass(frozen=True)
class GraphCheck:
    """An exported classifier beside its original on the same pictures.

    Attributes:
        n: pictures read by both.
        pictures: what they were.
        max_difference: the largest between any two probabilities, 0..1.
        same: pictures with the same likeliest class (multi-label: with the same tags).
        ties: of the others, those whose two candidates the original holds for equal to within 0.0001.
    """

    n: int
    pictures: str
    max_difference: float
    same: int
    ties: int

    @property
    def identical(self) -> bool:
        """Whether every decision is the same, ties aside."""
        return self.same + self.ties == self.n

    def require_identical(self, source: str) -> GraphCheck:
        """This check, or a LightfastError when a decision differs."""
        if self.identical:
            return self
        raise LightfastError(
            f"{source}: the exported file decides otherwise than its original on "
            f"{self.n - self.same - self.ties} of {self.n:,} pictures (probabilities differ by up to "
            f"{self.max_difference:.2g})",
            cure="Nothing was written; predict with the run itself, and please report the model.",
        )


def compare_graph(
    original: NDArray[np.float32], exported: NDArray[np.float32], card: ModelCard, pictures: str = "pictures"
) -> GraphCheck:
    """Compare the probabilities float32 (N, K) of an original with those of its export for the same pictures.

    Raises DataError for other shapes or no pictures.
    """
    if original.shape != exported.shape or not len(original):
        raise DataError(
            "checking an export",
            expected="the same pictures read twice",
            got=f"{original.shape} and {exported.shape}",
        )
    rows = np.arange(len(original))
    if card.task == "multi-label":
        other = (original >= card.cuts) != (exported >= card.cuts)
        differs = other.any(axis=1)
        near = (~other | (np.abs(original - card.cuts) < TIE)).all(axis=1)
    else:
        first, second = original.argmax(axis=1), exported.argmax(axis=1)
        differs = first != second
        near = np.abs(original[rows, first] - original[rows, second]) < TIE
    return GraphCheck(
        n=len(original),
        pictures=pictures,
        max_difference=float(np.abs(original - exported).max()),
        same=int((~differs).sum()),
        ties=int((differs & near).sum()),
    )
