"""What the service costs over the bare runtime: throughput, processor time, added time, the slowest calls,
memory, decisions; with a tiny network, which shows the service, and with the product's own for photographs.

    python benchmarks/serve_speed.py [--networks tiny lite0] [--seconds 10] [--rounds 3] [--flat 600]

needs LIGHTFAST_DATA (smiles for tiny; intel-scenes, clothing, caltech20 for lite0). tiny: `resnet9-small` at
64 x 64, two milliseconds a call. lite0: EfficientNet-Lite0 at 224 with the ImageNet weights of its package,
on photographs. The heads are fresh: what a network says does not change how long it takes.

Bare: the exported file in ONNX Runtime, pictures decoded and read as `predict` does it, on a thread a core.
The service is `lightfast serve` in a process of its own on loopback; its 16 clients are connections of one
thread of this process, with requests made before (`serve_load`). They still take a share of the same cores.

Both are measured in turn, bare, service, bare, service ..., for `--rounds` rounds: pictures a second by the
clock, and the processor time of a picture, which other work on the machine moves less: of all threads of this
process for bare, of the service's own process for the service. Shares are of two neighbours in a round: the
median with the range. Then one call alone, both in turn, and as many calls a second as are half of the
throughput, evenly spread. With --flat the service is kept busy for so many seconds at half load, and its
memory is noted every second. Then 500 decisions, one after the other. Writes
benchmarks/results/serve_speed.json.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from measured import about
from serve_load import Load
from tagging_speed import SOURCES, lite0

from lightfast.base.files import write_json
from lightfast.data.dataset import Entry
from lightfast.data.decode.decode import decode_bytes
from lightfast.data.preprocess import Preprocess
from lightfast.export.graph import export_graph
from lightfast.library.library import create_library
from lightfast.library.uploads import Upload, keep_uploads
from lightfast.models.build import fresh_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.tagging.runtime import Tagger, load_tagger
from lightfast.tagging.stream import tag_files

OUT = Path(__file__).parent / "results" / "serve_speed.json"
DATA = {"tiny": ("smiles",), "lite0": SOURCES}
MOST_PICTURES, DECISIONS, KEPT, SEED = 500, 500, 50, 0


@dataclass(frozen=True)
class Service:
    """A service that runs: where it listens, and its process."""

    host: str
    port: int
    process: int

    @property
    def processor_seconds(self) -> float:
        """Of all its threads so far."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def megabytes(self) -> float:
        """Memory that it holds."""
        for line in Path(f"/proc/{self.process}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise OSError("no VmRSS")


@dataclass(frozen=True)
class Rate:
    """Pictures a second by the clock, milliseconds of processor time a picture, seconds of each call."""

    a_second: float
    processor_ms: float
    clients_ms: float = 0.0
    calls: tuple[float, ...] = ()


def tiny() -> Checkpoint:
    """A network that takes two milliseconds: more of the time is the service's."""
    torch.manual_seed(SEED)
    shape = (64, 64, 3)
    network = fresh_network("resnet9-small", "classifier", shape, 2, {}, SEED).eval()
    fitted = Preprocess((64, 64), 3, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    return Checkpoint("classifier", "resnet9-small", shape, 2, ("yes", "no"), fitted, network)


def picture_files(network: str) -> list[Path]:
    """JPEG files of the network's sets in equal shares."""
    root, rng = Path(os.environ["LIGHTFAST_DATA"]), np.random.default_rng(SEED)
    found, names = list[Path](), DATA[network]
    for name in names:
        files = sorted((root / name).rglob("*.jpg"))
        found += [files[at] for at in rng.permutation(len(files))[: MOST_PICTURES // len(names)]]
    return [found[at] for at in rng.permutation(len(found))]


def bare_rate(tagger: Tagger, files: Sequence[Path], seconds: float) -> Rate:
    """Decoded and read by as many threads as the tagger wants."""
    entries = (Entry(path, path.name, 0) for path in itertools.cycle(files))
    done, start, used = 0, time.perf_counter(), time.process_time()
    for batch in tag_files(tagger, entries):
        done += len(batch.entries)
        if time.perf_counter() - start > seconds:
            break
    spent = time.perf_counter() - start, time.process_time() - used
    return Rate(done / spent[0], 1e3 * spent[1] / done)


def service_rate(service: Service, load: Load, seconds: float) -> Rate:
    """All connections without a pause."""
    used, mine = service.processor_seconds, load.processor_seconds
    a_second, calls = load.at_once(seconds)
    spent = service.processor_seconds - used, load.processor_seconds - mine
    each = [1e3 * one / len(calls) for one in spent]
    return Rate(a_second, each[0], each[1], tuple(calls))


def bare_calls(tagger: Tagger, pictures: Sequence[bytes], seconds: float) -> list[float]:
    """Seconds of each call: one picture decoded and read."""
    height, width, channels = tagger.card.image_shape
    found, end = [], time.perf_counter() + seconds
    for data in itertools.cycle(pictures):
        start = time.perf_counter()
        tagger.infer(decode_bytes(data, "picture", (height, width), channels)[None])
        found.append(time.perf_counter() - start)
        if time.perf_counter() > end:
            break
    return found


@contextmanager
def serving(model: Path, library: Path) -> Iterator[Service]:
    command = [sys.executable, "-m", "lightfast.cli", "serve", str(library), "--model", str(model)]
    with subprocess.Popen([*command, "--port", "0", "--json"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            host, _, port = json.loads(process.stdout.readline())["address"].rpartition(":")
            yield Service(host.removeprefix("http://"), int(port), process.pid)
        finally:
            process.terminate()


def decisions(service: Service, held: int) -> list[float]:
    """Seconds of each decision about one of the `held` pictures of the library, durable when answered."""
    connection, found = http.client.HTTPConnection(service.host, service.port, timeout=120), []
    for number in range(DECISIONS):
        act = {"asset_id": number % held + 1, "act": "confirm", "label": f"label{number % 7}"}
        start = time.perf_counter()
        body, kind = json.dumps({"acts": [act]}), {"Content-Type": "application/json"}
        connection.request("POST", "/api/review/decide", body, kind)
        answer = connection.getresponse()
        content = answer.read()
        found.append(time.perf_counter() - start)
        assert answer.status == 200, content
    return found[5:]


def watched(service: Service, work: Callable[[], object]) -> list[float]:
    """Megabytes of the service, every second of the work."""
    found, thread = [], threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        found.append(service.megabytes)
        thread.join(1)
    return found


def in_ms(calls: Sequence[float]) -> dict[str, float]:
    """Median and the slowest of calls, in milliseconds."""
    values = 1e3 * np.asarray(calls)
    p50, p95, p99 = (round(float(np.quantile(values, share)), 2) for share in (0.5, 0.95, 0.99))
    return {"p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "n": len(values)}


def spread(values: Sequence[float], digits: int) -> dict[str, float]:
    """Median and range."""
    told = {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
    return {name: round(value, digits) for name, value in told.items()}


def measured(name: str, given: argparse.Namespace, folder: Path) -> dict:
    """Everything about one network."""
    files = picture_files(name)
    pictures = [path.read_bytes() for path in files]
    model = export_graph({"tiny": tiny, "lite0": lite0}[name](), folder / f"{name}.onnx")
    library = create_library(folder / name)
    keep_uploads(library, [Upload(f"{number}.jpg", data) for number, data in enumerate(pictures[:KEPT])])
    library.close()
    tagger = load_tagger(model)
    with serving(model, folder / name) as service:
        many, one = (Load(service.host, service.port, pictures, count) for count in (given.clients, 1))
        # Both are warm before they are measured.
        bare_rate(tagger, files, 1)
        many.at_once(1)
        before = service.megabytes
        rounds = [
            (bare_rate(tagger, files, given.seconds), service_rate(service, many, given.seconds))
            for _ in range(given.rounds)
        ]
        alone = [
            (bare_calls(tagger, pictures, given.seconds / 4), one.at_once(given.seconds / 4)[1])
            for _ in range(given.rounds)
        ]
        half = statistics.median(served.a_second for _, served in rounds) / 2
        paced = many.evenly(half, given.seconds * given.rounds)
        found = told(rounds, alone, paced, given.clients)
        if given.flat:
            held = watched(service, lambda: many.evenly(half, given.flat))
            tenth = max(1, len(held) // 10)
            first, last = statistics.median(held[:tenth]), statistics.median(held[-tenth:])
            found["memory"] = {"seconds": given.flat, "first_tenth_mb": first, "last_tenth_mb": last}
        found["memory_mb"] = {"before_load": round(before, 1), "after": round(service.megabytes, 1)}
        found["decisions"] = in_ms(decisions(service, min(KEPT, len(pictures))))
    return {"pictures": len(pictures), "batch": tagger.batch, "data": list(DATA[name]), **found}


def told(
    rounds: Sequence[tuple[Rate, Rate]],
    alone: Sequence[tuple[list[float], list[float]]],
    paced: Sequence[float],
    clients: int,
) -> dict:
    """The figures of one network."""
    bare, service = ([one[side] for one in rounds] for side in (0, 1))
    called, asked = (in_ms([call for one in alone for call in one[side]]) for side in (0, 1))
    half = in_ms(paced)
    clients_ms = spread([one.clients_ms for one in service], 3)
    all_at_once = in_ms([call for one in service for call in one.calls])
    return {
        "bare": {**of_rates(bare), "alone": called},
        "service": {
            "clients": clients,
            **of_rates(service),
            "clients_processor_ms_a_picture": clients_ms,
            "alone": asked,
            "all_at_once": all_at_once,
            "half_load": half,
        },
        "share_of_bare_throughput": spread([two.a_second / one.a_second for one, two in rounds], 3),
        "share_of_bare_by_processor": spread([one.processor_ms / two.processor_ms for one, two in rounds], 3),
        "added_median_ms": round(asked["p50_ms"] - called["p50_ms"], 2),
        "p99_at_half_load_in_single_calls": round(half["p99_ms"] / asked["p50_ms"], 2),
    }


def of_rates(rates: Sequence[Rate]) -> dict:
    """Pictures a second and processor time of some rounds."""
    return {
        "a_second": spread([one.a_second for one in rates], 1),
        "processor_ms_a_picture": spread([one.processor_ms for one in rates], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", choices=list(DATA), default=list(DATA))
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--flat", type=float, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = {name: measured(name, given, Path(folder)) for name in given.networks}
    facts = {
        "n": {name: one["pictures"] for name, one in found.items()},
        "spread": f"range of {given.rounds} rounds in turn; 95th and 99th percentile of calls",
        "clock": "both the clock and processor time; the clients share the cores of the service",
    }
    write_json(given.out, {"networks": found, "provenance": about("", SEED, **facts)})
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
