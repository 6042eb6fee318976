"""Photographs through the frozen backbone, once: pictures a second of `FeatureExtractor`, which takes ONNX
Runtime where many come, beside the same extractor kept in torch.

    LIGHTFAST_DATA=FOLDER python benchmarks/feature_speed.py

Lite0 with its ImageNet weights at 224 pixels on photographs of FOLDER/intel-scenes, both in turns (A B A B);
the graph is made before the clock runs, and how long that takes stands beside. Medians of wall and of
processor time with their spread. Writes benchmarks/results/feature-speed.json.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measured import about
from numpy.typing import NDArray

from lightfast.base.files import write_json
from lightfast.data.dataset import ImageSpec
from lightfast.data.images import sample
from lightfast.data.ingest import load_splits
from lightfast.models.build import fresh_network
from lightfast.models.transfer import load_weights, preprocess_of
from lightfast.train.features import FeatureExtractor

SIDE, OUT = 224, Path(__file__).parent / "results" / "feature-speed.json"


class Eager(FeatureExtractor):
    """The same, in torch alone."""

    @property
    def fewest(self) -> int:
        """Never."""
        return sys.maxsize


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    images = photographs(given.pictures)
    network = fresh_network("lite0", "classifier", images.shape[1:], 2, {}, 0)
    load_weights(network, "lite0", {})
    plan = (network, preprocess_of("lite0", images.shape[1:], {}), torch.device("cpu"))
    ways = {"torch": Eager(*plan), "onnxruntime": FeatureExtractor(*plan)}
    started = time.perf_counter()
    first = ways["onnxruntime"].features(images)
    making = time.perf_counter() - started
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    found: dict[str, NDArray[np.float32]] = {}
    for number in range(given.rounds):
        for name, extractor in ways.items():
            wall, processor = time.perf_counter(), time.process_time()
            found[name] = extractor.features(images)
            took[name].append((time.perf_counter() - wall, time.process_time() - processor))
        print(f"round {number + 1}/{given.rounds}", file=sys.stderr, flush=True)
    rows = {name: speeds(len(images), one) for name, one in took.items()}
    ratios = [a[0] / b[0] for a, b in zip(took["torch"], took["onnxruntime"], strict=True)]
    by_processor = [a[1] / b[1] for a, b in zip(took["torch"], took["onnxruntime"], strict=True)]
    size = float(np.abs(found["torch"]).max())
    write_json(
        OUT,
        {
            "n": len(images),
            "rounds": given.rounds,
            "threads": torch.get_num_threads(),
            "load_average": round(os.getloadavg()[0], 1),
            "ways": rows,
            "first_pass_seconds": making,
            "ratio": spread(ratios),
            "ratio_of_processor_time": spread(by_processor),
            "wanted_ratio": 3.5,
            "relative_difference": float(np.abs(found["torch"] - found["onnxruntime"]).max()) / size,
            "same_twice": bool(np.array_equal(first, found["onnxruntime"])),
            "provenance": about("intel-scenes", 0, {}, ["python", "benchmarks/feature_speed.py"]),
        },
    )
    print(OUT.read_text())


def photographs(count: int) -> NDArray[np.uint8]:
    """uint8 (count, 224, 224, 3), drawn by seed 0."""
    whole = load_splits(Path(os.environ["LIGHTFAST_DATA"]) / "intel-scenes", ImageSpec((SIDE, SIDE), 3)).part(
        "all"
    )
    return np.ascontiguousarray(sample(whole, count).images)


def speeds(count: int, took: list[tuple[float, float]]) -> dict[str, Any]:
    """Pictures a second by the clock and by processor time."""
    return {
        "pictures_per_second": spread([count / wall for wall, _ in took]),
        "pictures_per_second_of_processor_time": spread([count / used for _, used in took]),
    }


def spread(values: list[float]) -> dict[str, float]:
    """Median, lowest and highest."""
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}


if __name__ == "__main__":
    main()
