"""Run a study and write its figures to benchmarks/results/NAME-SCALE.json and .md, with command, seed,
versions and machine.

    python benchmarks/record_study.py mnist-c --scale paper --out runs/study-mnist-c-paper

Trained parts are kept in --out: a second run only measures.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from measured import about

from lightfast.base.files import write_json, write_text
from lightfast.report.tables import markdown_table
from lightfast.studies.page import write_study_page
from lightfast.studies.registry import SCALES, StudyOptions
from lightfast.studies.run import run_study

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name")
    parser.add_argument("--scale", choices=SCALES, default="paper")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader")
    given = parser.parse_args()
    out = given.out or Path("runs") / f"study-{given.name}-{given.scale}"
    options = StudyOptions(out, given.scale, given.seed, report=_say, reader=given.reader)
    result = run_study(given.name, options)
    told = about()
    facts = {**result.provenance, **{name: told[name] for name in ("bf16", "commit", "load")}}
    write_study_page(out / "report.html", result)
    target = RESULTS / f"{given.name}-{given.scale}"
    write_json(
        target.with_suffix(".json"),
        {"title": result.title, "figures": result.figures, "notes": result.notes, "provenance": facts},
    )
    notes = "\n".join(f"- {note}" for note in result.notes)
    tables = "\n".join(markdown_table(table) for table in result.tables)
    measured = f"`{facts['command']}`, measured {facts['date']} on {facts['cpu']}."
    write_text(target.with_suffix(".md"), f"# {result.title}\n\n{measured}\n\n{tables}\n{notes}\n")
    print(target.with_suffix(".md").read_text())


def _say(label: str, done: int, total: int, detail: str = "") -> None:
    if detail:
        print(f"{label} {done}/{total} {detail}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
