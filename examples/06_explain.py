"""See what a classifier goes by, and whether the explanation itself can be believed. Some seconds on one
core.

The digits carry a mark that gives the class away, as a scanner's stamp or a hospital's tag does. The
classifier reads the mark; its accuracy does not show that, its maps do. `lightfast explain` does the same
with files and a report; docs/explain.md tells the whole of it.
"""

from __future__ import annotations

import numpy as np

import lightfast as lf

MARK = 4
"""Side of the mark, pixels."""


def marked(images: lf.ImageSet, places: np.ndarray, note: str) -> lf.ImageSet:
    """A bright square at the top edge, its column given by `places` (N,), 0..9."""
    pixels = images.images.copy()
    for row, place in enumerate(places):
        column = 2 * int(place) + 2
        pixels[row, :MARK, column : column + MARK] = 255
    return images.derived(pixels, step={"verb": "mark", "how": note}, name=f"{images.name}/{note}")


def share_on_the_mark(maps: np.ndarray) -> float:
    """Share (0..1) of what speaks for the class that lies in the rows of the mark."""
    favour = np.maximum(maps, 0)
    return float(favour[:, :MARK].sum() / favour.sum())


def look_and_check(classifier: lf.Checkpoint, some: np.ndarray) -> None:
    """Where does it look, and may the maps be believed?"""
    # Taking away what they point to has to hurt more than
    # taking away anything else of the same grain. Methods answer different questions: occlusion covers
    # squares and watches the probability, integrated gradients share out the logit's gain over a flat
    # picture, to which the strokes of the digit contribute as well.
    for method in ("integrated-gradients", "occlusion"):
        found = lf.explain(classifier, some, method=method)
        print(
            f"{method}: {share_on_the_mark(found.maps):.0%} of what speaks for the class lies in the "
            f"{MARK / some.shape[1]:.0%} of the picture where marks are"
        )
        curves = lf.deletion_insertion(classifier, some, found.maps, found.targets, seed=0)
        low, high = curves.deletion.gain_interval
        print(
            f"  deletion: better than a random order by {curves.deletion.gain:.2f} (95 % interval {low:.2f} "
            f"to {high:.2f}, n = {curves.n})"
        )
    # And the maps have to change when the weights are drawn anew.
    weights = lf.randomisation_check(classifier, some, "integrated-gradients", seed=0)
    print(f"weights drawn anew: {weights.verdict} (rank correlation {weights.rows[-1].correlation:.2f})")


def layers_and_difference(classifier: lf.Checkpoint, plain: np.ndarray, with_mark: np.ndarray) -> None:
    """What the layers make of a picture, and where two versions of it differ."""
    for layer in lf.feature_maps(classifier, with_mark):
        print(
            f"layer {layer.name}: {layer.maps.shape[1]} maps of {layer.maps.shape[2]} × {layer.maps.shape[3]}"
        )
    changed = lf.difference(plain, with_mark)
    print(
        f"the mark changes {int((changed.maps > 0).sum())} pixels, by up to {changed.largest[0]:.0f} of 255"
    )


def main() -> None:
    digits = lf.load_images("mnist-5k").images.take(range(0, 5_000, 2))
    parts = lf.split(digits, val=0.1, test=0.2, seed=0)
    told = {
        name: marked(part, part.require_labels(), "given-away")
        for name, part in (("train", parts.train), ("val", parts.val))
    }
    recipe = lf.Recipe.of(epochs=2, batch_size=64)
    classifier = lf.fit(
        told["train"], told["val"], model="cnn", recipe=recipe, config={"widths": [8, 16], "dense": 32}
    )

    # With the mark it seems to read digits; with a mark that says nothing it does not.
    test = parts.test.take(range(200))
    honest, random = (
        marked(test, test.require_labels(), "given-away"),
        np.random.default_rng(0).integers(0, 10, len(test)),
    )
    print(
        lf.mcnemar(
            lf.predict(classifier, honest), lf.predict(classifier, marked(test, random, "at-random"))
        ).sentence()
    )

    some = honest.images[:24]
    look_and_check(classifier, some)
    layers_and_difference(classifier, test.images[:1], some[:1])


if __name__ == "__main__":
    main()
