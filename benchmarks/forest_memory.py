"""How much memory the paper's random forest takes on a set of the size of EMNIST Balanced: 112,800 pictures
of 28 × 28, 47 classes.

    taskset -c 0 python benchmarks/forest_memory.py

fits `random-forest-80`, prints the peak of the whole process (pictures, Python and libraries included) and
writes benchmarks/results/forest-memory.json. The pictures are synthetic: smooth class means under so much
noise that trees grow deep and no leaf comes cheap, so that real letters take less. Peak resident memory is
what the kernel counted (ru_maxrss).
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from measured import about

from lightfast.base.files import write_json
from lightfast.base.randomness import derive_seed, generator
from lightfast.data.images import ImageSet
from lightfast.models.build import build_network
from lightfast.models.forest import Forest

PICTURES, HELD_OUT, CLASSES, SIDE = 112_800, 2_000, 47, 28
NOISE = 100.0
LIMIT_GB = 4.0
OUT = Path(__file__).parent / "results" / "forest-memory.json"


def synthetic(count: int, seed: int, part: str) -> ImageSet:
    """`count` pictures: one of 47 smooth class means plus normal noise of standard deviation `NOISE`,
    clipped to 0..255.
    """
    rows = (
        generator(seed, "forest memory", "means")
        .uniform(0, 255, (CLASSES, 7, 7))
        .repeat(4, axis=1)
        .repeat(4, axis=2)
    )
    rng = generator(seed, "forest memory", part)
    labels = rng.permutation(np.arange(count) % CLASSES)
    images = np.empty((count, SIDE, SIDE), dtype=np.uint8)
    for start in range(0, count, 2_000):
        mean = rows[labels[start : start + 2_000]]
        images[start : start + 2_000] = np.clip(
            mean + NOISE * rng.standard_normal(mean.shape, dtype=np.float32), 0, 255
        )
    return ImageSet(
        images, tuple(f"class {number}" for number in range(CLASSES)), labels, name=f"synthetic {part}"
    )


def peak_bytes() -> int:
    """Most memory that this process ever held, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def measured(model: str, pictures: int, seed: int) -> dict[str, Any]:
    """Fit and read once: peaks, seconds, size of the trees, accuracy on fresh pictures."""
    train, test = synthetic(pictures, seed, "train"), synthetic(HELD_OUT, seed, "test")
    before = peak_bytes()
    started = time.perf_counter()
    forest = build_network(model, "classifier", train.image_shape, CLASSES)
    assert isinstance(forest, Forest)
    forest.fit(train.images, train.require_labels(), derive_seed(seed, "forest") % 2**31)
    fitted = time.perf_counter()
    after_fit = peak_bytes()
    right = forest.pred_probs(test.images).argmax(axis=1) == test.require_labels()
    trees = [tree.tree_ for tree in forest.model.estimators_]
    return {
        "model": model,
        "pictures": pictures,
        "values_a_picture": SIDE * SIDE,
        "classes": CLASSES,
        "trees": len(trees),
        "deepest": max(tree.max_depth for tree in trees),
        "nodes_a_tree": round(float(np.mean([tree.node_count for tree in trees]))),
        "accuracy": float(right.mean()),
        "n_test": HELD_OUT,
        "fit_seconds": round(fitted - started, 1),
        "read_seconds": round(time.perf_counter() - fitted, 1),
        "before_fit_gb": round(before / 1e9, 3),
        "after_fit_gb": round(after_fit / 1e9, 3),
        "peak_gb": round(peak_bytes() / 1e9, 3),
        "limit_gb": LIMIT_GB,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="random-forest-80")
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    figures = measured(given.model, given.pictures, given.seed)
    for name, value in figures.items():
        print(f"{name:<18} {value}")
    facts = about(
        f"synthetic, noise {NOISE:g}", given.seed, {"fit": figures["fit_seconds"]}, ["python", *sys.argv]
    )
    write_json(given.out, {**figures, "seed": given.seed, "provenance": facts})
    if figures["peak_gb"] > LIMIT_GB:
        sys.exit(f"{figures['peak_gb']} GB is above the limit of {LIMIT_GB} GB")


if __name__ == "__main__":
    main()
