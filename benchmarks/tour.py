"""The tour of README.md, typed and answered: benchmarks/results/tour.json.

    python benchmarks/tour.py [--work FOLDER]

Every command runs as it stands there, one after another in an empty folder. Kept are the lines that match
`Step.keep`; where lines are left out, an ellipsis stands in their place.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measured import about

from lightfast.base.files import write_json

OUT = Path(__file__).resolve().parent / "results" / "tour.json"
LEFT_OUT = "…"
LINES_AT_MOST = 400


@dataclass(frozen=True)
class Step:
    """One command of the tour.

    `keep`: patterns of the lines of its output that are shown (none: no line); `first`: no more than so many
    of them.
    """

    name: str
    command: str
    keep: Sequence[str] = ()
    first: int = LINES_AT_MOST


STEPS = (
    Step("check", "lightfast data check mnist-5k", ("^mnist-5k:", "nothing wrong")),
    Step(
        "train",
        "lightfast train mnist-5k --out runs/digits --model cnn --set epochs=2",
        ("^accuracy", "^macro F1", "confidence", "^report"),
    ),
    Step(
        "evaluate",
        "lightfast evaluate runs/digits mnist-5k --corruptions mnist-c --limit 300",
        ("^corruption", "^──", "^shot_noise", "^impulse_noise", "^fog", "^mean under", "were left out"),
    ),
    Step("corrupt", "lightfast corrupt mnist-5k --name fog --severity 3 --limit 200 --out foggy", (".",)),
    Step("predict", "lightfast predict runs/digits foggy/7 --top 2", (".",), 3),
    Step(
        "repair",
        "lightfast repair runs/digits mnist-5k --damage mnist-c --limit 300",
        ("^damage", "^restored", "^doubtful", "^before", "^after", "^difference", "^report"),
    ),
    Step("forest", "lightfast train mnist-5k --out runs/forest --model random-forest"),
    Step(
        "compare",
        "lightfast compare runs/digits runs/forest mnist-5k",
        ("^run ", "^─+  ─{19}  ", "^digits  ", "^forest  ", "^On the same"),
    ),
    Step(
        "sweep",
        "lightfast sweep mnist-5k --over train_size --model mlp --set epochs=3 --repeats 2 --target 0.97",
        ("^level", "^──", "^125 pictures", "^4,000 pictures", "more pictures"),
    ),
)


def shown(output: str, step: Step) -> list[str]:
    """The kept lines, an ellipsis for each run of others."""
    lines: list[str] = []
    wanted = step.first
    for line in filter(str.strip, output.splitlines()[:LINES_AT_MOST]):
        if wanted and any(re.search(pattern, line) for pattern in step.keep):
            lines.append(line.rstrip())
            wanted -= 1
        elif lines[-1:] != [LEFT_OUT]:
            lines.append(LEFT_OUT)
    return lines


def typed(step: Step, folder: Path) -> dict[str, Any]:
    """Run one command in `folder`; raises CalledProcessError when it does not end well."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = shlex.split(step.command)
    words[0] = str(Path(sys.executable).with_name(words[0]))
    environment = {**os.environ, "COLUMNS": "200", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    print(f"$ {step.command}\n{done.stdout}", flush=True)
    return {
        "name": step.name,
        "command": step.command,
        "lines": shown(done.stdout, step),
        "processor_seconds": round(seconds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, help="an empty folder (default: one that is thrown away)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as passing:
        folder = given.work or Path(passing)
        folder.mkdir(parents=True, exist_ok=True)
        steps = [typed(step, folder) for step in STEPS]
    told = about("mnist-5k", 0, command=["python", "benchmarks/tour.py"])
    write_json(OUT, {"steps": steps, "n": {"mnist-5k": 5_000}, "provenance": told})


if __name__ == "__main__":
    main()
