"""`predict` with `review_below`: which pictures go to a person, and the queue that names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import CheckpointError, SettingsError
from lightfast.base.plain import FLAT
from lightfast.data.answers import CONTENT, DECIDED, require_unanswered
from lightfast.data.decisions import ReviewItem, ReviewQueue
from lightfast.evaluate.predictions import Predictions
from lightfast.evaluate.review import ReviewRule, ReviewThreshold, review_threshold
from lightfast.runs.folder import VAL_PREDICTIONS_FILE
from lightfast.tagging.card import ModelCard

QUEUE_ENDING = ".queue.csv"


@dataclass(frozen=True)
class PredictReview:
    """What `predict` sends to a person.

    Attributes:
        review: the rule, its threshold, and what is known of the predictions that pass.
        needs_review: how many pictures do not.
        queue: the file that names them; None where no file was written.
    """

    review: ReviewThreshold = field(metadata=FLAT)
    needs_review: int
    queue: Path | None

    def sentence(self, n: int) -> str:
        """How many of `n` pictures go to a person, and by which threshold."""
        where = f", in {self.queue}" if self.queue else ""
        return (
            f"{self.needs_review:,} of {n:,} pictures are for a person{where}: below {self.review.sentence()}"
        )


@dataclass(eq=False)
class ReviewCollector:
    """Pictures for a person as they come; the queue is held in memory until the end."""

    threshold: ReviewThreshold
    class_names: tuple[str, ...]
    queue: Path | None
    rows: list[tuple[float, str, str, ReviewItem]] = field(default_factory=list)
    count: int = 0

    def marked(
        self, pictures: Sequence[tuple[str, str]], probs: NDArray[np.float32], hashes: Sequence[str]
    ) -> list[bool]:
        """Which of the pictures (id, path) go to a person; where there is a queue they are kept for it."""
        scores, marks = self.threshold.scores(probs), self.threshold.needs_review(probs)
        self.count += int(marks.sum())
        for row in np.flatnonzero(marks).tolist() if self.queue else ():
            score, (name, path) = float(scores[row]), pictures[row]
            label, sure = self.class_names[int(probs[row].argmax())], float(probs[row].max())
            item = ReviewItem(name, label, sure, self.threshold.reason(score))
            self.rows.append((score, path, hashes[row], item))
        return marks.tolist()

    def written(self) -> PredictReview:
        """Write the queue, the least sure first."""
        if self.queue:
            ordered = sorted(self.rows, key=lambda row: row[0])
            texts = {
                "path": [row[1] for row in ordered],
                CONTENT: [row[2] for row in ordered],
                DECIDED: [""] * len(ordered),
            }
            more = {name: np.array(values, dtype=object) for name, values in texts.items()}
            ReviewQueue(tuple(row[3] for row in ordered), more).save(self.queue)
        return PredictReview(self.threshold, self.count, self.queue)


def queue_beside(out: Path | None, rule: ReviewRule | None) -> Path | None:
    """The queue of a file of rows; none without a rule, or where no file is written."""
    return None if out is None or rule is None else Path(f"{out}{QUEUE_ENDING}")


def check_review(rule: ReviewRule | None, run: str, queue: Path | None) -> None:
    """Refuse before anything is loaded: a precision of a published model, a queue with answers in it."""
    if rule is None:
        return
    if rule.kind == "precision" and run.startswith("hf-hub:"):
        review_threshold(rule, None)
    if queue is not None:
        require_unanswered(
            queue, "Have them taken up first (`repair` takes `answers`), or give another `out`."
        )


def collector_for(rule: ReviewRule, card: ModelCard, run: Path, queue: Path | None) -> ReviewCollector:
    """What collects the pictures for a person; the threshold is found on the validation predictions of `run`
    (a folder; none are there: nothing is known).

    Raises SettingsError: several labels a picture, or a precision that cannot be proven.
    """
    if card.task == "multi-label":
        raise SettingsError(
            "`review_below` is for one label a picture; this run gives any number",
            cure="Their thresholds are chosen in training: lightfast train DATA, with `precision`.",
        )
    path = run / VAL_PREDICTIONS_FILE
    known = Predictions.load(path) if path.is_file() else None
    if known is not None and known.class_names != card.class_names:
        raise CheckpointError(f"{path} was made for another class list than the model", cure="Train again.")
    return ReviewCollector(review_threshold(rule, known), card.class_names, queue)
