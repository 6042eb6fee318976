"""What people have decided about the pictures of a repair, as a record and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lightfast.base.plain import FLAT, HIDDEN
from lightfast.data.decisions import Decision
from lightfast.evaluate.compare import PairedTest
from lightfast.statistics.intervals import Interval


@dataclass(frozen=True)
class AnsweredScores:
    """The accuracy of all pictures with people's answers in the place of the predictions, its 95 % Wilson
    interval, and the paired test against the predictions after repair.
    """

    accuracy: float
    accuracy_interval: Interval
    n: int
    paired: PairedTest


@dataclass(frozen=True, eq=False)
class AnsweredRepair:
    """What people have decided.

    Attributes:
        decided: pictures with a decision; `new` of the decisions were taken up now, `changed` of them give
            another label than the repaired prediction.
        waiting: doubtful pictures without a decision.
        empty, set_aside: rows of the answers without one, and answers that did not fit their picture.
        reviewers: who decided.
        scores: None without labels.
        decisions: row → decision.
    """

    decided: int
    new: int
    changed: int
    waiting: int
    empty: int
    set_aside: int
    reviewers: tuple[str, ...]
    scores: AnsweredScores | None = field(metadata=FLAT)
    decisions: Mapping[int, Decision] = field(metadata=HIDDEN)

    def sentence(self) -> str:
        """How many pictures people have decided, and what that changed."""
        who = f" by {', '.join(self.reviewers)}" if self.reviewers else ""
        said = (
            f"{self.decided:,} pictures decided{who}, {self.changed:,} of them otherwise than read; "
            f"{self.waiting:,} still wait"
        )
        left = {"answers set aside": self.set_aside, "cells empty": self.empty}
        return said + "".join(f"; {count:,} {name}" for name, count in left.items() if count)
