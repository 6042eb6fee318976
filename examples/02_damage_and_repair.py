"""Damage digits, learn to detect and undo the damage, read again; no label decides what is repaired.

A few thousand pictures and passes keep it below twenty seconds on one core; `lightfast demo` does the same
with more of both.
"""

from __future__ import annotations

from collections import Counter

import lightfast as lf

CLASSIFIER = lf.Recipe.of(epochs=2, batch_size=64)
KIT = lf.Recipe.of(epochs=4, batch_size=64, averaging=0.95)
PER_EPOCH = 1200


def main() -> None:
    digits = lf.load_images("mnist-5k").images
    parts = lf.split(digits, seed=0)
    classifier = lf.calibrate(
        lf.fit(parts.train, parts.val, recipe=CLASSIFIER, config={"widths": [8, 16, 32], "dense": 64}),
        parts.val,
    )

    # How far does fog hurt?
    test = parts.test.take(range(300))
    foggy = lf.corrupt(test, "fog", severity=3, seed=0)
    print(lf.mcnemar(lf.predict(classifier, test), lf.predict(classifier, foggy)).sentence())

    # Detector and restorer learn from training digits that are damaged on the fly: one in five stays clean.
    mix = lf.DamageMix((("fog", 3), ("shot_noise", 5), ("stripe", 3)), clean_share=0.2)
    look = lf.DetectorPlan(config={"widths": [8, 16], "dense": 32}, recipe=KIT, per_epoch=PER_EPOCH)
    mend = lf.RestorerPlan(config={"width": 8}, recipe=KIT, per_epoch=PER_EPOCH)
    detector = lf.fit_detector(parts.train, parts.val, mix, plan=look)
    restorer = lf.fit_restorer(parts.train, parts.val, mix, classifier=classifier, plan=mend)
    pipeline = lf.calibrate_pipeline(classifier, (detector, restorer), parts.val, mix, seed=0)

    # The pipeline sees pixels only; the labels of `foggy` are counted afterwards.
    result = lf.repair(pipeline, foggy)
    print("detected:", dict(Counter(result.damage.names).most_common()))
    print(lf.mcnemar(result.before, result.after).sentence())
    first = next(filter(None, result.reasons), "none")
    print(f"{int(result.needs_review.sum())} of {len(foggy)} readings are for a person; the first: {first}")


if __name__ == "__main__":
    main()
