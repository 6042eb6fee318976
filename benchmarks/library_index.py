"""Likeness on PostgreSQL by the index of pgvector and by comparing every picture, on the same library.

    python benchmarks/library_index.py --rows 200000 --work FOLDER

writes benchmarks/results/library-index.json. The rows are those of `library_search.py`, whose folder may be
given, too. Up to `postgres_vectors.SCANNED` pictures the library compares all and keeps no index: here that
number is put to nothing for the one, and out of reach for the other. Of both: p50 and p95 of the first
page of 50 without a filter and with labels that a tenth, a hundredth and a thousandth of the pictures have,
by the clock and by the time of processors (the server's too); recall@10 against all whole features; the
fewest hits. Of the index: how long it takes to make, and whether the plan of the database walks it. Where
fewer than 30,000 pictures can match they are looked up; `index-filtered` asks the index for them, too.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from library_rows import SHARES, SOURCE, Clock, Kept, load_features, load_rows, middles
from library_search import measure_likeness, servers
from measured import about
from sqlalchemy import event, text

from lightfast.base.files import write_json
from lightfast.library.library import Library, create_library, open_library
from lightfast.library.search import likeness, postgres_vectors
from lightfast.library.search.likeness import LikenessQuery, SearchScope, prepare_likeness, search_like

OUT = Path(__file__).parent / "results" / "library-index.json"
_WAYS = {"scan": (10**9, likeness.LOOKED_UP), "index": (0, likeness.LOOKED_UP), "index-filtered": (0, 0)}
"""Way of comparing → numbers of pictures up to which all are compared, and those that match looked up."""


@contextmanager
def by_way(way: str) -> Iterator[None]:
    """Searches of libraries on PostgreSQL go this way."""
    before = postgres_vectors.SCANNED, likeness.LOOKED_UP
    likeness.SCANNED, likeness.LOOKED_UP = _WAYS[way]
    postgres_vectors.SCANNED = likeness.SCANNED
    try:
        yield
    finally:
        likeness.SCANNED, likeness.LOOKED_UP = before
        postgres_vectors.SCANNED = likeness.SCANNED


def walks_the_index(library: Library) -> dict[str, bool]:
    """Filter → whether the plan of its search names the index of vectors, of searches that ask it."""
    found: dict[str, bool] = {}

    def explained(connection: Any, _cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        if "<#>" in statement and not statement.startswith("EXPLAIN"):
            raw = connection.connection.driver_connection
            plan = "\n".join(row[0] for row in raw.execute(f"EXPLAIN {statement}", parameters).fetchall())
            print(re.sub(r"'\[.*?\]'", "'[…]'", plan), flush=True)
            found[name] = "ix_near_" in plan

    event.listen(library.store.engine, "before_cursor_execute", explained)
    try:
        for name in ("", *SHARES):
            search_like(library, LikenessQuery([1]), SearchScope(name))
    finally:
        event.remove(library.store.engine, "before_cursor_execute", explained)
    return {name or "all": value for name, value in found.items()}


def measured_way(library: Library, kept: Kept, way: str, asked: argparse.Namespace) -> dict[str, Any]:
    """What one way costs and finds."""
    with by_way(way):
        prepared = kept.once(f"{way} prepared", partial(Clock(library), partial(prepare_likeness, library)))
        seconds, busy = (round(one / 1e3, 1) for one in prepared[:2])
        ways = Kept(kept.path.with_name(f"{way}.json"))
        found = measure_likeness(library, ways, asked.rows, asked.queries)
        plans = {"plan_walks_the_index": walks_the_index(library)} if way != "scan" else {}
    return {"way": way, "prepared_seconds": seconds, "prepared_processor_seconds": busy, **plans, **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--queries", type=int, default=60)
    parser.add_argument("--work", type=Path, required=True, help="keeps the library and measurements")
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    data, work = os.environ.get("LIGHTFAST_DATA"), asked.work
    work.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        real, what = middles(Path(data) if data else None, work)
        addresses = stack.enter_context(servers(["postgresql"], work))
        there = (work / "postgresql").is_dir()
        place = work / "postgresql"
        library = open_library(place) if there else create_library(place, addresses["postgresql"])
        stack.callback(library.close)
        kept = Kept(work / f"index-{asked.rows}" / "kept.json")
        kept.path.parent.mkdir(exist_ok=True)
        loads = Kept(work / "postgresql.json")
        load_rows(library, loads, asked.rows)
        load_features(library, loads, real, asked.rows)
        with library.store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
        rows = [measured_way(library, kept, way, asked) for way in _WAYS]
    result = {
        "n": {"pictures": asked.rows, "queries": asked.queries, "network": SOURCE},
        "features_around": what,
        "dimensions": int(np.load(library.folder / "features" / SOURCE / "reduced" / "axes.npy").shape[1]),
        "rows": rows,
        "made": about(
            seed=15,
            spread="p50, p95 and largest of the queries; mean and lowest recall",
            command=["python", "benchmarks/library_index.py", "--rows", str(asked.rows), "--work", "FOLDER"],
            clock="by the clock, and of processors: this process and those of the database that serve it",
        ),
    }
    write_json(asked.out, result)


if __name__ == "__main__":
    main()
