"""Seconds and memory of a map and of clusters of many pictures, and of the nearest neighbours of more.

    python benchmarks/map_speed.py [--pictures 20000] [--neighbours 100000] [--seed 0] [--out FILE]

Features of so many pictures x 1,280 are drawn as 60 groups with a falling spectrum. Prints and writes wall
and processor seconds of `make_map` (t-SNE, trust included) and of `find_clusters` (120 clusters), the peak
memory of the process, and the load of the machine meanwhile to benchmarks/results/map_speed.json; likewise
`nearest` (k = 10) of every one of --neighbours rows, with the share of the true ten that it finds for 500 of
them.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measured import about
from numpy.typing import NDArray

from lightfast.base.files import write_json
from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.curate.clusters import find_clusters
from lightfast.curate.embed import unit_rows
from lightfast.curate.maps import make_map
from lightfast.curate.neighbours import nearest

OUT = Path(__file__).parent / "results" / "map_speed.json"
WIDTH, GROUPS, K = 1_280, 60, 10


def features(pictures: int, seed: int) -> NDArray[np.float32]:
    """float32 (N, 1280)."""
    rng = generator(seed, "map speed")
    spectrum = (1 / np.arange(1, WIDTH + 1) ** 0.6).astype(np.float32)
    middles = rng.standard_normal((GROUPS, WIDTH), dtype=np.float32)
    rows = rng.standard_normal((pictures, WIDTH), dtype=np.float32)
    return (rows + 2 * middles[rng.integers(0, GROUPS, pictures)]) * spectrum


def timed(what: Callable[[], Any]) -> dict[str, float]:
    """Wall and processor seconds of one call."""
    wall, processor = time.perf_counter(), time.process_time()
    what()
    found = {"wall_seconds": time.perf_counter() - wall, "processor_seconds": time.process_time() - processor}
    return {name: round(value, 1) for name, value in found.items()}


def recall(vectors: NDArray[np.float32], found: NDArray[np.int64], seed: int) -> float:
    """The share of the ten nearest by all products that `found` (N, 10) has, over 500 rows."""
    asked = generator(seed, "map speed", "asked").choice(len(vectors), min(500, len(vectors)), replace=False)
    unit = unit_rows(vectors)
    cosines = unit[asked] @ unit.T
    cosines[np.arange(len(asked)), asked] = -np.inf
    true = np.argpartition(-cosines, K, axis=1)[:, :K]
    hits = [len(set(one) & set(other)) for one, other in zip(true, found[asked], strict=True)]
    return round(sum(hits) / (K * len(asked)), 4)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--neighbours", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    vectors = features(given.pictures, given.seed)
    found: dict[str, Any] = {"pictures": given.pictures, "features": WIDTH, "seed": given.seed}
    found["load_before"] = round(os.getloadavg()[0], 1)
    found["map"] = timed(lambda: make_map(vectors, seed=given.seed))
    found["clusters"] = timed(lambda: find_clusters(vectors, 120, seed=given.seed))
    many, near = features(given.neighbours, given.seed), list[NDArray[np.int64]]()
    said = timed(lambda: near.append(nearest(many, K).rows))
    found["neighbours"] = {
        "rows": given.neighbours,
        "k": K,
        **said,
        "recall": recall(many, near[0], given.seed),
    }
    found["load_after"] = round(os.getloadavg()[0], 1)
    found["peak_gigabytes"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
    print(found)
    command = ["python", "benchmarks/map_speed.py", "--pictures", str(given.pictures)]
    write_json(given.out, {**found, **as_json(about("", given.seed, None, command))})


if __name__ == "__main__":
    main()
