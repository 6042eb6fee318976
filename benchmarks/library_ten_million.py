"""A PostgreSQL library of ten million drawn pictures: loaded by COPY, searched by tags.

    python benchmarks/library_ten_million.py --work FOLDER [--rows 10000000]

writes benchmarks/results/library-ten-million.json: assets, places and tags a second (rows as those of
library_search.py), the bytes of tables and of their indexes, p50 and p95 of the first page of 50 of
conjunctions of labels, of the next page by its cursor (in the database alone), and whether the plan walks the
index of tags. Each query once, after one that warms up, in one process with warm files. Likeness is not
measured: the features alone take 26 GB.

The library (some 15 GB) and what was measured stay in --work: begun again it goes on where it was.
"""

from __future__ import annotations

import argparse
import os
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from library_rows import LABELS, Kept, load_rows
from library_search import PAGE, measure_tags, servers
from measured import about
from sqlalchemy import text

from lightfast.base.files import write_json
from lightfast.library.library import Library, create_library, open_library

OUT = Path(__file__).parent / "results" / "library-ten-million.json"
_SIZES = """
    SELECT relname, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class
    WHERE relkind = 'r' AND relname IN ('assets', 'places', 'tags')
"""


def table_sizes(library: Library) -> dict[str, dict[str, int]]:
    """Table → bytes of its rows and of its indexes."""
    with library.store.read() as connection:
        found = connection.execute(text(_SIZES)).all()
    return {name: {"table": table, "indexes": indexes} for name, table, indexes in found}


def loading(loads: list[list[Any]]) -> dict[str, Any]:
    """Rows a second of all steps, and of the first and the last tenth of them."""

    def speed(steps: list[list[Any]]) -> int:
        return round(sum(one[2] for one in steps) / sum(one[3] for one in steps))

    tenth = max(1, len(loads) // 10)
    return {
        "rows": sum(one[2] for one in loads),
        "minutes": round(sum(one[3] for one in loads) / 60, 1),
        "rows_a_second": speed(loads),
        "rows_a_second_first_tenth": speed(loads[:tenth]),
        "rows_a_second_last_tenth": speed(loads[-tenth:]),
        "rows_a_processor_second": round(sum(one[2] for one in loads) / sum(one[4] for one in loads)),
    }


def analysed(library: Library) -> None:
    """As its own housekeeping does after a while."""
    with library.store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only-load", action="store_true", help="measure at the next start")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        addresses = stack.enter_context(servers(["postgresql"], asked.work))
        place = asked.work / "postgresql"
        there = place.is_dir()
        library = open_library(place) if there else create_library(place, addresses["postgresql"])
        stack.callback(library.close)
        kept = Kept(asked.work / f"kept-{asked.rows}.json")
        load_rows(library, kept, asked.rows)
        kept.once("analysed", partial(analysed, library))
        if asked.only_load:
            return
        load = os.getloadavg()[0]
        result = {
            "database": "postgresql",
            "n": {"pictures": asked.rows, "queries": asked.queries, "page": PAGE, "labels": LABELS},
            "loading": loading(kept.said["loads"]),
            "bytes": table_sizes(library),
            "tags": measure_tags(library, asked.queries),
        }
    made = about(
        seed=16,
        spread="p50, p95 and largest of the queries",
        command=["python", "benchmarks/library_ten_million.py", "--work", "FOLDER"],
        clock="by the clock, and of processors: this process and those of the database that serve it",
        load_before=round(load, 2),
    )
    write_json(OUT, {**result, "made": made})


if __name__ == "__main__":
    main()
