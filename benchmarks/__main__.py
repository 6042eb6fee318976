"""Run a benchmark by name, with its peers in an environment of their own: `python -m benchmarks NAME`.

Without a name, or by `make bench`, the benchmarks are listed with the day on which each was measured last.
Peers (peers.txt) and extras (extras.txt) are installed under build/ when first needed, and again when their
list changes; nothing of them enters Lightfast's own environment.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from listed import BENCHMARKS, Benchmark  # noqa: E402
from measured import facts_of  # noqa: E402

from lightfast.base.errors import DataError, LightfastError, UnknownName  # noqa: E402
from lightfast.base.files import load_json  # noqa: E402

BUILD = HERE.parent / "build"
NEEDS_DATA = "It reads larger data sets. Name the folder that holds them with LIGHTFAST_DATA."


def main(words: list[str] | None = None) -> int:
    """List the benchmarks, or run one; 2 where it cannot be run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", help="one of the list; without it the list is printed")
    given = parser.parse_args(words)
    try:
        if given.name:
            run(chosen(given.name))
        else:
            sys.stdout.write(listing())
    except LightfastError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"a step of {given.name} failed with exit code {error.returncode}\n")
        return 1
    return 0


def chosen(name: str) -> Benchmark:
    """The benchmark of this name; raises UnknownName with the closest."""
    known = {one.name: one for one in BENCHMARKS}
    if name not in known:
        raise UnknownName("benchmark", name, known)
    return known[name]


def listing() -> str:
    """One line a benchmark: name, day of its result, what it needs, what it measures."""
    lines = []
    for one in BENCHMARKS:
        path = HERE / "results" / f"{one.name}.json"
        day = str(facts_of(load_json(path)).get("date", "measured"))[:10] if path.is_file() else "-"
        needs = "".join(mark for mark, holds in (("D", one.data), ("P", one.peer)) if holds)
        lines.append(f"{one.name:20s} {day:10s} {needs:2s} {one.what}\n")
    return "".join(lines) + "\nD: needs LIGHTFAST_DATA; P: peers are installed into build/peers\n"


def run(benchmark: Benchmark) -> None:
    """All steps of a benchmark, in order; raises DataError without the data that it needs, CalledProcessError
    where a step fails.
    """
    if benchmark.data and not os.environ.get("LIGHTFAST_DATA"):
        raise DataError(f"benchmark {benchmark.name}: LIGHTFAST_DATA is not set", cure=NEEDS_DATA)
    environment = dict(os.environ)
    if benchmark.extras:
        found = (str(extras()), environment.get("PYTHONPATH"))
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, found))
    work = BUILD / "benchmarks" / benchmark.name
    if any("{work}" in step for step in benchmark.steps):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
    peer = str(peers()) if benchmark.peer else ""
    for step in benchmark.steps:
        words = command(step, {"work": str(work), "peer": peer, "data": os.environ.get("LIGHTFAST_DATA", "")})
        sys.stdout.write(f"$ {shlex.join(words)}\n")
        sys.stdout.flush()
        subprocess.run(words, cwd=HERE.parent, env=environment, check=True)


def command(step: str, places: Mapping[str, str]) -> list[str]:
    """The words of a step, places filled in, by this interpreter."""
    first, *rest = (word.format(**places) for word in step.split())
    start = ["-m", "lightfast.cli"] if first == "lightfast" else [str(HERE / first)]
    return [sys.executable, *start, *rest]


def peers() -> Path:
    """The interpreter of the peers' environment, made when it is not there or its list has changed."""
    place = BUILD / "peers"
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = HERE / "peers.txt"
    if not _installed(place, wanted):
        venv.create(place, clear=True, with_pip=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", "--requirement", str(wanted)], check=True
        )
        _note(place, wanted)
    return python


def extras() -> Path:
    """The folder of the extra packages, made when it is not there or its list has changed."""
    place, wanted = BUILD / "extras", HERE / "extras.txt"
    if not _installed(place, wanted):
        shutil.rmtree(place, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(place)]
        subprocess.run([*pip, "--requirement", str(wanted)], check=True)
        _note(place, wanted)
    return place


def _installed(place: Path, wanted: Path) -> bool:
    note = place / ".installed"
    return note.is_file() and note.read_text(encoding="utf-8") == _digest(wanted)


def _note(place: Path, wanted: Path) -> None:
    (place / ".installed").write_text(_digest(wanted), encoding="utf-8")


def _digest(wanted: Path) -> str:
    return hashlib.sha256(wanted.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
