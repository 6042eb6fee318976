"""How strong the maps of `explain` are on pictures that show something, and on pictures that show nothing.

    python benchmarks/flat_maps.py [--seed 0]

Trains the small CNN (3 epochs, and 40 for one that is very sure) and a forest on half of scikit-learn's
digits (24 x 24). Explains 40 digits of the other half, 40 pictures of one grey, and 40 of one grey with
single pixels a level away from it, by every method, and the digits by a network whose last weights are 1e-6
of themselves. Prints and writes the strengths that `explain.flat` compares with its
floors, and how many maps are called flat, to benchmarks/results/flat_maps.json.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from explain_coverage import digits
from measured import about
from numpy.typing import NDArray

from lightfast.base.files import write_json
from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.explain.attribution import applicable, explain, explainers
from lightfast.explain.flat import flat_maps, map_strengths, picture_strengths
from lightfast.explain.methods import ExplainSettings
from lightfast.models.checkpoint import Checkpoint
from lightfast.train.fit import fit
from lightfast.train.recipe import Recipe, Training

OUT = Path(__file__).parent / "results" / "flat_maps.json"
PICTURES = 40


def pictures(shown: NDArray[np.uint8], seed: int) -> dict[str, NDArray[np.uint8]]:
    """Name → uint8 (40, 24, 24, 1)."""
    rng = generator(seed, "flat")
    grey = np.broadcast_to(rng.integers(1, 255, (PICTURES, 1, 1, 1)), shown[:PICTURES].shape)
    near = grey + (rng.random(grey.shape) < 0.02)
    return {
        "digits": shown[:PICTURES],
        "one grey": grey.astype(np.uint8),
        "a level away": near.astype(np.uint8),
    }


def blunted(classifier: Checkpoint) -> Checkpoint:
    """The same network, but what its last layer reads is almost nothing."""
    network = copy.deepcopy(classifier.torch_network)
    *_, last = (module for module in network.modules() if isinstance(module, torch.nn.Linear))
    with torch.no_grad():
        last.weight.mul_(1e-6)
    return classifier.replace(network=network)


def row(
    name: str, what: str, classifier: Checkpoint, images: NDArray[np.uint8], method: str
) -> dict[str, Any]:
    """Strengths of one method on some pictures."""
    entry = explainers().get(method)
    few = ExplainSettings(samples=128) if method == "lime" else None
    found = explain(classifier, images, method=method, settings=few).maps
    strengths, whole = map_strengths(found, entry), picture_strengths(classifier, images)
    flat = int(flat_maps(classifier, images, found, entry).sum())
    unit = "logits" if entry.needs_gradients else "probability"
    made = {"network": name, "pictures": what, "method": method, "unit": unit, "n": len(images), "flat": flat}
    ends = {"least": strengths.min(), "median": np.median(strengths), "most": strengths.max()}
    ends |= {"least_whole": whole.min(), "most_whole": whole.max()}
    made |= {key: float(f"{value:.3g}") for key, value in ends.items()}
    print(" ".join(f"{value!s:>12}" for value in made.values()), flush=True)
    return made


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    train, shown = digits()
    training = Training(seed=seed)
    usual = fit(train, shown, recipe=Recipe(epochs=3), training=training)
    networks = {
        "cnn": usual,
        "cnn, sure": fit(train, shown, recipe=Recipe(epochs=40, keep="last"), training=training),
        "random-forest": fit(train, shown, model="random-forest", config={"trees": 50}, training=training),
    }
    asked = [
        (name, what, classifier, images)
        for name, classifier in networks.items()
        for what, images in pictures(shown.images, seed).items()
    ]
    asked.append(("cnn, blunted", "digits", blunted(usual), shown.images[:PICTURES]))
    rows = [row(*one, method) for one in asked for method in applicable(one[2])]
    command = ["python", "benchmarks/flat_maps.py"]
    write_json(OUT, {"seed": seed, "rows": rows, **as_json(about("", seed, None, command))})


if __name__ == "__main__":
    main()
