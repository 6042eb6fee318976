"""What the service costs over the bare runtime: throughput, added time, the slowest calls, memory, decisions.

    python benchmarks/serve_speed.py --run RUN --pictures FOLDER [--seconds 20] [--clients 16] [--flat 600]

Bare: the exported file of RUN in ONNX Runtime, pictures decoded and read as `predict` does it. The service is
`lightfast serve` in a process of its own on loopback; the clients are threads of this process (they take
their share of the same cores), each with one connection, each sending one picture at a time. Measured in one
run, in turn: one call alone, all clients at once, then as many calls a second as are half of that throughput,
evenly spread. With --flat the service is kept busy for so many seconds at half load, and its memory is noted
every second. Then 500 decisions, one after the other. Writes benchmarks/results/serve_speed.json.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from measured import about

from lightfast.base.files import write_json
from lightfast.data.dataset import Entry
from lightfast.data.decode.decode import decode_bytes
from lightfast.library.library import create_library
from lightfast.runs.options import RunOptions
from lightfast.runs.predict import tagger_for
from lightfast.tagging.runtime import Tagger
from lightfast.tagging.stream import tag_files

OUT = Path(__file__).parent / "results" / "serve_speed.json"
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
MOST_PICTURES = 500
DECISIONS = 500
KEPT = 50
Ask = Callable[[bytes], None]


def bare_throughput(tagger: Tagger, files: Sequence[Path], seconds: float) -> float:
    """Pictures a second, decoded and read by as many threads as the tagger wants."""
    entries = (Entry(path, path.name, 0) for path in itertools.cycle(files))
    done, start = 0, time.perf_counter()
    for batch in tag_files(tagger, entries):
        done += len(batch.entries)
        if time.perf_counter() - start > seconds:
            break
    return done / (time.perf_counter() - start)


def bare_call(tagger: Tagger, pictures: Sequence[bytes], seconds: float) -> list[float]:
    """Seconds of each call: one picture decoded and read."""
    height, width, channels = tagger.card.image_shape

    def ask(data: bytes) -> None:
        tagger.infer(decode_bytes(data, "picture", (height, width), channels)[None])

    return timed(ask, pictures, seconds)


def timed(ask: Ask, pictures: Sequence[bytes], seconds: float) -> list[float]:
    """Seconds of each call, one after the other."""
    found, end = [], time.perf_counter() + seconds
    for data in itertools.cycle(pictures):
        start = time.perf_counter()
        ask(data)
        found.append(time.perf_counter() - start)
        if time.perf_counter() > end:
            return found[3:]
    return found


@contextmanager
def serving(run: str, library: Path) -> Iterator[tuple[str, int, int]]:
    """(host, port, process) of a service."""
    command = [sys.executable, "-m", "lightfast.cli", "serve", str(library), "--model", run, "--port", "0"]
    with subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            host, _, port = json.loads(process.stdout.readline())["address"].rpartition(":")
            yield host.removeprefix("http://"), int(port), process.pid
        finally:
            process.terminate()


class Caller:
    """One connection that is kept."""

    def __init__(self, host: str, port: int) -> None:
        self.connection = http.client.HTTPConnection(host, port, timeout=120)

    def post(self, path: str, body: bytes, kind: str) -> bytes:
        """The body of the answer, which has to be a success."""
        self.connection.request("POST", path, body, {"Content-Type": kind})
        answer = self.connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        return content

    def predict(self, data: bytes) -> None:
        """One picture, one answer."""
        self.post("/api/predict?top=1", data, "image/jpeg")


def at_once(
    callers: Sequence[Caller], pictures: Sequence[bytes], seconds: float
) -> tuple[float, list[float]]:
    """(pictures a second, seconds of each call) of all callers without a pause."""
    found: list[list[float]] = [[] for _ in callers]
    start = time.perf_counter()

    def work(number: int) -> None:
        found[number] = timed(callers[number].predict, pictures[number:] + pictures[:number], seconds)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(callers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    calls = [one for each in found for one in each]
    return len(calls) / (time.perf_counter() - start), calls


def evenly(callers: Sequence[Caller], pictures: Sequence[bytes], rate: float, seconds: float) -> list[float]:
    """Seconds of each call from the moment at which it was due, `rate` a second."""
    found: list[float] = []
    tickets, lock, start = itertools.count(), threading.Lock(), time.perf_counter()

    def work(caller: Caller) -> None:
        while True:
            with lock:
                number = next(tickets)
            due = start + number / rate
            if due > start + seconds:
                return
            time.sleep(max(0.0, due - time.perf_counter()))
            caller.predict(pictures[number % len(pictures)])
            found.append(time.perf_counter() - due)

    threads = [threading.Thread(target=work, args=(caller,)) for caller in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def decisions(caller: Caller, held: int) -> list[float]:
    """Seconds of each decision about one of the `held` pictures of the library, durable when answered."""
    found = []
    for number in range(DECISIONS):
        act = {"asset_id": number % held + 1, "act": "confirm", "label": f"label{number % 7}"}
        body = json.dumps({"acts": [act]}).encode()
        start = time.perf_counter()
        caller.post("/api/review/decide", body, "application/json")
        found.append(time.perf_counter() - start)
    return found[5:]


def resident(process: int) -> float:
    """Megabytes of memory that the process holds."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise OSError("no VmRSS")


def watched(process: int, work: Callable[[], object]) -> list[float]:
    """Megabytes of the process, every second of the work."""
    found, thread = [], threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        found.append(resident(process))
        thread.join(1)
    return found


def in_ms(calls: Sequence[float]) -> dict[str, float]:
    """Median and the slowest of calls, in milliseconds."""
    values = 1e3 * np.asarray(calls)
    p50, p95, p99 = (round(float(np.quantile(values, share)), 2) for share in (0.5, 0.95, 0.99))
    return {"p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "n": len(values)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--flat", type=float, default=0)
    given = parser.parse_args()
    files = sorted(path for path in given.pictures.rglob("*") if path.suffix.lower() in SUFFIXES)
    files = files[:MOST_PICTURES]
    pictures = [path.read_bytes() for path in files]
    with tagger_for(given.run, RunOptions(device="cpu")) as tagger:
        bare = {"a_second": round(bare_throughput(tagger, files, given.seconds), 1)}
        bare |= in_ms(bare_call(tagger, pictures, given.seconds / 2))
    with tempfile.TemporaryDirectory() as folder:
        service = measured_service(given, pictures, Path(folder) / "library")
    found = {"bare": bare, "service": service, "run": Path(given.run).name, "pictures": len(pictures)}
    found["share_of_bare_throughput"] = round(service["a_second"] / bare["a_second"], 3)
    found["added_median_ms"] = round(service["alone"]["p50_ms"] - bare["p50_ms"], 2)
    found["p99_at_half_load_in_single_calls"] = round(
        service["half_load"]["p99_ms"] / service["alone"]["p50_ms"], 2
    )
    write_json(OUT, {**found, "provenance": about("", None, spread="95th and 99th percentile")})
    print(json.dumps(found, indent=2))


def measured_service(given: argparse.Namespace, pictures: Sequence[bytes], place: Path) -> dict:
    from lightfast.library.uploads import Upload, keep_uploads

    library = create_library(place)
    keep_uploads(library, [Upload(f"{number}.jpg", data) for number, data in enumerate(pictures[:KEPT])])
    library.close()
    with serving(given.run, place) as (host, port, process):
        callers = [Caller(host, port) for _ in range(given.clients)]
        timed(callers[0].predict, pictures, 1)
        at_start = resident(process)
        alone = timed(callers[0].predict, pictures, given.seconds / 2)
        throughput, busy = at_once(callers, pictures, given.seconds)
        half = evenly(callers, pictures, throughput / 2, given.seconds)
        found = {"clients": given.clients, "a_second": round(throughput, 1), "alone": in_ms(alone)}
        found |= {"all_at_once": in_ms(busy), "half_load": in_ms(half)}
        if given.flat:
            held = watched(process, lambda: evenly(callers, pictures, throughput / 2, given.flat))
            tenth = max(1, len(held) // 10)
            first, last = statistics.median(held[:tenth]), statistics.median(held[-tenth:])
            found["memory"] = {"seconds": given.flat, "first_tenth_mb": first, "last_tenth_mb": last}
        found["memory_mb"] = {"before_load": round(at_start, 1), "after": round(resident(process), 1)}
        found["decisions"] = in_ms(decisions(callers[0], min(KEPT, len(pictures))))
    return found


if __name__ == "__main__":
    main()
