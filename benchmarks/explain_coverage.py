"""How often the 95 % intervals of `explain`'s checks hold what they should, on few pictures.

    python benchmarks/explain_coverage.py [--draws 2000] [--seed 0]

Trains the small CNN and a forest on half of scikit-learn's digits (enlarged to 24 x 24), measures deletion,
insertion and the weight check on pictures of the other half, and takes what was measured on all of them as
the population. Samples of 6 to 24 pictures are then drawn from it: how often does the interval hold the
population's mean ("coverage"), and how often would a population whose mean gain is 0 (the same one, shifted)
be called better or worse ("false verdicts"), by Student's t (what `explain` prints) and by the percentile
bootstrap (what it printed before). Writes benchmarks/results/explain_coverage.json.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from measured import about
from numpy.typing import NDArray

from lightfast.base.files import write_json
from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.data.images import ImageSet
from lightfast.explain.attribution import explain
from lightfast.explain.difference import rank_correlation
from lightfast.explain.faithfulness import deletion_insertion, mean_interval
from lightfast.explain.randomisation import modules_from_the_output, redrawn_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.forest import Forest
from lightfast.statistics.bounded_mean import bounded_mean
from lightfast.statistics.intervals import Interval, bootstrap_mean
from lightfast.train.fit import fit
from lightfast.train.recipe import Recipe, Training

OUT = Path(__file__).parent / "results" / "explain_coverage.json"
SIZES = (6, 8, 12, 24)
PICTURES = 300


def digits() -> tuple[ImageSet, ImageSet]:
    """Pictures to learn from and pictures to explain, uint8 (N, 24, 24, 1)."""
    from sklearn.datasets import load_digits

    found: Any = load_digits()
    pixels = np.clip(np.rint(found.images * 255 / 16), 0, 255).astype(np.uint8)[..., None]
    pixels = pixels.repeat(3, axis=1).repeat(3, axis=2)
    names = tuple(map(str, range(10)))
    whole = ImageSet(pixels, names, found.target.astype(np.int64), name="digits")
    return whole.take(np.arange(0, len(whole), 2)), whole.take(np.arange(1, len(whole), 2)[:PICTURES])


def populations(seed: int) -> Iterator[tuple[str, NDArray[np.float64], tuple[float, float]]]:
    """(name, a value a picture, range of the values) of everything that `explain` prints an interval of."""
    train, shown = digits()
    training = Training(seed=seed)
    cnn = fit(train, shown, recipe=Recipe(epochs=3), training=training)
    forest = fit(train, shown, model="random-forest", config={"trees": 50}, training=training)
    for classifier, methods in (
        (cnn, ("grad-cam", "integrated-gradients", "occlusion")),
        (forest, ("occlusion",)),
    ):
        for method in methods:
            print(f"{classifier.model} {method}", file=sys.stderr)
            found = explain(classifier, shown.images, method=method, seed=seed)
            curves = deletion_insertion(
                classifier, shown.images, found.maps, found.targets, steps=10, seed=seed
            )
            for curve in (curves.deletion, curves.insertion):
                name = f"{classifier.model} {method} {curve.name}"
                yield f"{name} gain", curve.areas - curve.random_areas, (-1, 1)
                yield f"{name} area", curve.areas, (0, 1)
            if not isinstance(classifier.network, Forest) and method != "occlusion":
                yield (
                    f"{classifier.model} {method} weights",
                    _likeness(classifier, shown.images, method, seed),
                    (-1, 1),
                )


def _likeness(
    classifier: Checkpoint, images: NDArray[np.uint8], method: str, seed: int
) -> NDArray[np.float64]:
    """Rank correlation a picture with the maps after all weights were drawn anew, once."""
    trained = explain(classifier, images, method=method, seed=seed)
    network = redrawn_network(classifier, images, modules_from_the_output(classifier, images[:1]), seed)
    other = explain(
        classifier.replace(network=network), images, method=method, targets=trained.targets, seed=seed
    )
    sides = (np.abs(trained.maps), np.abs(other.maps)) if trained.signed else (trained.maps, other.maps)
    return np.nan_to_num(rank_correlation(*sides), nan=0.0)


def measured(
    values: NDArray[np.float64], n: int, draws: int, whole: tuple[float, float], seed: int
) -> dict[str, float]:
    """Coverage of both kinds of intervals over `draws` samples of `n`."""
    rng = generator(seed, "explain coverage", n)
    kinds: dict[str, Callable[[NDArray[np.float64]], Interval]] = {
        "explain": (lambda one: bounded_mean(one.clip(0, 1), whole, rng))
        if whole == (0, 1)
        else mean_interval,
        "bootstrap": lambda one: bootstrap_mean(one, rng, 1000),
    }
    truth, held = float(values.mean()), dict.fromkeys(kinds, 0)
    for _ in range(draws):
        drawn = values[rng.integers(len(values), size=n)]
        for kind, of in kinds.items():
            held[kind] += not of(drawn).excludes(truth)
    return {kind: count / draws for kind, count in held.items()}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rows = []
    for name, values, whole in populations(given.seed):
        for n in SIZES:
            found = measured(values, n, given.draws, whole, given.seed)
            rows.append({"what": name, "n": n, "pictures": len(values), **found})
            print(f"{name:<45} n = {n:>2}  now {found['explain']:.3f}  bootstrap {found['bootstrap']:.3f}")
    write_json(
        OUT,
        {
            "command": "python benchmarks/explain_coverage.py",
            "seed": given.seed,
            "draws": given.draws,
            "pictures": PICTURES,
            "rows": rows,
            "made": as_json(about("", None, None, ["python", "benchmarks/explain_coverage.py"])),
        },
    )


if __name__ == "__main__":
    main()
