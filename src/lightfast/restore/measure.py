"""The same pictures predicted without and with an enhancer, clean and damaged."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightfast.base.progress import Reporter, silent
from lightfast.base.randomness import generator
from lightfast.data.images import ImageSet
from lightfast.evaluate.compare import PairedTest, mcnemar
from lightfast.evaluate.predict import predict
from lightfast.evaluate.predictions import Predictions
from lightfast.models.checkpoint import Checkpoint
from lightfast.restore.gate import WITH, WITHOUT, EnhancerScores, EnhancerTest, Gate, verdict
from lightfast.restore.pairs import DamageMix


@dataclass(frozen=True, eq=False)
class PairedPredictions:
    """The same labelled pictures predicted without and with the enhancer."""

    images: ImageSet
    before: Predictions
    after: Predictions

    @property
    def paired(self) -> PairedTest:
        """McNemar's test of both."""
        return mcnemar(self.before, self.after)

    def take(self, rows: NDArray[np.intp]) -> PairedPredictions:
        """Some of the pictures."""
        return PairedPredictions(self.images.take(rows), self.before.take(rows), self.after.take(rows))


@dataclass(frozen=True, eq=False)
class Measured:
    """The figures of an enhancer on test pictures, and the predictions that they come from."""

    scores: EnhancerScores
    clean: PairedPredictions
    degraded: PairedPredictions | None


def predict_both(classifier: Checkpoint, enhanced: Checkpoint, images: ImageSet) -> PairedPredictions:
    """Both predictions of labelled pictures."""
    first, second = predict(classifier, images), predict(enhanced, images)
    return PairedPredictions(
        images, dataclasses.replace(first, name=WITHOUT), dataclasses.replace(second, name=WITH)
    )


def judge(
    classifier: Checkpoint,
    enhanced: Checkpoint,
    val_images: ImageSet,
    mix: DamageMix | None,
    *,
    seed: int = 0,
) -> Gate:
    """The do-no-harm gate: `classifier` against `enhanced` on the same validation pictures, clean,
    and damaged by `mix`.
    """
    if not len(val_images):
        return verdict(None)
    sides = [val_images] + ([degraded_images(val_images, mix, seed)] if mix else [])
    return verdict(*(predict_both(classifier, enhanced, one).paired for one in sides))


def degraded_images(images: ImageSet, mix: DamageMix, seed: int) -> ImageSet:
    """Every picture damaged in one way of `mix`, none left clean."""
    rng = generator(seed, "degraded", images.name)
    drawn = dataclasses.replace(mix, clean_share=0.0).draw(len(images), rng)
    step = {"verb": "degrade", "choices": [list(one) for one in mix.choices], "seed": seed}
    return images.derived(mix.apply(images.images, drawn, rng), step=step, name=f"{images.name}/degraded")


def measure(
    sides: tuple[Checkpoint, Checkpoint],
    images: ImageSet,
    mix: DamageMix | None,
    *,
    seed: int = 0,
    report: Reporter = silent,
    leak: bool = False,
) -> Measured:
    """Predict `images` clean and damaged by both `sides`, the classifier without and with the enhancer; the
    same seed damages alike.

    `leak`: the enhancer was trained on them, which every figure then says.
    """
    damages: dict[str, DamageMix | None] = {"clean": None}
    if mix is not None:
        damages["degraded"] = mix
        for kind in mix.kinds[1:]:
            damages[kind] = DamageMix(tuple(one for one in mix.choices if one[0] == kind), clean_share=0.0)
    kept: dict[str, PairedPredictions] = {}
    tests: dict[str, EnhancerTest] = {}
    for done, (name, damage) in enumerate(damages.items()):
        report("test", done, len(damages), name)
        both = predict_both(*sides, degraded_images(images, damage, seed) if damage else images)
        tests[name] = EnhancerTest(**vars(both.paired), leak=leak)
        if name in ("clean", "degraded"):
            kept[name] = both
    report("test", len(damages), len(damages))
    scores = EnhancerScores(tests.pop("clean"), tests.pop("degraded", None), tests, leak)
    return Measured(scores, kept["clean"], kept.get("degraded"))
