"""Fill the figures of README.md and docs/ from benchmarks/results/: `make figures`, or
`python benchmarks/readme.py --check` to compare only.

What stands between `<!-- figures: NAME -->` and `<!-- end -->` on a page is made from the template
benchmarks/figures/NAME.md.jinja; nothing there is typed by hand. A template names a file of results/ and
the path in it: `{{ result("emnist-paper").figures.rows | row(part="cnn-1") | accuracy }}`. A file, a path or
a row that is not there stops the command and is named, so that no figure goes stale unseen; what the results
of an older run do not hold yet is asked for with `is defined`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import beside
import jinja2
import numpy as np
from listed import BENCHMARKS, Benchmark
from measured import facts_of, lacking

from lightfast.base.errors import DataError, LightfastError
from lightfast.base.files import load_json, write_text
from lightfast.report.tables import duration, percent_range, points, share_text
from lightfast.statistics.intervals import Interval, student_mean, wilson

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES, RESULTS = ROOT / "benchmarks" / "figures", ROOT / "benchmarks" / "results"
BLOCK = re.compile(r"^(<!-- figures: ([\w-]+) -->\n).*?^(<!-- end -->)$", re.DOTALL | re.MULTILINE)
MARK = re.compile(r"^<!-- figures: ", re.MULTILINE)


# ---- what templates call


def result(name: str) -> Any:
    """The content of results/NAME.json."""
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        raise DataError(
            f"no {path.name} in benchmarks/results", cure="Run its benchmark, see benchmarks/README.md."
        )
    return load_json(path)


def measured(name: str) -> bool:
    """Whether results/NAME.json is there."""
    return (RESULTS / f"{name}.json").is_file()


def row(rows: Sequence[Mapping[str, Any]], **wanted: Any) -> Mapping[str, Any]:
    """The one row with these values."""
    found = rows_of(rows, **wanted)
    if len(found) != 1:
        raise DataError("rows", expected=f"one with {wanted}", got=f"{len(found)} of {len(rows)}")
    return found[0]


def rows_of(rows: Sequence[Mapping[str, Any]], **wanted: Any) -> list[Mapping[str, Any]]:
    """All rows with these values; a list and a tuple of the same values are alike."""
    return [one for one in rows if all(_alike(one.get(key), value) for key, value in wanted.items())]


def _alike(found: Any, wanted: Any) -> bool:
    return found == (list(wanted) if isinstance(wanted, tuple) else wanted)


def share(
    value: float, interval: Sequence[float] | None = None, n: int | None = None, digits: int = 2
) -> str:
    """ "99.57 % [99.4–99.7]"; of a counted share without an interval `n` gives Wilson's."""
    if interval is None and n is not None:
        interval = wilson(round(value * n), n)
    if interval is None:
        raise DataError("a share without interval and n", got=f"{value:.4f}")
    return share_text(value, interval, digits)


def accuracy(found: Mapping[str, Any], side: str = "", digits: int = 2) -> str:
    """Accuracy of a row or a paired test (`side` before or after) with its interval, of its n where it names
    none.
    """
    name = f"{side}_" if side else ""
    return share(found[f"{name}accuracy"], _interval(found, name), found.get("n"), digits)


def _interval(found: Mapping[str, Any], name: str) -> Sequence[float] | None:
    return next((found[key] for key in (f"{name}accuracy_interval", f"{name}interval") if key in found), None)


def gain(test: Mapping[str, Any], digits: int = 1) -> str:
    """ "+2.1 points [+0.6 to +3.5]" of a paired test."""
    low, high = test["difference_interval"]
    spread = f"[{points(low, digits)} to {points(high, digits)}]"
    return f"{points(test['difference'], digits)} points {spread}"


def widest_mean(rows: Sequence[Mapping[str, Any]], side: str) -> str:
    """The mean accuracy of several rows and the mean of their interval ends: at least as wide as the mean's
    own 95 % interval, whichever pictures they share.
    """
    shares = [one[f"{side}_accuracy"] for one in rows]
    ends = np.mean([one[f"{side}_interval"] for one in rows], axis=0)
    return share_text(float(np.mean(shares)), Interval(*map(float, ends)))


def mean_of_draws(draws: Sequence[Mapping[str, Any]], digits: int = 1) -> str:
    """Mean accuracy of the chosen heads over draws with its interval (Student's t) over draws."""
    values = np.array([one["methods"][one["chosen"]]["top1"] for one in draws])
    return share_text(float(values.mean()), student_mean(values, (0.0, 1.0)), digits)


def differs(found: Mapping[str, Any], common: Sequence[str] = ()) -> str:
    """What is not the paper's in a row, as its study says it; the clauses in `common`, which stand below the
    table, as "¹".
    """
    if "differs" in found:
        own = [clause for clause in _clauses(found) if clause not in common]
        return join_clauses([*(["¹"] if len(own) < len(_clauses(found)) else []), *own])
    if found.get("part") == "ours":
        return "not in the paper"
    return "an earlier run, whose networks were not all the paper's: to be run again"


def shared_differences(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The clauses that every row of a paper's has in common, where there are two such rows or more."""
    theirs = [_clauses(one) for one in rows if one.get("part") != "ours" and "differs" in one]
    if len(theirs) < 2:
        return []
    return [clause for clause in theirs[0] if all(clause in others for others in theirs[1:])]


def join_clauses(clauses: Sequence[str]) -> str:
    """One text: a clause that begins with a capital is a sentence of its own."""
    return "".join(
        clause if not place else f"{'. ' if clause[:1].isupper() else '; '}{clause}"
        for place, clause in enumerate(clauses)
    )


def _clauses(found: Mapping[str, Any]) -> list[str]:
    return re.split(r"(?:; |\. (?=[A-Z]))(?![^(]*\))", str(found["differs"]))


def source(name: str) -> str:
    """Command, seed and day of a result."""
    told = result(name)
    made = told.get("provenance") or told.get("made") or told
    return f"`{made['command']}`" + (f", {made['date'][:10]}" if "date" in made else "")


def span(low: float, high: float, digits: int = 0) -> str:
    """ "76 to 94 %"."""
    return f"{100 * low:.{digits}f} to {100 * high:.{digits}f} %"


def listed() -> tuple[Benchmark, ...]:
    """The benchmarks, in the order of `python -m benchmarks`."""
    return BENCHMARKS


def needs(benchmark: Benchmark) -> str:
    """What a benchmark needs beyond Lightfast itself."""
    wants = (
        ("LIGHTFAST_DATA", benchmark.data),
        ("peers.txt", benchmark.peer),
        ("extras.txt", benchmark.extras),
    )
    return ", ".join(word for word, holds in wants if holds)


def speeds() -> list[beside.Speed]:
    """Ratios of speed over all results, the smallest first."""
    return beside.speeds(result)


def differences() -> list[beside.Difference]:
    """Differences of accuracy over all results, the smallest first."""
    return beside.differences(result)


def stated() -> list[tuple[str, dict[str, Any], tuple[str, ...]]]:
    """(name, what it says of itself, what it does not say) of every result."""
    told = {path.stem: load_json(path) for path in sorted(RESULTS.glob("*.json"))}
    return [(name, facts_of(one), lacking(one)) for name, one in told.items()]


def cpu_of(facts: Mapping[str, Any]) -> str:
    """The processor in a few words."""
    return str(facts.get("cpu", "")).partition(", Linux")[0]


HELPERS: Mapping[str, Callable[..., Any]] = {
    one.__name__: one
    for one in (
        *(result, measured, share, widest_mean, mean_of_draws, source, span, duration, percent_range),
        *(listed, needs, speeds, differences, stated, cpu_of, shared_differences, join_clauses),
    )
}
FILTERS: Mapping[str, Callable[..., Any]] = {
    one.__name__: one for one in (row, rows_of, accuracy, gain, differs, mean_of_draws, duration)
}


# ---- pages


def environment() -> jinja2.Environment:
    """The templates' language: a path that is not there is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    made.globals.update(HELPERS)
    made.filters.update(FILTERS)
    made.tests.update(match_start=str.startswith, match_end=str.endswith)
    return made


def rendered(name: str) -> str:
    """The text of one block; raises DataError with the template's name."""
    try:
        return environment().get_template(f"{name}.md.jinja").render().strip("\n") + "\n"
    except (jinja2.TemplateError, DataError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"benchmarks/figures/{name}.md.jinja: {type(error).__name__} {error}") from error


def filled(text: str) -> str:
    """`text` with every block of figures made anew; raises DataError where a block has no end of its own."""
    if len(MARK.findall(text)) != len(BLOCK.findall(text)) or any(
        MARK.search(block[0], 1) for block in BLOCK.finditer(text)
    ):
        raise DataError("a block of figures without its end", cure="Close it with a line <!-- end -->.")
    return BLOCK.sub(lambda match: f"{match[1]}{rendered(match[2])}{match[3]}", text)


def pages() -> list[Path]:
    """README.md, benchmarks/README.md and the pages of docs/."""
    return [ROOT / "README.md", ROOT / "benchmarks" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def main() -> int:
    """Write the pages, or say which are stale; 1 when `--check` finds one, 2 when a figure is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a page is stale")
    check, stale = parser.parse_args().check, []
    try:
        for page in pages():
            text = page.read_text(encoding="utf-8")
            if (made := filled(text)) != text:
                stale.append(page.name)
                if not check:
                    write_text(page, made)
    except LightfastError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{'stale' if check else 'written'}: {', '.join(stale) or 'none'}\n")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
