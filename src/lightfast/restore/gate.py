"""Whether an enhancer may be used: the frozen classifier without and with it, on the same pictures."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.data.images import ImageSet
from lightfast.evaluate.compare import PairedTest, mcnemar
from lightfast.evaluate.predict import predict
from lightfast.models.checkpoint import Checkpoint
from lightfast.restore.pairs import DamageMix


@dataclass(frozen=True)
class Gate:
    """Whether an enhancer may be used: do no harm.

    Attributes:
        passed: the accuracy on clean validation pictures rises, its 95 % interval above 0.
        clean: the frozen classifier without and with it, on the same clean validation pictures; None without
            validation pictures.
        degraded: the same on damaged ones; None where it has not learnt any damage.
        reason: in words.
    """

    passed: bool
    clean: PairedTest | None
    degraded: PairedTest | None
    reason: str

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        clean, degraded = (as_json(one) for one in (self.clean, self.degraded))
        return {"passed": self.passed, "clean": clean, "degraded": degraded, "reason": self.reason}


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
        return verdict(None, None)
    clean = paired_test(classifier, enhanced, val_images)
    return verdict(
        clean,
        None if mix is None else paired_test(classifier, enhanced, degraded_images(val_images, mix, seed)),
    )


def verdict(clean: PairedTest | None, degraded: PairedTest | None) -> Gate:
    """The gate's rule on predictions without and with an enhancer,
    of clean and of degraded validation pictures.
    """
    if clean is None:
        return Gate(False, None, degraded, "there are no validation pictures to judge it on")
    low, high = clean.difference_interval
    span = (
        f"{100 * clean.difference:+.2f} points [{100 * low:+.2f} to {100 * high:+.2f}] on {clean.n:,} clean "
        "validation pictures"
    )
    span = span.replace("-", "\N{MINUS SIGN}")
    if low > 0:
        return Gate(True, clean, degraded, f"accuracy changes by {span}: the interval lies above 0")
    return Gate(
        False,
        clean,
        degraded,
        f"accuracy changes by {span}: the interval does not lie above 0, so a gain is not shown",
    )


def paired_test(before: Checkpoint, after: Checkpoint, images: ImageSet) -> PairedTest:
    """McNemar's test of two classifiers on the same labelled pictures,
    called "without" and "with" the enhancer.
    """
    first, second = predict(before, images), predict(after, images)
    return mcnemar(dataclasses.replace(first, name="without"), dataclasses.replace(second, name="with"))


def degraded_images(images: ImageSet, mix: DamageMix, seed: int) -> ImageSet:
    """Every picture damaged in one way of `mix`, none left clean."""
    rng = generator(seed, "degraded", images.name)
    drawn = dataclasses.replace(mix, clean_share=0.0).draw(len(images), rng)
    step = {"verb": "degrade", "choices": [list(one) for one in mix.choices], "seed": seed}
    return images.derived(mix.apply(images.images, drawn, rng), step=step, name=f"{images.name}/degraded")
