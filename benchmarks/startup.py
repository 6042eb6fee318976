"""How long it takes until a command begins, and what it has loaded by then.

    python benchmarks/startup.py [--beside OTHER/src]

Measures, each in fresh processes taken in turn: `import lightfast`, `lightfast --help`, and the import of
every verb's module; for a verb also which heavy libraries it loads. With --beside the same is measured in the
same run for another checkout (modules that it has not are left out). Prints a table and writes
benchmarks/results/startup.json. Wall time; other work on the machine counts, so read the ratio of one run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

from measured import about

from lightfast.base.files import write_json

OUT = Path(__file__).parent / "results" / "startup.json"
HERE = Path(__file__).resolve().parents[1] / "src"
HEAVY = ("torch", "cv2", "scipy", "pandas", "sklearn", "matplotlib", "onnxruntime")
VERBS = ("folder", "corrupt", "human", "predict", "crossval", "sweep", "train", "evaluate", "compare")
VERBS += ("scorecard", "repair", "enhance", "explain", "export")
ROUNDS = 5

CODE = """
import sys, time
start = time.perf_counter()
{load}
seconds = time.perf_counter() - start
print(seconds, *(name for name in {heavy!r} if name in sys.modules), file=sys.stderr)
"""
HELP = """
sys.argv = ["lightfast", "--help"]
from lightfast.cli.app import main
try:
    main()
except SystemExit:
    pass
"""


def begun(source: Path, load: str) -> tuple[float, list[str]] | None:
    """(seconds, heavy modules loaded) of a fresh process that runs `load`;
    None where the module is not there.
    """
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(load=load, heavy=HEAVY)],
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        if "ModuleNotFoundError" in done.stderr:
            return None
        raise RuntimeError(done.stderr)
    seconds, *loaded = done.stderr.split()
    return float(seconds), loaded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--beside", type=Path, help="the src folder of another checkout")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    what = {"import lightfast": "import lightfast", "lightfast --help": HELP}
    what |= {f"runs.{verb}": f"import lightfast.runs.{verb}" for verb in VERBS}
    sources = {"ours": HERE} | ({"beside": given.beside.resolve()} if given.beside else {})
    rows = []
    for name, load in what.items():
        row: dict[str, object] = {"what": name}
        taken: dict[str, list[tuple[float, list[str]]]] = {key: [] for key in sources}
        for _ in range(given.rounds):
            for key, source in sources.items():
                found = begun(source, load)
                taken[key] += [found] if found else []
        for key, runs in taken.items():
            if runs:
                times = [seconds for seconds, _ in runs]
                row[key] = {
                    "seconds": round(statistics.median(times), 3),
                    "lowest": round(min(times), 3),
                    "highest": round(max(times), 3),
                    "loads": runs[-1][1],
                }
                print(f"{name:<18} {key:<7} {row[key]}")
        rows.append(row)
    facts = about("", None, None, ["python", "benchmarks/startup.py", *sys.argv[1:]])
    write_json(OUT, {"rounds": given.rounds, "rows": rows, **facts})


if __name__ == "__main__":
    main()
