"""How far tagging scales, from what each stage costs on this machine: 1 to 1,000 workers, and which stage is
full first.

    python benchmarks/scaling.py [--pictures 400]

needs LIGHTFAST_DATA (caltech20). Measured here, one after the other on one core, in processor milliseconds a
picture (other work on the machine moves these less than the clock; medians of three passes): reading a file,
decoding and resizing it, inferring (EfficientNet-Lite0 at 224 x 224), what one process does for all workers
(handing a block out and taking its result: Ray's part, measured with blocks that compute nothing; writing its
rows as CSV), and, for `library tag`, writing to the database (SQLite, with its commits: by the clock).

Then simulated, event by event, with blocks of 256 pictures: a worker reads, decodes and infers a block (its
time spread as the costs of single pictures are), files come over a shared line of STORAGE bytes a second,
results are taken in the order of the files by one process that writes, and at most six blocks a worker wait
for it. No network but the line, no lost machine, no start-up: the curve is an upper bound of what these costs
allow.

Written to benchmarks/results/scaling.json and, as a plot, docs/scaling.png.
"""

from __future__ import annotations

import argparse
import heapq
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tagging_speed import SEED, SIDE, lite0

from lightfast.base.files import write_json
from lightfast.data.dataset import Entry
from lightfast.data.decode.decode import decode_file
from lightfast.export.graph import export_graph
from lightfast.library.add import add_pictures
from lightfast.library.library import create_library
from lightfast.library.tag import ModelFacts, register_model, tag_assets
from lightfast.tagging.rows import PredictionColumns, row_writer
from lightfast.tagging.runtime import Tagger, load_tagger
from lightfast.tagging.stream import Tagged

OUT = Path(__file__).parent / "results" / "scaling.json"
PLOT = Path(__file__).parents[1] / "docs" / "scaling.png"
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
BLOCK, AHEAD, PASSES = 256, 6, 3
STORAGE = 1.25e9
"""Bytes a second of the shared line: 10 Gbit/s, an assumption and no measurement."""
BLOCKS_A_WORKER = 30


@dataclass(frozen=True)
class Costs:
    """Milliseconds a picture, and the bytes of its file; `spread` is that of read, decode and infer over
    single pictures (standard deviation over mean).
    """

    read: float
    decode: float
    infer: float
    handing: float
    write: float
    database: float
    file_bytes: float
    spread: float

    @property
    def worker(self) -> float:
        """What a worker does for a picture."""
        return self.read + self.decode + self.infer


def processor_ms(work: Callable[[], Any], pictures: int) -> float:
    """The median of some passes, in processor milliseconds a picture."""
    passes = []
    for _ in range(PASSES):
        started = time.process_time()
        work()
        passes.append(1000 * (time.process_time() - started) / pictures)
    return statistics.median(passes)


def worker_costs(tagger: Tagger, files: Sequence[Path]) -> tuple[dict[str, float], np.ndarray]:
    """Milliseconds of reading, decoding and inferring; probabilities (N, K)."""
    images = np.stack([decode_file(path, (SIDE, SIDE), 3) for path in files])
    read = processor_ms(lambda: [path.read_bytes() for path in files], len(files))
    both = processor_ms(lambda: [decode_file(path, (SIDE, SIDE), 3) for path in files], len(files))
    probs = [tagger.infer(images[at : at + 8]) for at in range(0, len(files), 8)]
    infer = processor_ms(
        lambda: [tagger.infer(images[at : at + 8]) for at in range(0, len(files), 8)], len(files)
    )
    singly = []
    for path in files:
        started = time.process_time()
        decode_file(path, (SIDE, SIDE), 3)
        singly.append(1000 * (time.process_time() - started) + infer)
    found = {"read": read, "decode": both - read, "infer": infer}
    return {**found, "spread": float(np.std(singly) / np.mean(singly))}, np.concatenate(probs)


def write_cost(tagger: Tagger, files: Sequence[Path], probs: np.ndarray, folder: Path) -> float:
    """Milliseconds of making and writing the row of a picture."""
    sayings = PredictionColumns(tagger.card)

    def write_rows() -> None:
        with row_writer(folder / "rows.csv", "csv", sayings) as write:
            for at in range(0, len(files), BLOCK):
                part = probs[at : at + BLOCK]
                names = [str(path) for path in files[at : at + BLOCK]]
                write({"id": names, "path": names, **sayings.columns(part)}, part)

    return processor_ms(write_rows, len(files))


def database_cost(tagger: Tagger, files: Sequence[Path], probs: np.ndarray, folder: Path) -> float:
    """Milliseconds by the clock of writing what a model said of a picture into a library (SQLite)."""
    library = create_library(folder / "library")
    add_pictures(library, [str(path) for path in files])

    def known(_tagger: object, entries: Any, *_: object, **__: object) -> Any:
        for entry in entries:
            yield Tagged((entry,), probs[:1])

    facts = ModelFacts("lite0", "lite0", "lite0", tagger.card.class_names, {})
    number, started = register_model(library.store, facts), time.perf_counter()
    seen = tag_assets(library, tagger, number, tag=known).seen
    spent = time.perf_counter() - started
    library.close()
    return 1000 * spent / seen


def handing_cost(files: Sequence[Path], classes: int) -> float:
    """Processor milliseconds a picture in the process that gives the command: a block handed out, its result
    taken; the blocks compute nothing.
    """
    import ray

    from lightfast.cluster.connect import connect_cluster
    from lightfast.cluster.redo import Redo, in_order

    block = [Entry(path, str(path), 0) for path in (list(files) * BLOCK)[:BLOCK]]
    probs = np.zeros((BLOCK, classes), np.float32)

    def answer(entries: Sequence[Entry]) -> Tagged:
        return Tagged(tuple(entries), probs)

    with connect_cluster("local"):
        remote = ray.remote(num_cpus=1, max_retries=0)(answer)
        run = lambda: list(in_order(remote.remote, [block] * 50, Redo(), at_once=lambda: 4))  # noqa: E731
        run()
        return processor_ms(run, 50 * BLOCK)


def simulate(costs: Costs, workers: int, serial: float, rng: np.random.Generator) -> float:
    """Pictures a second of so many workers; `serial`: milliseconds a picture of who takes results."""
    blocks = BLOCKS_A_WORKER * workers
    # The mean of 256 independent pictures; machines differ too, which this leaves out.
    times = (
        BLOCK * costs.worker / 1000 * (1 + costs.spread / BLOCK**0.5 * rng.standard_normal(blocks)).clip(0.1)
    )
    line = BLOCK * costs.file_bytes / STORAGE
    taken_at, line_free, taker_free = np.zeros(blocks), 0.0, 0.0
    free = [0.0] * workers
    done = np.zeros(blocks)
    for block in range(blocks):
        # Begun when a worker is free, the line has brought the files, and not too many results wait.
        begun = heapq.heappop(free)
        if block >= AHEAD * workers:
            begun = max(begun, taken_at[block - AHEAD * workers])
        line_free = max(line_free, begun) + line
        done[block] = max(begun + line, line_free) + times[block]
        heapq.heappush(free, done[block])
        taker_free = max(taker_free, done[block]) + serial * BLOCK / 1000
        taken_at[block] = taker_free
    # The first blocks only fill the line.
    warm = blocks // 3
    return float((blocks - warm) * BLOCK / (taken_at[-1] - taken_at[warm - 1]))


def limits(costs: Costs, *, database: bool) -> dict[str, float]:
    """Pictures a second at which each shared stage is full."""
    serial = costs.handing + (costs.database if database else costs.write)
    return {
        "storage line": STORAGE / costs.file_bytes,
        "the process that takes results"
        + (" and writes the database" if database else " and writes rows"): 1000 / serial,
    }


def curve(costs: Costs, *, database: bool) -> dict[str, Any]:
    serial = costs.handing + (costs.database if database else costs.write)
    rates = {
        workers: round(simulate(costs, workers, serial, np.random.default_rng(SEED)), 1)
        for workers in WORKERS
    }
    full = limits(costs, database=database)
    first = min(full, key=lambda name: full[name])
    return {
        "pictures_per_second": rates,
        "limits": {name: round(rate) for name, rate in full.items()},
        "full_first": first,
        "workers_that_fill_it": round(full[first] * costs.worker / 1000),
    }


def plot(curves: dict[str, dict[str, Any]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, one in curves.items():
        rates = one["pictures_per_second"]
        axes.loglog(
            list(rates), list(rates.values()), marker="o", label=f"{name}: full first is {one['full_first']}"
        )
    one = next(iter(curves.values()))["pictures_per_second"]
    axes.loglog(WORKERS, [one[1] * workers for workers in WORKERS], "--", color="grey", label="in proportion")
    axes.set_xlabel("workers (cores)")
    axes.set_ylabel("pictures a second (simulated)")
    axes.legend(fontsize=8)
    axes.grid(visible=True, which="major", alpha=0.3)
    figure.savefig(PLOT, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=400)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    found = sorted((Path(os.environ["LIGHTFAST_DATA"]) / "caltech20").rglob("*.jpg"))
    files = [found[at] for at in np.random.default_rng(SEED).permutation(len(found))[: options.pictures]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tagger = load_tagger(export_graph(lite0(), folder / "model.onnx"), threads=1)
        measured, probs = worker_costs(tagger, files)
        costs = Costs(
            **measured,
            handing=handing_cost(files, len(tagger.card.class_names)),
            write=write_cost(tagger, files, probs, folder),
            database=database_cost(tagger, files, probs, folder),
            file_bytes=statistics.fmean(path.stat().st_size for path in files),
        )
    curves = {"predict": curve(costs, database=False), "library tag": curve(costs, database=True)}
    plot(curves)
    result = {
        "command": f"python benchmarks/scaling.py --pictures {options.pictures}",
        "seed": SEED,
        "n": len(files),
        "block": BLOCK,
        "storage_bytes_per_second_assumed": STORAGE,
        "milliseconds_a_picture": {key: round(value, 4) for key, value in asdict(costs).items()},
        "simulated": curves,
        "load_before_and_after": [round(load, 1), round(os.getloadavg()[0], 1)],
        "machine": {
            "cores": os.cpu_count(),
            "processor": platform.processor() or platform.machine(),
            "python": platform.python_version(),
        },
    }
    print(result)
    write_json(OUT, result)


if __name__ == "__main__":
    main()
