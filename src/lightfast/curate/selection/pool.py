"""What is chosen from, what a strategy answers, and the table of strategies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lightfast.base.registry import Registry

NO_LABEL = -1


@dataclass(frozen=True, eq=False)
class Pool:
    """N pictures, some labelled, of which some are to be labelled next.

    Attributes:
        vectors: float32 (N, D), rows of length 1, the mean of all subtracted before.
        labels: int64 (N,), NO_LABEL where there is none.
        open: bool (N,): may be chosen; never a labelled one.
        probs: float32 (N, K), what a model says of them, or None.
        class_names: K names, those of `probs`.
        seed: of all draws.
    """

    vectors: NDArray[np.float32]
    labels: NDArray[np.int64]
    open: NDArray[np.bool_]
    probs: NDArray[np.float32] | None = None
    class_names: tuple[str, ...] = ()
    seed: int = 0

    def __len__(self) -> int:
        return len(self.vectors)

    @cached_property
    def labelled(self) -> NDArray[np.intp]:
        """The rows that have a label."""
        return np.flatnonzero(self.labels != NO_LABEL)

    @cached_property
    def candidates(self) -> NDArray[np.intp]:
        """The rows that may be chosen."""
        return np.flatnonzero(self.open)

    @cached_property
    def unsureness(self) -> NDArray[np.float32]:
        """float32 (N,), 0..1: 1 − the margin between the two most probable classes (Scheffer 2001); 1
        everywhere without `probs`.
        """
        if self.probs is None or self.probs.shape[1] < 2:
            return np.ones(len(self), np.float32)
        best = np.partition(self.probs, -2, axis=1)[:, -2:]
        return 1 - (best[:, 1] - best[:, 0])

    def between(self, row: int) -> str:
        """The two most probable classes of a picture in words: "cat 41 % or dog 39 %"."""
        if self.probs is None or self.probs.shape[1] < 2:
            return ""
        two = np.argsort(-self.probs[row], kind="stable")[:2]
        return " or ".join(f"{self.class_names[one]} {100 * self.probs[row, one]:.0f} %" for one in two)


@dataclass(frozen=True, eq=False)
class Chosen:
    """Rows of a pool in the order in which they are to be labelled, with the reason of each in words."""

    rows: tuple[int, ...]
    reasons: tuple[str, ...]


class Choose(Protocol):
    """`count` of the candidates of a pool, which holds at least so many."""

    def __call__(self, pool: Pool, count: int) -> Chosen:
        """The chosen, first the one that matters most."""
        ...


@dataclass(frozen=True)
class Strategy:
    """A way of choosing what to label next.

    Attributes:
        name: as on the command line.
        summary: what it looks for, one sentence.
        source: where it was published.
        needs_probs: says something only where a model says something of the pictures.
        choose: the choice itself.
    """

    name: str
    summary: str
    source: str
    needs_probs: bool
    choose: Choose


STRATEGIES: Registry[Strategy] = Registry("strategy")


def strategy(
    name: str, summary: str, source: str, *, needs_probs: bool = False
) -> Callable[[Choose], Choose]:
    """Register the function below it."""

    def add(choose: Choose) -> Choose:
        STRATEGIES.add(name, Strategy(name, summary, source, needs_probs, choose))
        return choose

    return add


def count_text(count: int) -> str:
    """3 → "3 pictures"."""
    return f"{count:,} picture{'s' * (count != 1)}"
