"""Which predictions a person should check: where the two highest probabilities lie close together, or where
the confidence does not prove a wanted precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import SettingsError
from lightfast.evaluate.predictions import Predictions
from lightfast.evaluate.thresholds import PROVEN_WITH, cuts_of
from lightfast.statistics.intervals import Interval, wilson

_KINDS = ("gap", "precision")
_EXAMPLES = "`review_below=precision=0.99` or `review_below=gap=0.2`"


@dataclass(frozen=True)
class ReviewRule:
    """What a person should check.

    Attributes:
        kind: "gap": predictions whose two highest probabilities differ by less than `value` (the assets
            paper, section 6); "precision": those below the lowest confidence from which on, proven on
            validation pictures, at least the share `value` of the predictions is right.
        value: above 0; a gap is at most 1, a precision below 1.
    """

    kind: Literal["gap", "precision"]
    value: float

    def __post_init__(self) -> None:
        top = "at most 1" if self.kind == "gap" else "below 1 (nothing proves that no prediction is wrong)"
        if not 0 < self.value <= 1 or (self.kind == "precision" and self.value == 1):
            raise SettingsError(
                f"`review_below={self.kind}={self.value:g}`",
                expected=f"a number above 0 and {top}",
                cure=f"E.g. {_EXAMPLES}.",
            )

    @classmethod
    def from_text(cls, text: str) -> Self:
        """`gap=0.2` or `precision=0.99`; anything else is a SettingsError."""
        kind, sign, value = (part.strip() for part in text.partition("="))
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        for known in _KINDS:
            if kind == known and sign and np.isfinite(number):
                return cls(known, number)
        raise SettingsError(
            f"`review_below={text}`",
            expected="one rule, gap=NUMBER or precision=NUMBER",
            cure=f"E.g. {_EXAMPLES}.",
        )


@dataclass(frozen=True)
class ReviewThreshold:
    """A rule with its threshold, and what is known of the predictions that it lets pass.

    Attributes:
        rule: what was asked for.
        threshold: predictions whose score (see `scores`) is below it go to a person.
        n: validation pictures; 0: the classifier keeps none of their predictions.
        passed: those of them at or above the threshold, of which `right` are predicted rightly.
        precision: right / passed, 0..1, None where nothing passed.
        interval: its 95 % Wilson interval. A threshold for a precision was chosen on these pictures, so that
            it flatters a little.
        proven: what the predictions that pass are shown to reach on fresh pictures with the confidence
            `proven_with` (one-sided, Clopper and Pearson), 0..1; None for a gap, which proves nothing.
    """

    JSON_PROPERTIES: ClassVar = ("proven_with",)

    rule: ReviewRule
    threshold: float
    n: int
    passed: int
    right: int
    precision: float | None
    interval: Interval
    proven: float | None

    @property
    def proven_with(self) -> float:
        """The confidence of `proven`, 0..1."""
        return PROVEN_WITH

    def scores(self, pred_probs: NDArray[np.floating]) -> NDArray[np.floating]:
        """(N,) of probabilities (N, K): the highest, or for a gap its distance to the second."""
        return _scores(self.rule, pred_probs)

    def needs_review(self, pred_probs: NDArray[np.floating]) -> NDArray[np.bool_]:
        """bool (N,): which predictions go to a person."""
        return self.scores(pred_probs) < self.threshold

    def reason(self, score: float) -> str:
        """Why a prediction with this score goes to a person."""
        if self.rule.kind == "gap":
            return f"the two highest probabilities differ by {score:.3f}, less than {self.threshold:g}"
        return (
            f"confidence {score:.3f}, below the {self.threshold:.3f} that precision {self.rule.value:g} takes"
        )

    def sentence(self) -> str:
        """What the threshold is, how it was found, and what passed it."""
        if self.rule.kind == "gap":
            said = f"a gap of {self.threshold:g} between the two highest probabilities, as asked"
        else:
            said = (
                f"a confidence of {self.threshold:.4f}, the lowest that proves a precision of "
                f"{self.rule.value:g} with {PROVEN_WITH:.0%} confidence"
            )
        if not self.n:
            return f"{said}; no validation predictions tell how often those above it are right"
        if self.precision is None:
            return f"{said}; none of {self.n:,} validation pictures reaches it"
        low, high = (100 * end for end in self.interval)
        return (
            f"{said}; of {self.n:,} validation pictures {self.passed:,} reach it, {self.right:,} of them "
            f"rightly predicted: {100 * self.precision:.2f} % [{low:.1f}–{high:.1f}]"
        )


def review_threshold(rule: ReviewRule, known: Predictions | None) -> ReviewThreshold:
    """The threshold of a rule.

    For a precision the lowest confidence at which the share of right predictions is at least that with a
    confidence of 90 %, by the bound of Clopper and Pearson (1934), as `choose_thresholds` does for the labels
    of a picture that may have several.

    Args:
        rule: what is wanted.
        known: calibrated predictions of labelled pictures that the classifier was not fitted on (validation);
            None: there are none, which a precision is refused for.

    Raises SettingsError: a precision that these pictures cannot prove; the message says which they can.
    """
    if rule.kind == "gap":
        return _described(rule, rule.value, known, None)
    if known is None or not len(known):
        raise SettingsError(
            f"`review_below=precision={rule.value:g}`",
            expected="the validation predictions that `train` keeps in its run",
            got="none",
            cure="Predict with the run itself, train it again, or give a gap: `review_below=gap=0.2`.",
        )
    cuts, bound = _proven(known)
    proving = np.flatnonzero(bound >= rule.value)
    if not len(proving):
        raise _unproven(rule.value, len(known), provable_precision(known))
    return _described(rule, float(cuts[proving[-1]]), known, float(bound[proving[-1]]))


def provable_precision(known: Predictions) -> float:
    """The highest precision, 0..1 with three digits, that validation predictions can prove of the surest."""
    # Rounded down: what a message offers has to be granted.
    return float(np.floor(_proven(known)[1].max(initial=0.0) * 1000) / 1000)


def _proven(known: Predictions) -> tuple[NDArray[np.floating], NDArray[np.float64]]:
    """Every confidence from high to low, and the precision that it proves."""
    # Here, since a prediction without a rule needs none of it: a fifth of its start.
    from scipy.special import betaincinv

    cuts, passed, right = cuts_of(known.pred_probs.max(axis=1), known.correct)
    return cuts, np.where(
        right > 0, betaincinv(np.maximum(right, 1), passed - right + 1, 1 - PROVEN_WITH), 0.0
    )


def _described(
    rule: ReviewRule, threshold: float, known: Predictions | None, proven: float | None
) -> ReviewThreshold:
    if known is None:
        return ReviewThreshold(rule, threshold, 0, 0, 0, None, wilson(0, 0), proven)
    reached = _scores(rule, known.pred_probs) >= threshold
    passed, right = int(reached.sum()), int((reached & known.correct).sum())
    share = right / passed if passed else None
    return ReviewThreshold(rule, threshold, len(known), passed, right, share, wilson(right, passed), proven)


def _scores(rule: ReviewRule, pred_probs: NDArray[np.floating]) -> NDArray[np.floating]:
    if rule.kind == "precision":
        return pred_probs.max(axis=1)
    if pred_probs.shape[1] < 2:
        return np.ones(len(pred_probs), dtype=pred_probs.dtype)
    highest = np.partition(pred_probs, -2, axis=1)[:, -2:]
    return highest[:, 1] - highest[:, 0]


def _unproven(wanted: float, n: int, most: float) -> SettingsError:
    needed = int(np.ceil(np.log(1 - PROVEN_WITH) / np.log(wanted)))
    why = f"that takes {needed:,} pictures that are all right" if needed > n else "its surest predictions err"
    cure = f"Ask for at most {most:g}, or for a gap: `review_below=gap=0.2`." if most > 0 else ""
    return SettingsError(
        f"precision {wanted:g} cannot be proven on the {n:,} validation pictures of the run ({why})",
        cure=cure,
    )
