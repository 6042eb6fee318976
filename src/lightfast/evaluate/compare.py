"""Paired tests: are more of the second predictions of the same pictures right than of the first?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from lightfast.base.errors import DataError
from lightfast.evaluate.predictions import Predictions, require_same_classes
from lightfast.statistics.intervals import (
    EXACT_BELOW,
    NEWCOMBE,
    SIGNIFICANT,
    Interval,
    difference_interval,
    mcnemar_p_value,
    p_text,
    paired,
)


@dataclass(frozen=True)
class PairedTest:
    """The same pictures predicted twice.

    Attributes:
        n: pictures read twice.
        before_accuracy, after_accuracy: shares right, 0..1.
        gained: pictures wrong before and right after.
        lost: pictures right before and wrong after.
        difference: after - before, -1..1.
        difference_interval: its 95 % interval (`interval_method`).
        p_value: two-sided, of "both are right equally often".
        method: name of the test.
        before_name, after_name: what is compared.
    """

    JSON_PROPERTIES: ClassVar = ("significant",)

    n: int
    before_accuracy: float
    after_accuracy: float
    gained: int
    lost: int
    difference: float
    difference_interval: Interval
    p_value: float
    method: str
    before_name: str = "before"
    after_name: str = "after"
    interval_method: str = NEWCOMBE

    @property
    def significant(self) -> bool:
        """Whether p is below 0.05; where it is the interval leaves out 0."""
        return self.p_value < SIGNIFICANT

    def sentence(self) -> str:
        """One sentence that says what may be concluded."""
        if self.gained == self.lost == 0:
            return (
                f"On the same {self.n:,} pictures {self.before_name} and {self.after_name} are right on "
                "exactly the same ones."
            )
        low, high = self.difference_interval
        figures = (
            f"{100 * self.before_accuracy:.2f} % → {100 * self.after_accuracy:.2f} %, "
            f"{_points(self.difference)} points, 95 % interval {_points(low)} to {_points(high)}, "
            f"{self.gained:,} gained, {self.lost:,} lost, {p_text(self.p_value, sentence=True)}"
        )
        return f"On the same {self.n:,} pictures {self._verdict()} ({figures})."

    def _verdict(self) -> str:
        if not self.significant:
            return (
                f"no difference between {self.before_name} and {self.after_name} is shown; it may be chance"
            )
        more, less = (
            (self.after_name, self.before_name)
            if self.difference > 0
            else (self.before_name, self.after_name)
        )
        return f"{more} is right more often than {less}, beyond what chance would give"


def mcnemar(before: Predictions | ArrayLike, after: Predictions | ArrayLike) -> PairedTest:
    """McNemar's test (McNemar 1947) on two sets of predictions of the same pictures.

    Args:
        before: predictions with labels, or bool (N,) whether each picture was read rightly.
        after: the same pictures in the same order, read by something else.

    Raises DataError when the pictures (ids), their labels or the class lists differ, or when there is nothing
    to compare.
    """
    if isinstance(before, Predictions) and isinstance(after, Predictions):
        require_same_pictures(before, after)
    first, second = paired(_correct(before), _correct(after))
    gained, lost = int((~first & second).sum()), int((first & ~second).sum())
    return PairedTest(
        n=len(first),
        before_accuracy=float(first.mean()),
        after_accuracy=float(second.mean()),
        gained=gained,
        lost=lost,
        difference=(gained - lost) / len(first),
        difference_interval=difference_interval(first, second),
        p_value=float(mcnemar_p_value(gained, lost)),
        method=_method(gained + lost),
        before_name=_name(before, "before"),
        after_name=_name(after, "after"),
    )


def _method(discordant: int) -> str:
    return (
        "McNemar, exact binomial"
        if discordant < EXACT_BELOW
        else "McNemar, chi-square with continuity correction"
    )


def _correct(side: Predictions | ArrayLike) -> ArrayLike:
    return side.correct if isinstance(side, Predictions) else side


def _name(side: Predictions | ArrayLike, default: str) -> str:
    return side.name if isinstance(side, Predictions) else default


def require_same_pictures(before: Predictions, after: Predictions) -> None:
    """Raise DataError, naming both, unless ids, labels and class lists are the same in the same order."""
    require_same_classes(before, after)
    both = f"{before.name} and {after.name}"
    if before.ids != after.ids:
        what, expected, got = "", f"{len(before):,}", f"{len(after):,}"
        if len(before) == len(after):
            row = next(row for row, one in enumerate(before.ids) if one != after.ids[row])
            what, expected, got = (
                f" in the same order: row {row}",
                repr(before.ids[row]),
                repr(after.ids[row]),
            )
        raise DataError(
            f"{both} are not of the same pictures{what}",
            expected=expected,
            got=got,
            cure="A paired test needs each picture read by both.",
        )
    if not np.array_equal(before.require_labels(), after.require_labels()):
        raise DataError(
            f"{both} carry different labels for the same pictures",
            cure="Score both against one version of the labels.",
        )


def _points(share: float) -> str:
    return f"{100 * share:+.2f}".replace("-", "\N{MINUS SIGN}")
