"""The best pictures by a score among those that satisfy a search: exactly those, and always as many as wanted
where so many exist.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Connection, Select, Text, any_, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from lightfast.curate.neighbours import CANDIDATES, largest_columns
from lightfast.library.feature_files import FeatureFile
from lightfast.library.schema import assets
from lightfast.library.search.conditions import CompiledQuery

LOOKED_UP = 30_000
"""What fewer pictures than this can satisfy is looked up and compared, whatever the database has."""
_FIRST, _SPARE, _MOST = 1_000, 1.5, 70_000
"""Of how many of the best the database is asked first, how many more than it then seems to take; beyond, for
all that match.
"""
_ONE_IN, _MOST_EXACT = 800, 4_000
"""At least one in so many pictures is compared in full, up to so many: of a million the best 1,250 by reduced
features hold nearly all of the ten that are nearest by the whole ones, the best 200 three quarters of them.
"""

Exact = Callable[[NDArray[np.int64]], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Scores:
    """How well the pictures of a feature file fit.

    Attributes:
        known: the file of N pictures.
        near: rows (M,) → float32 (M,), or None → float32 (N,) of all, asked for only where many pictures may
            match.
        exact: rows (M,) → float32 (M,).
        rough: whether `near` may order pictures otherwise than `exact`.
    """

    known: FeatureFile
    near: Callable[[NDArray[np.int64] | None], NDArray[np.float32]]
    exact: Exact
    rough: bool = False


@dataclass(frozen=True, eq=False)
class RankedRows:
    """`rows` int64 (M,) of a feature file, the best first, with their exact `scores` float32 (M,)."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]


def candidates_for(wanted: int, pictures: int) -> int:
    """How many of so many pictures are compared in full, where reduced features order them first and `wanted`
    are asked for: among many more of them lie as near as those can tell.
    """
    return max(wanted * CANDIDATES, min(pictures // _ONE_IN, _MOST_EXACT))


def rank_rows(
    connection: Connection, query: CompiledQuery, scores: Scores, wanted: int, without: Sequence[int] = ()
) -> RankedRows:
    """The `wanted` best pictures among those that satisfy `query`, fewer only where there are fewer.

    Where few pictures can satisfy it, they are looked up and compared; else the best by `near` are found
    first, and the database says which of them match, until there are enough candidates.

    Args:
        connection: the state of the library that is searched.
        query: what must hold.
        scores: of all pictures with features.
        wanted: at least 1.
        without: assets that are left out.
    """
    need = candidates_for(wanted, len(scores.known)) if scores.rough else wanted
    if query.few(connection, LOOKED_UP) is not None:
        return _best_of_all(connection, query, scores, (wanted, need), without)
    near = scores.near(None)
    take = max(_FIRST, 2 * need)
    while take < min(len(near), _MOST):
        rows = _highest(near, take)
        there = matching_among(connection, query, scores.known.asset_ids[rows])
        rows = _kept(rows[np.isin(scores.known.asset_ids[rows], there)], scores.known, without)
        if scores.rough:
            # Among those that match; here, where they are nearest, their share is most often the larger.
            need = min(need, candidates_for(wanted, len(near) * len(rows) // take))
        if len(rows) >= need:
            return best_of(scores, rows[:need], wanted)
        take = int(take * max(2.0, _SPARE * need / max(1, len(rows))))
    return _best_of_all(connection, query, scores, (wanted, need), without)


def _best_of_all(
    connection: Connection,
    query: CompiledQuery,
    scores: Scores,
    counts: tuple[int, int],
    without: Sequence[int],
) -> RankedRows:
    """The best of all that match: `counts` are how many are wanted, and how many are compared in full."""
    wanted, need = counts
    rows = _kept(_all_matching(connection, query, scores.known), scores.known, without)
    if scores.rough and len(rows) > need:
        rows = rows[_highest(scores.near(rows), need)]
    return best_of(scores, rows, wanted)


def best_of(scores: Scores, rows: NDArray[np.int64], wanted: int) -> RankedRows:
    """The `wanted` best of some rows by the exact score; equal ones in the order of their rows."""
    exact = scores.exact(rows)
    order = np.lexsort((rows, -exact))[:wanted]
    return RankedRows(rows[order], np.asarray(exact[order], np.float32))


def matching_among(
    connection: Connection, query: CompiledQuery, asset_ids: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Those of some assets that satisfy the query, in no order."""
    numbers = asset_ids.tolist()
    if connection.dialect.name == "sqlite":
        # One text for any number of ids: there is a bound on parameters.
        listed = func.json_each(json.dumps(numbers)).table_valued("value")
        among = assets.c.id.in_(select(listed.c.value))
    else:
        among = assets.c.id == any_(bindparam("among", numbers, ARRAY(BigInteger)))
    return _numbers(connection, select(assets.c.id).where(among, query.condition))


def _numbers(connection: Connection, rows: Select[Any]) -> NDArray[np.int64]:
    """The ids that `rows` gives, as one text from the database: ten thousand rows of their own cost several
    times as much, and set off a collection of everything in memory.
    """
    found = rows.subquery()
    if connection.dialect.name == "sqlite":
        joined = func.group_concat(found.c.id, ",")
    else:
        joined = func.string_agg(cast(found.c.id, Text), ",")
    text = connection.execute(select(joined)).scalar()
    return np.fromstring(text, np.int64, sep=",") if text else np.zeros(0, np.int64)


def _all_matching(connection: Connection, query: CompiledQuery, known: FeatureFile) -> NDArray[np.int64]:
    rows = known.rows_of(_numbers(connection, query.matching(connection, LOOKED_UP)))
    return np.sort(rows[rows >= 0])


def _kept(rows: NDArray[np.int64], known: FeatureFile, without: Sequence[int]) -> NDArray[np.int64]:
    return rows[~np.isin(known.asset_ids[rows], np.asarray(without, np.int64))] if len(without) else rows


def _highest(values: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Positions of the `count` highest values, the highest first."""
    found = largest_columns(values[None], min(count, len(values)))[0]
    return found[np.lexsort((found, -values[found]))]
