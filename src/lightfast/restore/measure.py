"""One set of pictures predicted without and with an enhancer: the paired difference, and the gate on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lightfast.base.plain import as_json
from lightfast.base.progress import Reporter, silent
from lightfast.data.images import ImageSet
from lightfast.evaluate.compare import PairedTest, mcnemar
from lightfast.evaluate.predict import predict
from lightfast.evaluate.predictions import Predictions
from lightfast.models.checkpoint import Checkpoint
from lightfast.report.tables import points
from lightfast.restore.gate import Gate, degraded_images
from lightfast.restore.pairs import DamageMix

WITHOUT, WITH = "without", "with"


@dataclass(frozen=True, eq=False)
class PairedPredictions:
    """The same pictures read without and with the enhancer."""

    images: ImageSet
    before: Predictions
    after: Predictions

    @property
    def paired(self) -> PairedTest:
        """McNemar's test of both."""
        return mcnemar(self.before, self.after)

    def rows(self, chosen: NDArray[np.intp]) -> PairedTest:
        """The same on some of the pictures."""
        return mcnemar(self.before.take(chosen), self.after.take(chosen))


@dataclass(frozen=True, eq=False)
class EnhancerScores:
    """What the test pictures say.

    Attributes:
        clean: as they are.
        degraded: each damaged in one way, all ways equally likely; None where no damage is measured.
        by_kind: every picture damaged by one kind, its severity drawn by lot.
    """

    clean: PairedPredictions
    degraded: PairedPredictions | None
    by_kind: Mapping[str, PairedTest]

    @property
    def tests(self) -> dict[str, PairedTest]:
        """All paired tests by name, clean first."""
        degraded = {} if self.degraded is None else {"degraded": self.degraded.paired}
        return {"clean": self.clean.paired, **degraded, **self.by_kind}

    def as_json(self, *, leak: bool) -> dict[str, Any]:
        """Plain JSON values; every figure says whether it is a leak."""
        told = {name: {**as_json(test), "leak": leak} for name, test in self.tests.items()}
        kinds = {name: told[name] for name in self.by_kind}
        return {"clean": told["clean"], "degraded": told.get("degraded"), "by_kind": kinds, "leak": leak}


def predict_both(classifier: Checkpoint, enhanced: Checkpoint, images: ImageSet) -> PairedPredictions:
    """Both predictions of labelled pictures."""
    first, second = predict(classifier, images), predict(enhanced, images)
    return PairedPredictions(
        images, dataclasses.replace(first, name=WITHOUT), dataclasses.replace(second, name=WITH)
    )


def measure(
    classifier: Checkpoint,
    enhanced: Checkpoint,
    images: ImageSet,
    mix: DamageMix | None,
    *,
    seed: int = 0,
    report: Reporter = silent,
) -> EnhancerScores:
    """Read `images` clean and damaged, without and with the enhancer; the same seed damages alike."""
    kinds = [] if mix is None else list(mix.kinds[1:])
    total = 2 + len(kinds)
    report("test", 0, total, "clean")
    clean = predict_both(classifier, enhanced, images)
    report("test", 1, total, "degraded")
    degraded = None if mix is None else predict_both(classifier, enhanced, degraded_images(images, mix, seed))
    by_kind: dict[str, PairedTest] = {}
    for done, kind in enumerate(kinds, start=2):
        report("test", done, total, kind)
        only = DamageMix(
            tuple(choice for choice in (mix.choices if mix else ()) if choice[0] == kind), clean_share=0.0
        )
        by_kind[kind] = predict_both(classifier, enhanced, degraded_images(images, only, seed)).paired
    report("test", total, total)
    return EnhancerScores(clean, degraded, by_kind)


def apply_gate(kind: GateKind, judged: Gate) -> Gate:
    """The verdict of the gate that was asked for, from the figures of the do-no-harm gate
    (`restore.gate.judge`).

    "clean": as judged. "degraded": the accuracy on degraded validation pictures rises, its interval above 0,
    and on clean ones does not fall with its interval wholly below 0. "off": accepted whatever the figures
    are.
    """
    if kind == "clean" or (kind == "degraded" and judged.clean is None):
        return judged
    if kind == "off":
        return dataclasses.replace(judged, passed=True, reason=f"the gate was off ({judged.reason})")
    if judged.degraded is None or judged.clean is None:
        return dataclasses.replace(judged, passed=False, reason="no damage was measured to judge it by")
    rises, harm = judged.degraded.difference_interval.low > 0, judged.clean.difference_interval.high < 0
    said = (
        f"accuracy changes by {_span(judged.degraded)} degraded validation pictures and by "
        f"{_span(judged.clean)} clean ones"
    )
    why = (
        "the interval on degraded ones lies above 0, and no harm to clean ones is shown"
        if rises and not harm
        else "clean ones are harmed"
        if harm
        else "the interval on degraded ones does not lie above 0, so a gain is not shown"
    )
    return dataclasses.replace(judged, passed=rises and not harm, reason=f"{said}: {why}")


def _span(test: PairedTest) -> str:
    low, high = test.difference_interval
    return f"{points(test.difference)} points [{points(low)} to {points(high)}] on {test.n:,}"


GateKind = Literal["clean", "degraded", "off"]
