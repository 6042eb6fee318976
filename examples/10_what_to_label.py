"""From pictures without a label to a head that knows most of them: what to label next, a handful at a time.
Half a minute on one core.

`lightfast select` does the same for a folder, with reasons and a page; docs/select.md tells the whole of it.
"""

from __future__ import annotations

import numpy as np

import lightfast as lf
from lightfast.curate.select import Known


def main() -> None:
    digits = lf.load_images("mnist-5k").images.take(range(0, 5_000, 4))
    truth, names = digits.require_labels(), digits.class_names
    # Any features will do; `curate.embed` makes and keeps those of a pretrained backbone for photographs.
    features = digits.images[:, ::2, ::2].reshape(len(digits), -1).astype(np.float32) / 255

    head = lf.LiveHead.start(features, names)
    while len(head.decided) < 100:
        known = Known(head.labels, None, head.probs(), names)
        chosen = lf.select_next(features, 10, known)
        # Here a person would look at the pictures.
        head = head.decide(chosen.rows, [names[one] for one in truth[chosen.rows]]).refit()
    print(f"{chosen.strategy}: picture {chosen.rows[0]}, {chosen.reasons[0]}")

    assert head.fit is not None
    assert head.fit.accuracy is not None
    low, high = head.fit.accuracy.interval
    print(
        f"{head.fit.accuracy.value:.0%} of the decided pictures by cross-validation (95 % interval {low:.0%} "
        f"to {high:.0%}, n = {head.fit.accuracy.n})"
    )
    lot = np.random.default_rng(0).permutation(len(truth))[:100]
    other = lf.LiveHead.start(features, names).decide(lot, [names[one] for one in truth[lot]]).refit()
    for name, one in (("chosen", head), ("by lot", other)):
        probs, rest = one.probs(), one.labels < 0
        assert probs is not None
        right = float((probs.argmax(axis=1) == truth)[rest].mean())
        expected = one.expected_accuracy()
        print(
            f"100 labels {name}: {right:.1%} of the other {rest.sum():,} are right ({expected:.1%} expected)"
        )


if __name__ == "__main__":
    main()
