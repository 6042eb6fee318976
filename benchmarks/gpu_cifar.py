"""CIFAR-10 on a graphics card: seconds and accuracy of `fit` with the model `whitened` and its own recipe,
beside airbench (K. Jordan, 2024; extras.txt) on the same card in the same run.

    python benchmarks/gpu_cifar.py [--seeds 10]

In turns, a seed each, after one warm-up of both. Seconds are by the clock around the training alone, pictures
in memory, the card waited for at both ends; accuracy is that of the 10,000 test pictures, mean and 95 %
interval over seeds. Nothing is chosen on them: the recipe keeps the last epoch, and validation pictures are
taken from the training part. Without a graphics card nothing is measured: benchmarks/results/gpu_cifar.json
then says "not run", and why.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measured import about

from lightfast.base.files import write_json
from lightfast.data.catalogue.catalogue import load_dataset
from lightfast.data.images import ImageSet
from lightfast.evaluate.predict import predict
from lightfast.statistics.intervals import student_mean
from lightfast.train.fit import fit, recipe_of
from lightfast.train.recipe import Training

OUT, MODEL = Path(__file__).parent / "results" / "gpu_cifar.json", "whitened"
HELD_OUT = 500
"""Training pictures that only watch the loss."""
WANTED = {"accuracy": 0.94, "seconds_to_airbench": 1.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    lacking = reason()
    if not lacking and given.seeds < 2:
        parser.error("an interval needs at least two seeds")
    told: dict[str, Any] = {"not_run": lacking} if lacking else measured(given.seeds)
    facts = about(
        "",
        0,
        None,
        ["python", "benchmarks/gpu_cifar.py", *sys.argv[1:]],
        clock="wall time of a training, pictures in memory",
        n=0 if lacking else {"seeds": given.seeds, "test pictures": 10_000},
        spread="95 % interval of the mean over seeds; lowest and highest seconds",
        wanted=WANTED,
    )
    write_json(OUT, {**told, **facts})
    print(OUT.read_text())


def reason() -> str:
    """Why nothing can be measured, or ""."""
    if not torch.cuda.is_available():
        return "no graphics card was at hand"
    return "" if importlib.util.find_spec("airbench") else "airbench is not installed (extras.txt)"


def measured(seeds: int) -> dict[str, Any]:
    """Both, a seed in turn."""
    import airbench

    loaded = load_dataset("cifar10")
    whole, test = loaded.train, loaded.parts["test"]
    rows = np.random.default_rng(0).permutation(len(whole))
    learn, watch = whole.take(rows[HELD_OUT:]), whole.take(rows[:HELD_OUT])
    ways: dict[str, Callable[[int], tuple[float, float]]] = {
        "ours": lambda seed: ours(learn, watch, test, seed),
        "airbench": lambda seed: peer(airbench.train94, seed),
    }
    airbench.warmup94()
    ways["ours"](-1)
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for seed in range(seeds):
        for name, way in ways.items():
            took[name].append(way(seed))
            print(name, seed, took[name][-1], file=sys.stderr, flush=True)
    return {
        "device": torch.cuda.get_device_name(),
        "recipe": recipe_of(MODEL, {}).model_dump(),
        "rows": {name: row(found) for name, found in took.items()},
        "seconds_to_airbench": statistics.median(s for s, _ in took["ours"])
        / statistics.median(s for s, _ in took["airbench"]),
    }


def ours(learn: ImageSet, watch: ImageSet, test: ImageSet, seed: int) -> tuple[float, float]:
    """(seconds, accuracy) of our general `fit`."""
    torch.cuda.synchronize()
    started = time.perf_counter()
    checkpoint = fit(learn, watch, model=MODEL, training=Training(seed=seed, device="cuda"))
    torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    return seconds, float(predict(checkpoint, test).correct.mean())


def peer(train: Callable[[], Any], seed: int) -> tuple[float, float]:
    """(seconds, accuracy) of airbench, which reads the test pictures within its own time."""
    torch.manual_seed(seed)
    torch.cuda.synchronize()
    started = time.perf_counter()
    accuracy = float(train())
    torch.cuda.synchronize()
    return time.perf_counter() - started, accuracy


def row(found: list[tuple[float, float]]) -> dict[str, Any]:
    """Medians, spread, and the mean accuracy with its interval."""
    seconds, right = zip(*found, strict=True)
    mean = student_mean(right)
    return {
        "seconds": {"median": statistics.median(seconds), "lowest": min(seconds), "highest": max(seconds)},
        "accuracy": statistics.mean(right),
        "interval": [mean.low, mean.high],
    }


if __name__ == "__main__":
    main()
