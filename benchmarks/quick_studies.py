"""What every study costs at its quick scale, the command as typed: benchmarks/results/quick_studies.json.

    python benchmarks/quick_studies.py [--only NAME ...] [--rounds N] [--data FOLDER]

Each round is `lightfast study NAME --scale quick` in a process of its own and into an empty folder, on one
core: wall and processor seconds (those of its children among them) and peak memory. Without --data nothing
but what the package brings is at hand, as for somebody who has just installed it. Wanted: 120 seconds at
most.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measured import about

from lightfast.base.files import write_json

OUT = Path(__file__).parent / "results" / "quick_studies.json"
STUDIES = ("mnist-c", "svhn", "emnist", "quickdraw", "assets", "perturbations")
WANTED = 120.0
SEED = 0


def once(name: str, data: Path | None, core: int) -> dict[str, float]:
    """{wall, processor (seconds), megabytes} of one run; raises CalledProcessError where it fails."""
    with tempfile.TemporaryDirectory() as work:
        words = ["study", name, "--scale", "quick", "--seed", str(SEED), "--out", f"{work}/study"]
        places = {"LIGHTFAST_DATA": str(data or Path(work, "nothing")), "OMP_NUM_THREADS": "1"}
        started = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, "-m", "lightfast", *words],
            env={**os.environ, **places},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.sched_setaffinity(child.pid, {core})
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - started
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, child.args)
    return {"wall": wall, "processor": used.ru_utime + used.ru_stime, "megabytes": used.ru_maxrss / 1000}


def row(name: str, runs: list[dict[str, float]]) -> dict[str, Any]:
    """Medians of the runs of a study, with the lowest and the highest of each."""
    sides = {key: [one[key] for one in runs] for key in runs[0]}
    made: dict[str, Any] = {"name": name, "rounds": len(runs)}
    for key, values in sides.items():
        made |= {key: round(statistics.median(values), 1), f"{key}_range": [min(values), max(values)]}
    return made | {"met": made["processor"] <= WANTED}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=STUDIES, choices=STUDIES)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    core = min(os.sched_getaffinity(0))
    rows = []
    for name in given.only:
        rows.append(row(name, [once(name, given.data, core) for _ in range(given.rounds)]))
        print(rows[-1], flush=True)
    made = about("", SEED, n=given.rounds, spread="lowest and highest of the rounds", clock="one core")
    write_json(OUT, {"wanted_seconds": WANTED, "studies": rows, "made": made})


if __name__ == "__main__":
    main()
