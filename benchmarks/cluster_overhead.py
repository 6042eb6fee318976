"""What a cluster of one machine costs beside that machine alone: pictures a second from files to rows, and
seconds of a cross-validation; wanted is at most 15 % more.

    python benchmarks/cluster_overhead.py [--pictures 600] [--rounds 5]

needs LIGHTFAST_DATA (caltech20). The same photographs are read with the same EfficientNet-Lite0 at 224 x 224
(random head) into the same CSV, by `predict` as it is and over Ray with as many cores, in turn; the same
cross-validation of an MLP on the embedded digits is run by `in_parallel` and by the cluster's executor, in
turn. Starting the cluster and the first round of each way, in which processes start and load the model, are
not counted; what they took is told.

Printed and written to benchmarks/results/cluster-overhead.json: medians with ranges, and the ratio within
each round, by the clock and by processor time (of this process and all its children, Ray's own included),
which other work on the machine moves less.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import ray
from tagging_speed import SEED, lite0

from lightfast.base.files import write_json
from lightfast.base.parallel import in_parallel, usable_cores
from lightfast.cluster.connect import Machines, connect_cluster
from lightfast.data.catalogue.catalogue import load_dataset
from lightfast.experiments.crossval import FoldOptions, cross_validate
from lightfast.export.graph import export_graph
from lightfast.runs.options import RunOptions
from lightfast.runs.predict.predict import tag_with
from lightfast.tagging.runtime import Tagger, load_tagger
from lightfast.tagging.stream import tag_files
from lightfast.train.fit import ClassifierPlan
from lightfast.train.recipe import Recipe, Training

OUT = Path(__file__).parent / "results" / "cluster-overhead.json"
COMMAND = "python benchmarks/cluster_overhead.py"
WANTED = 1.15
FOLDS = 4


def processor_seconds() -> float:
    """Processor time of this process and of all that it has started."""
    this = psutil.Process()
    total = sum(this.cpu_times()[:4])
    for child in this.children(recursive=True):
        try:
            total += sum(child.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return total


def timed(work: Callable[[], Any]) -> dict[str, float]:
    started, used = time.perf_counter(), processor_seconds()
    work()
    return {"seconds": time.perf_counter() - started, "processor": processor_seconds() - used}


def tagging_ways(
    tagger: Tagger, pictures: Path, count: int, folder: Path, cluster: Machines
) -> dict[str, Any]:
    """`predict` of the same files, alone and on the cluster."""
    files = [str(path) for path in sorted(pictures.rglob("*.jpg"))]
    drawn = [files[at] for at in np.random.default_rng(SEED).permutation(len(files))[:count]]
    options = RunOptions(out=folder / "rows.csv", device="cpu")

    def run(tag: Any) -> Callable[[], Any]:
        return lambda: tag_with(tagger, drawn, replace(options, tag_files=tag))

    return {"alone": run(tag_files), "cluster": run(cluster.tagging())}


def training_ways(folder: Path, cluster: Machines) -> dict[str, Any]:
    """The same cross-validation by processes here and by tasks of the cluster."""
    images = load_dataset("mnist-5k").train
    plan = ClassifierPlan("mlp", Recipe.of(epochs=2))

    def run(executor: Any) -> Callable[[], Any]:
        # Without a folder nothing is kept: every round computes.
        training = Training(SEED, "cpu", executor=executor)
        return lambda: cross_validate(images, plan, FoldOptions(FOLDS, jobs=usable_cores()), training)

    return {"alone": run(in_parallel), "cluster": run(cluster.executor)}


def measured(ways: dict[str, Callable[[], Any]], rounds: int, name: str) -> dict[str, Any]:
    """Every way in turn, the first round of each left out."""
    first = {way: round(timed(run)["seconds"], 2) for way, run in ways.items()}
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for turn in range(rounds):
        for way, run in ways.items():
            found[way].append(timed(run))
        print(
            name,
            turn + 1,
            {way: {k: round(v, 2) for k, v in one[-1].items()} for way, one in found.items()},
            flush=True,
        )
    told: dict[str, Any] = {"first_round_seconds": first}
    for kind in ("seconds", "processor"):
        told[kind] = {way: spread([one[kind] for one in rows]) for way, rows in found.items()}
        pairs = zip(found["cluster"], found["alone"], strict=True)
        told[f"cluster_to_alone_by_{kind}"] = spread([there[kind] / here[kind] for there, here in pairs])
    return told


def spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 3),
        "lowest": round(min(values), 3),
        "highest": round(max(values), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as name, connect_cluster("local") as cluster:
        start = time.perf_counter() - started
        folder = Path(name)
        tagger = load_tagger(export_graph(lite0(), folder / "model.onnx"))
        pictures = Path(os.environ["LIGHTFAST_DATA"]) / "caltech20"
        ways = tagging_ways(tagger, pictures, options.pictures, folder, cluster)
        tagging = measured(ways, options.rounds, "predict")
        training = measured(training_ways(folder, cluster), options.rounds, "crossval")
    write_json(
        OUT,
        {
            "command": f"{COMMAND} --pictures {options.pictures} --rounds {options.rounds}",
            "seed": SEED,
            "n": options.pictures,
            "rounds": options.rounds,
            "wanted_at_most": WANTED,
            "start_of_cluster_seconds": round(start, 1),
            "predict": tagging,
            "crossval": {"folds": FOLDS, **training},
            "load_before_and_after": [round(load, 1), round(os.getloadavg()[0], 1)],
            "machine": {
                "cores": usable_cores(),
                "processor": platform.processor() or platform.machine(),
                "python": platform.python_version(),
                "ray": ray.__version__,
            },
        },
    )


if __name__ == "__main__":
    main()
