"""Whether an enhancer may be used: the figures without and with it, and the rules on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from lightfast.evaluate.compare import PairedTest
from lightfast.report.tables import points_text, share_text
from lightfast.statistics.intervals import wilson

WITHOUT, WITH = "without", "with"
GateKind = Literal["clean", "degraded", "off"]


@dataclass(frozen=True)
class EnhancerTest(PairedTest):
    """A paired test without and with an enhancer; `leak`: it was trained on these very pictures."""

    leak: bool = False


@dataclass(frozen=True)
class EnhancerScores:
    """What the test pictures say.

    Attributes:
        clean: as they are.
        degraded: each damaged in one way, all ways equally likely; None where no damage is measured.
        by_kind: every picture damaged by one kind, its severity drawn by lot.
        leak: the enhancer was trained on these very pictures.
    """

    clean: EnhancerTest
    degraded: EnhancerTest | None
    by_kind: Mapping[str, EnhancerTest]
    leak: bool = False

    @property
    def tests(self) -> dict[str, EnhancerTest]:
        """All paired tests by name, clean first."""
        degraded = {"degraded": self.degraded} if self.degraded else {}
        return {"clean": self.clean, **degraded, **self.by_kind}


@dataclass(frozen=True)
class Refit:
    """The other way, where the classifier may be trained: no enhancer, but the same network with its last
    layer fitted anew on the pictures that the enhancer learnt on (`train.refit.refit_head`).

    Attributes:
        pictures: how many; damaged: each of them a second time, damaged, where the enhancer learns damage.
        clean, degraded: the same test pictures read behind the enhancer ("before") and by the refitted
            classifier ("after"); None where none is measured.
        reason: why it could not be made, else empty.
    """

    pictures: int
    damaged: bool = False
    clean: PairedTest | None = None
    degraded: PairedTest | None = None
    reason: str = ""

    def sentence(self) -> str:
        """What the reader may conclude, with the figures."""
        if self.clean is None:
            return f"If you may retrain: not compared, {self.reason}."
        copies = ", clean and damaged," if self.damaged else ""
        said = [_refit_span(self.clean, "clean")]
        said += [_refit_span(self.degraded, "degraded")] if self.degraded else []
        return (
            "If you may retrain: without any enhancer, the classifier with its last layer fitted anew on "
            f"the same {self.pictures:,} pictures{copies} reads {'; '.join(said)}."
        )


@dataclass(frozen=True)
class Gate:
    """Whether an enhancer may be used.

    Attributes:
        passed: by the rule of `kind`; see `apply_gate`.
        clean: the frozen classifier without and with it, on the same clean validation pictures; None without
            validation pictures.
        degraded: the same on damaged ones; None where it has not learnt any damage.
        reason: in words.
        kind: the rule that decided.
    """

    JSON_PROPERTIES = ("degraded_would_pass",)

    passed: bool
    clean: PairedTest | None
    degraded: PairedTest | None
    reason: str
    kind: GateKind = "clean"

    @property
    def degraded_would_pass(self) -> bool:
        """Whether the gate for degraded pictures lets it through."""
        return apply_gate("degraded", self).passed


def verdict(clean: PairedTest | None, degraded: PairedTest | None = None) -> Gate:
    """The do-no-harm rule: the accuracy on clean validation pictures rises, its 95 % interval above 0."""
    if clean is None:
        return Gate(False, None, degraded, "there are no validation pictures to judge it on")
    passed = clean.difference_interval.low > 0
    why = "lies above 0" if passed else "does not lie above 0, so a gain is not shown"
    reason = f"accuracy changes by {_span(clean)} clean validation pictures: the interval {why}"
    return Gate(passed, clean, degraded, reason)


def apply_gate(kind: GateKind, judged: Gate) -> Gate:
    """The verdict of the gate that was asked for, from the figures of the do-no-harm gate (`verdict`).

    "clean": as judged. "degraded": the accuracy on degraded validation pictures rises, its interval above 0,
    and on clean ones does not fall with its interval wholly below 0. "off":
    accepted whatever the figures are.
    """
    if kind == "clean" or (kind == "degraded" and judged.clean is None):
        return replace(judged, kind=kind)
    if kind == "off":
        return replace(judged, kind=kind, passed=True, reason=f"the gate was off ({judged.reason})")
    if judged.degraded is None or judged.clean is None:
        return replace(judged, kind=kind, passed=False, reason="no damage was measured to judge it by")
    rises, harm = judged.degraded.difference_interval.low > 0, judged.clean.difference_interval.high < 0
    why = "the interval on degraded ones does not lie above 0, so a gain is not shown"
    if rises:
        why = "the interval on degraded ones lies above 0, and no harm to clean ones is shown"
    if harm:
        why = "clean ones are harmed"
    reason = (
        f"accuracy changes by {_span(judged.degraded)} degraded validation pictures and by "
        f"{_span(judged.clean)} clean ones: {why}"
    )
    return replace(judged, kind=kind, passed=rises and not harm, reason=reason)


def _span(test: PairedTest) -> str:
    return f"{points_text(test.difference, test.difference_interval, unit=' points')} on {test.n:,}"


def _refit_span(test: PairedTest, state: str) -> str:
    return (
        f"{share_text(test.after_accuracy, wilson(round(test.after_accuracy * test.n), test.n))} of "
        f"{test.n:,} {state} test pictures, {points_text(test.difference, test.difference_interval)} points "
        "against the enhancer"
    )
