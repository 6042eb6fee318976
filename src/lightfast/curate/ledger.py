"""The repair ledger: whether a clean-up of labels paid, what it cost, and the total so far. Arrays in,
records out; a library keeps the same record in a table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from numpy.typing import ArrayLike
from pydantic import Field

from lightfast.base.journal import Journal
from lightfast.evaluate.compare import mcnemar

LEDGER_FILE = "ledger.jsonl"
Verdict = Literal["gain", "no gain shown", "loss"]
_Share = Annotated[float, Field(ge=0, le=1)]
_Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class CleanupEffect:
    """The same test pictures read by a model of the labels before and by one of the cleaned labels.

    Attributes:
        n: test pictures.
        accuracy_before, accuracy_after: shares right, 0..1.
        points: after − before, in percentage points, and the 95 % `interval` of it (Newcombe's, made to agree
            with McNemar's test).
        gained, lost: pictures that only the second, only the first reads rightly.
        p: two-sided, McNemar's test of "both are right equally often".
    """

    n: Annotated[int, Field(ge=1)]
    accuracy_before: _Share
    accuracy_after: _Share
    points: float
    interval: tuple[float, float]
    gained: _Count
    lost: _Count
    p: _Share

    @property
    def verdict(self) -> Verdict:
        """ "gain" or "loss" where the interval leaves out 0, else "no gain shown"."""
        low, high = self.interval
        return "gain" if low > 0 else "loss" if high < 0 else "no gain shown"


def cleanup_effect(before_correct: ArrayLike, after_correct: ArrayLike) -> CleanupEffect:
    """What a clean-up changed, paired.

    Args:
        before_correct: bool (N,): the model of the labels before reads each test picture rightly.
        after_correct: bool (N,): the model of the cleaned labels, the same pictures in the same order.

    Raises DataError when the lengths differ or there is no picture.
    """
    test = mcnemar(before_correct, after_correct)
    low, high = test.difference_interval
    return CleanupEffect(
        test.n,
        test.before_accuracy,
        test.after_accuracy,
        100 * test.difference,
        (100 * low, 100 * high),
        test.gained,
        test.lost,
        test.p_value,
    )


@dataclass(frozen=True)
class LedgerEntry:
    """One clean-up, proved or not.

    Attributes:
        when: UTC, ISO 8601.
        parent, version: of all labelled pictures, before and after.
        test: a digest of the pictures of the test part, whatever their labels.
        model, seed: what was trained on both, alike.
        decisions, minutes: what people spent.
        changed, left_out: labels that are others now, and pictures without a label now.
        uses: how often these test pictures have answered for this ledger, this time counted.
        as_given: by the test labels as they were before the clean-up: the figure that decides.
        cleaned: by the cleaned test labels, where some of these were changed: it flatters the clean-up.
        verdict: that of `as_given`.
    """

    when: str
    parent: str
    version: str
    test: str
    model: str
    seed: int
    decisions: _Count
    minutes: Annotated[float, Field(ge=0)]
    changed: _Count
    left_out: _Count
    uses: Annotated[int, Field(ge=1)]
    as_given: CleanupEffect
    cleaned: CleanupEffect | None
    verdict: Verdict


class RepairLedger(Journal[LedgerEntry]):
    """An append-only JSONL file of clean-ups; nothing in it is ever changed or removed."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, LedgerEntry)


@dataclass(frozen=True)
class LedgerTotal:
    """What all clean-ups of a ledger cost and brought.

    Attributes:
        cleanups: that count: of several of one version the last, for its decisions hold those before.
        decisions, minutes: spent on them.
        points: the sum of their paired changes on the test labels as they were.
        gains, losses, unproven: how many of them have which verdict.
        uses: how often test pictures have answered, clean-ups that do not count included.
    """

    cleanups: int
    decisions: int
    minutes: float
    points: float
    gains: int
    losses: int
    unproven: int
    uses: int


def ledger_total(entries: Iterable[LedgerEntry]) -> LedgerTotal:
    """The running total of the entries, in the order in which they were made."""
    every = tuple(entries)
    counted = tuple({one.parent: one for one in every}.values())
    verdicts = [one.verdict for one in counted]
    return LedgerTotal(
        len(counted),
        sum(one.decisions for one in counted),
        sum(one.minutes for one in counted),
        sum(one.as_given.points for one in counted),
        verdicts.count("gain"),
        verdicts.count("loss"),
        verdicts.count("no gain shown"),
        len(every),
    )
