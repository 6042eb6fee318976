"""Reduced features in PostgreSQL at half precision, with an index of the extension `vector` (pgvector, from
0.8 on) that goes on until enough of what it finds satisfies the search: for libraries of more than `SCANNED`
pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, Table, func, select, text
from sqlalchemy.exc import OperationalError

from lightfast.library.feature_files import FeatureFile
from lightfast.library.library import Library
from lightfast.library.schema import assets
from lightfast.library.search.conditions import CompiledQuery
from lightfast.library.search.reduced import ReducedVectors

SCANNED = 3_000_000
"""Up to so many pictures all are compared in their memory map, as on SQLite, and the database keeps none of
them. Comparing costs some 5 ms by the clock for 100,000 pictures on two threads (16 ms of 100,000, 60 ms of a
million), under filters little more (86 ms of a tenth of a million); the index costs about the same of 200,000
(42 against 39 ms of processor time at the 95th percentile), took 102 ms of a million and 276 ms of a tenth of
it, and minutes to be made. Of three million a scan is reckoned to take
some 160 ms: more than the index without a filter, less than it with one.
"""
_LEAST_VERSION = (0, 8)
_PREFIX, _SUFFIX = "near_", "_half"
"""Around the name of the axes. Tables without the suffix, of single precision, are of older libraries."""
_SEARCHED = 800
"""Candidates that the index keeps while it walks (`hnsw.ef_search`; at most 1,000)."""
_GRAPH_BYTES = 1_300
"""Of one picture while the index is made: its vector, its links, what is kept beside them."""
_BUILD_MEGABYTES = (64, 4_096)
_MISSING = "the database has no vectors yet (lightfast library embed): every picture was compared"


def store_vectors(library: Library, known: FeatureFile, reduced: ReducedVectors) -> str:
    """Bring the reduced features that the database lacks into it, and make the index, where there are more
    pictures than `SCANNED`. Tables of older axes, and those that nobody asks, go.

    Returns "" or, where the extension is not there, a sentence that says so; every picture is compared then.
    """
    with library.store.write() as connection:
        if len(reduced.rows) <= SCANNED:
            for name in _tables(connection, reduced.name.partition("_")[0]):
                connection.execute(text(f'DROP TABLE "{name}"'))
            return ""
        why = _extension(connection)
        if why:
            return why
        table = _vector_table(reduced.name, reduced.rows.shape[1])
        for name in _tables(connection, reduced.name.partition("_")[0]):
            if name != table.name:
                connection.execute(text(f'DROP TABLE "{name}"'))
        table.create(connection, checkfirst=True)
        start = _rows_in(connection, table)
        _copy(connection, table, (known, reduced), start)
        _make_index(connection, table, len(reduced.rows))
    return ""


def near_in_database(
    connection: Connection,
    query: CompiledQuery,
    asked: tuple[str, NDArray[np.float32], int],
    counts: tuple[int, int],
    without: Sequence[int] = (),
) -> tuple[NDArray[np.int64] | None, str]:
    """(rows of the candidates among the pictures that satisfy `query`, ""), or (None, why the index could not
    say).

    Args:
        connection: the state of the library that is searched.
        query: what must hold.
        asked: name of the axes, direction (R,) on them, and how many pictures there are.
        counts: results that are wanted, and candidates that are sought.
        without: assets that are left out.
    """
    (name, direction, count), (wanted, need) = asked, counts
    table = _vector_table(name, len(direction))
    if table.name not in _tables(connection):
        return None, _MISSING
    if _rows_in(connection, table) < count:
        return None, _MISSING
    for setting in (
        f"hnsw.ef_search = {min(1_000, max(_SEARCHED, need))}",
        "hnsw.iterative_scan = relaxed_order",
    ):
        connection.execute(text(f"SET LOCAL {setting}"))
    far = table.c.vector.max_inner_product(direction)
    rows = (
        select(table.c.row)
        .join(assets, assets.c.id == table.c.asset_id)
        .where(query.condition, assets.c.id.notin_(list(without)))
        .order_by(far)
        .limit(need)
    )
    found = np.array(connection.execute(rows).scalars().all(), np.int64)
    # The index gives up after some 20,000 tries: then fewer are found than there are.
    if len(found) < wanted:
        return None, "the index of the database found too few pictures: every picture was compared"
    return found, ""


def _make_index(connection: Connection, table: Table, rows: int) -> None:
    """The graph, where there is none; by as many workers as the database gives for such work."""
    # One that fits into memory is made many times as fast.
    least, most = _BUILD_MEGABYTES
    megabytes = min(most, max(least, _GRAPH_BYTES * rows // 2**20))
    connection.execute(text(f"SET LOCAL maintenance_work_mem = '{megabytes}MB'"))
    made = text(
        f'CREATE INDEX IF NOT EXISTS "ix_{table.name}_vector" ON "{table.name}" '
        "USING hnsw (vector halfvec_ip_ops)"
    )
    try:
        with connection.begin_nested():
            connection.execute(made)
    except OperationalError as error:
        # Workers share their memory in /dev/shm, of which containers have little.
        if "shared memory" not in str(error.orig):
            raise
        connection.execute(text("SET LOCAL max_parallel_maintenance_workers = 0"))
        connection.execute(made)


def _vector_table(name: str, width: int) -> Table:
    from pgvector.sqlalchemy import HALFVEC

    return Table(
        f"{_PREFIX}{name}{_SUFFIX}",
        MetaData(),
        Column("asset_id", BigInteger, primary_key=True, autoincrement=False),
        Column("row", Integer, nullable=False, index=True),
        Column("vector", HALFVEC(width), nullable=False),
    )


def _extension(connection: Connection) -> str:
    """Why vectors cannot be kept in the database, or ""."""
    try:
        import pgvector.sqlalchemy  # noqa: F401
    except ImportError:
        return "pgvector is not installed (lightfast[postgresql]): every picture is compared"
    found = connection.execute(
        text("SELECT default_version, installed_version FROM pg_available_extensions WHERE name = 'vector'")
    ).first()
    if found is None:
        return "the database has no extension `vector` (pgvector): every picture is compared"
    version = found.installed_version or found.default_version
    if tuple(int(part) for part in version.split(".")[:2]) < _LEAST_VERSION:
        return f"the extension `vector` is {version}, older than 0.8: every picture is compared"
    if found.installed_version is None:
        allowed = connection.execute(
            text(
                "SELECT rolsuper OR has_database_privilege(current_database(), 'CREATE') FROM pg_roles "
                "WHERE rolname = current_user"
            )
        ).scalar()
        if not allowed:
            return "the user of the database may not create the extension `vector`: every picture is compared"
        connection.execute(text("CREATE EXTENSION vector"))
    return ""


def _tables(connection: Connection, owner: str = "") -> list[str]:
    rows = connection.execute(
        text(
            "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() "
            "AND tablename LIKE 'near\\_%'"
        )
    )
    return [row.tablename for row in rows if row.tablename.startswith(_PREFIX + owner)]


def _rows_in(connection: Connection, table: Table) -> int:
    last = connection.execute(select(func.max(table.c.row))).scalar()
    return 0 if last is None else int(last) + 1


def _copy(connection: Connection, table: Table, what: tuple[FeatureFile, ReducedVectors], start: int) -> None:
    from pgvector import HalfVector
    from pgvector.psycopg import register_vector

    known, reduced = what
    driver: Any = connection.connection.driver_connection
    register_vector(driver)
    with (
        driver.cursor() as cursor,
        cursor.copy(f'COPY "{table.name}" (asset_id, "row", vector) FROM STDIN WITH (FORMAT BINARY)') as copy,
    ):
        copy.set_types(["int8", "int4", "halfvec"])
        for row in range(start, len(reduced.rows)):
            copy.write_row((int(known.asset_ids[row]), row, HalfVector(reduced.rows[row])))
