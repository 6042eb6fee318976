"""A machine of a cluster killed in the middle of tagging 20,000 pictures: is the job finished, is anything
lost, is anything there twice?

    python benchmarks/cluster_kills.py [--pictures 20000] [--kills 3]

needs LIGHTFAST_DATA (mnist.npz). Drawn digits are written as 28 x 28 PNG files and read by a small network of
random weights, exported: first on this machine alone, then on a Ray cluster of three machines with one core
each beside a head that computes nothing (`cluster_utils.Cluster`: real processes of each machine, on this
one). In each round one machine is killed with all its processes (no farewell) when a part of the pictures is
written, which differs from round to round; in every second round a worker process of another machine is
killed as well. The rows are then compared with those of the one machine: every picture once, in the same
order, the same label, the same probability to single precision. A job that is not finished ends the
benchmark.

Printed and written to benchmarks/results/cluster-kills.json.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import numpy as np  # noqa: E402
import psutil  # noqa: E402
from measured import about  # noqa: E402
from PIL import Image  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

from lightfast.base.files import write_json  # noqa: E402
from lightfast.cluster.connect import connect_cluster  # noqa: E402
from lightfast.cluster.redo import Redo  # noqa: E402
from lightfast.cluster.tagging import RayTagging  # noqa: E402
from lightfast.data.preprocess import Preprocess  # noqa: E402
from lightfast.export.graph import export_graph  # noqa: E402
from lightfast.models.build import fresh_network  # noqa: E402
from lightfast.models.checkpoint import Checkpoint  # noqa: E402
from lightfast.runs.options import RunOptions  # noqa: E402
from lightfast.runs.predict.predict import tag_run  # noqa: E402
from lightfast.statistics.intervals import wilson  # noqa: E402

OUT = Path(__file__).parent / "results" / "cluster-kills.json"
SEED, SHAPE, BLOCK, STORE = 0, (28, 28, 1), 100, 100_000_000
STARTS = 8
CLOSE = 1e-5
"""Probabilities that differ by less are the same: sums in another order."""


def write_pictures(folder: Path, count: int) -> None:
    """So many digits as files."""
    with np.load(Path(os.environ["LIGHTFAST_DATA"]) / "mnist.npz") as held:
        images = held["train_images"] if "train_images" in held else held["images"]
    drawn = np.random.default_rng(SEED).permutation(len(images))[:count]
    folder.mkdir()
    for number, row in enumerate(np.sort(drawn).tolist()):
        Image.fromarray(images[row].reshape(SHAPE[:2])).save(folder / f"{number:06}.png", compress_level=1)


def small_network(path: Path) -> str:
    """A convolutional network that was not trained, as an exported file."""
    network = fresh_network("cnn", "classifier", SHAPE, 10, {}, SEED).eval()
    names, preprocess = tuple("0123456789"), Preprocess(SHAPE[:2], 1, (0.13,), (0.31,))
    return str(export_graph(Checkpoint("classifier", "cnn", SHAPE, 10, names, preprocess, network), path))


def started() -> Cluster:
    """A head that computes nothing and two machines; Ray waits half a minute for each, which a busy machine
    may exceed: then it is begun again.
    """
    for attempt in range(STARTS):
        cluster = Cluster(shutdown_at_exit=True)
        try:
            cluster.add_node(num_cpus=0, object_store_memory=STORE)
            for _ in range(2):
                cluster.add_node(num_cpus=1, object_store_memory=STORE)
        except Exception as error:  # noqa: BLE001 - Ray raises nothing narrower
            print(f"start {attempt + 1}: {error}", flush=True)
            cluster.shutdown()
        else:
            return cluster
    raise SystemExit(f"no cluster started in {STARTS} attempts: the machine is too busy")


class Killer:
    """A reporter that kills a machine when `at` pictures are written; with `worker` a worker process, too."""

    def __init__(self, cluster: Cluster, at: int, *, worker: bool) -> None:
        self.cluster, self.at, self.worker = cluster, at, worker
        self.machine = cluster.add_node(num_cpus=1, object_store_memory=STORE)
        self.killed_at = self.workers = 0

    def __call__(self, _label: str, done: int, _total: int, _detail: str = "") -> None:
        """Kill, once, when so many are written."""
        if self.killed_at or done < self.at:
            return
        self.killed_at = done
        self.cluster.remove_node(self.machine, allow_graceful=False)
        if self.worker:
            ours = psutil.Process().children(recursive=True)
            for one in [one for one in ours if "_tag_block" in " ".join(one.cmdline() or [one.name()])][:1]:
                one.kill()
                self.workers += 1


def rows_of(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    """(ids, labels, confidences) of a table."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    confidences = np.array([float(row["confidence"]) for row in rows])
    return [row["id"] for row in rows], [row["predicted_label"] for row in rows], confidences


def compared(here: Path, there: Path) -> dict[str, Any]:
    """What differs between the rows of one machine and those of the cluster."""
    wanted, found = rows_of(here), rows_of(there)
    lost, twice = set(wanted[0]) - set(found[0]), len(found[0]) - len(set(found[0]))
    told: dict[str, Any] = {"rows": len(found[0]), "lost": len(lost), "twice": twice}
    told["same_order"] = wanted[0] == found[0]
    if told["same_order"]:
        off = np.abs(wanted[2] - found[2])
        told["other_label"] = sum(a != b for a, b in zip(wanted[1], found[1], strict=True))
        told["other_confidence"] = int((off > CLOSE).sum())
        told["largest_difference"] = float(off.max())
    return told


def one_round(cluster: Cluster, model: str, work: Path, at: int, *, worker: bool) -> dict[str, Any]:
    """Tag everything while a machine is killed."""
    kill, out = Killer(cluster, at, worker=worker), work / f"there-{at}.csv"
    cluster.wait_for_nodes()
    tagging = RayTagging(Redo(), work / f"blocks-{at}", BLOCK)
    started = time.perf_counter()
    options = RunOptions(out=out, device="cpu", report=kill, tag_files=tagging)
    tag_run(model, [str(work / "pictures")], options)
    seconds = time.perf_counter() - started
    told = {"killed_when_written": kill.killed_at, "workers_killed_too": kill.workers}
    return {**told, "seconds": round(seconds, 1), **compared(work / "here.csv", out)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=3)
    given = parser.parse_args()
    rounds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        write_pictures(work / "pictures", given.pictures)
        model = small_network(work / "model.onnx")
        plain = RunOptions(out=work / "here.csv", device="cpu")
        alone = tag_run(model, [str(work / "pictures")], plain).seconds
        cluster = started()
        try:
            with connect_cluster(cluster.address):
                for turn in range(given.kills):
                    at = given.pictures * (turn + 1) // (given.kills + 1)
                    rounds.append(one_round(cluster, model, work, at, worker=turn % 2 == 1))
                    print(rounds[-1], flush=True)
        finally:
            cluster.shutdown()
    seen = given.pictures * given.kills
    wrong = sum(one["lost"] + one["twice"] for one in rounds)
    write_json(
        OUT,
        {
            "block": BLOCK,
            "rounds": rounds,
            "lost_or_twice": wrong,
            "of": seen,
            "interval": list(wilson(wrong, seen)),
            "seconds_alone": alone,
            **about(
                "",
                SEED,
                None,
                ["python", "benchmarks/cluster_kills.py", *sys.argv[1:]],
                n=f"{given.pictures:,} pictures, {given.kills} kills",
                spread="95 %, Wilson",
                clock="by the clock, with whatever else the machine did",
            ),
        },
    )


if __name__ == "__main__":
    main()
