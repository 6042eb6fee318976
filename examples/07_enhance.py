"""Learn picture changes that help a classifier that may not be retrained, and let the gate say whether they
do. Half a minute on one core.

`lightfast enhance` does the same with files and a report; docs/enhance.md tells the whole of it.
"""

from __future__ import annotations

import dataclasses

import lightfast as lf
from lightfast.restore.enhance import weights_digest
from lightfast.restore.measure import degraded_images

FROZEN = lf.Recipe.of(epochs=3, batch_size=64)
LEARN = lf.Recipe.of(epochs=3, batch_size=16, learning_rate=2e-3, averaging=0.95)
# Noise, blur, low contrast and JPEG, half of the pictures left as they are.
MIX = lf.DamageMix.of_suite("camera", clean_share=0.5)


def main() -> None:
    digits = lf.load_images("mnist-5k").images.take(range(0, 5_000, 2))
    parts = lf.split(digits, seed=0)
    classifier = lf.calibrate(
        lf.fit(parts.train, parts.val, recipe=FROZEN, config={"widths": [8, 16, 32], "dense": 64}), parts.val
    )
    before = weights_digest(classifier.torch_network)

    # Two strengths of the fidelity term are tried; validation chooses. `lf.paper_enhancer_plan()` is the
    # way of the perturbations paper.
    small = {"width": 8}
    plan = lf.EnhancerPlan(config=small, mix=MIX, recipe=LEARN, trial_epochs=1, per_epoch=1_500)
    enhanced = lf.fit_enhancer(classifier, parts.train, parts.val, plan=plan)
    print(
        "the classifier's weights are the same, bit for bit: "
        f"{weights_digest(classifier.torch_network) == before}"
    )
    print(
        f"λ = {enhanced.enhancer.details['strength']:g} was taken of "
        f"{[one['strength'] for one in enhanced.enhancer.details['tried']]}"
    )

    # Clean digits are read well already: the gate shows what there is to gain, on validation pictures.
    print(f"gate {'passed' if enhanced.gate.passed else 'refused'}: {enhanced.gate.reason}")

    # Test pictures, read once: every one damaged in one way, the same damage for both sides.
    damaged = degraded_images(parts.test, MIX, seed=0)
    alone, behind = lf.predict(classifier, damaged), lf.predict(enhanced.checkpoint, damaged)
    named = (
        dataclasses.replace(alone, name="the classifier alone"),
        dataclasses.replace(behind, name="behind the enhancer"),
    )
    print(lf.mcnemar(*named).sentence())

    # How far it changes pictures: an enhancer is a restorer, so `restore` gives its output.
    changed = lf.difference(parts.test.images[:100], lf.restore(enhanced.enhancer, parts.test.images[:100]))
    print(
        f"clean pictures change by {changed.mean.mean():.1f} of 255 on average, by up to "
        f"{changed.largest.max():.0f}"
    )

    # Put before a classifier that it never saw.
    stranger = lf.fit(parts.train, parts.val, model="mlp", recipe=FROZEN)
    other = lf.prepend_enhancer(enhanced.enhancer, stranger)
    paired = lf.mcnemar(lf.predict(stranger, damaged), lf.predict(other, damaged))
    print(
        f"before a dense network: {100 * paired.difference:+.1f} points on the same damaged pictures, n = "
        f"{paired.n}"
    )


if __name__ == "__main__":
    main()
