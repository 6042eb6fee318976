"""Train a small classifier on real digits, score it, and look at what it is least sure of.

Some seconds on one core.
"""

from __future__ import annotations

import lightfast as lf


def main() -> None:
    digits = lf.load_images("mnist-5k").images
    print(
        f"{len(digits):,} pictures of {digits.image_shape}, classes {', '.join(digits.class_names)}, version "
        f"{digits.version}"
    )

    parts = lf.split(digits, val=0.1, test=0.2, seed=0)
    recipe = lf.Recipe.of(epochs=2, batch_size=64)
    checkpoint = lf.fit(
        parts.train, parts.val, model="cnn", recipe=recipe, config={"widths": [8, 16, 32], "dense": 64}
    )
    checkpoint = lf.calibrate(checkpoint, parts.val)

    evaluation = lf.evaluate(checkpoint, parts.test)
    low, high = evaluation.accuracy_interval
    print(f"accuracy {evaluation.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%}, n = {evaluation.n:,})")

    # Predictions need no labels; here they travel along, so that `correct` can be shown.
    predictions = lf.predict(checkpoint, parts.test)
    print("the five least sure readings:")
    print(predictions.to_frame(top=2).sort_values("confidence").head(5).to_string(index=False))


if __name__ == "__main__":
    main()
