"""How long one explanation takes: Lite0 with its ImageNet weights at 224 pixels, one picture, every method;
and Grad-CAM in batches.

    python benchmarks/explain_speed.py

Per method the seconds of one picture after one that warms up (median, lowest and highest), loading not
counted, with torch on all cores. The picture is noise: the methods do the same work on any picture, but LIME,
whose segments depend on it. Writes benchmarks/results/explain-speed.json.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measured import about

from lightfast.base.files import write_json
from lightfast.explain.attribution import explain
from lightfast.models.build import fresh_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.transfer import load_weights, preprocess_of

SEED, SIDE, CLASSES = 0, 224, 10
REPEATS = {"grad-cam": 20, "grad-cam++": 20, "integrated-gradients": 3, "occlusion": 3, "lime": 3}
BATCH = 32
WANTED = 0.15
OUT = Path(__file__).parent / "results" / "explain-speed.json"


def lite0() -> Checkpoint:
    """Lite0 at 224 pixels with a head of random weights: the head decides nothing about the time."""
    shape = (SIDE, SIDE, 3)
    network = fresh_network("lite0", "classifier", shape, CLASSES, {}, SEED)
    load_weights(network, "lite0", {})
    network = network.to(memory_format=torch.channels_last).eval()
    names = tuple(f"class {number}" for number in range(CLASSES))
    return Checkpoint(
        "classifier", "lite0", shape, CLASSES, names, preprocess_of("lite0", shape, {}), network
    )


def timed(classifier: Checkpoint, images: np.ndarray, method: str, repeats: int) -> dict[str, Any]:
    """Seconds of `explain` on all of `images`."""
    explain(classifier, images, method=method)
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        explain(classifier, images, method=method)
        taken.append(time.perf_counter() - started)
    return {
        "pictures": len(images),
        "seconds": statistics.median(taken),
        "lowest": min(taken),
        "highest": max(taken),
        "repeats": repeats,
    }


def main() -> None:
    classifier = lite0()
    images = np.random.default_rng(SEED).integers(0, 256, (BATCH, SIDE, SIDE, 3), dtype=np.uint8)
    rows = {}
    for method, repeats in REPEATS.items():
        rows[method] = timed(classifier, images[:1], method, repeats)
        print(f"{method:<22}{rows[method]['seconds']:.3f} s", file=sys.stderr, flush=True)
    batch = timed(classifier, images, "grad-cam", 3)
    facts = about("noise", SEED, {}, ["python", "benchmarks/explain_speed.py"])
    result = {
        "model": "lite0",
        "side": SIDE,
        "threads": torch.get_num_threads(),
        "one_picture": rows,
        "grad_cam_batch": batch,
        "wanted_seconds_grad_cam": WANTED,
        "met": rows["grad-cam"]["seconds"] <= WANTED,
        "provenance": facts,
    }
    write_json(OUT, result)
    print(OUT.read_text())


if __name__ == "__main__":
    main()
