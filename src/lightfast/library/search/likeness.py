"""Pictures like this one, like these but not those, like one that is not in the library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.progress import Reporter, silent
from lightfast.curate.backbone_words import WORDS_OF
from lightfast.curate.embed import unit_rows
from lightfast.library.browse import missing_asset, visible_assets
from lightfast.library.feature_files import FeatureFile, open_features, sources_of
from lightfast.library.library import Library
from lightfast.library.schema import assets
from lightfast.library.search.conditions import CompiledQuery, compile_query
from lightfast.library.search.cursor import NamedSearch, named_search, read_cursor, state_mark, write_cursor
from lightfast.library.search.hits import SearchPage, describe_assets, require_limit
from lightfast.library.search.postgres_vectors import SCANNED, near_in_database, store_vectors
from lightfast.library.search.ranked import LOOKED_UP, RankedRows, Scores, best_of, candidates_for, rank_rows
from lightfast.library.search.reduced import load_reduced

DEEPEST = 1_000
"""Pictures that a ranking goes down to: beyond, likeness says nothing."""
_AGAINST = 0.5
_BLOCK = 4_096


@dataclass(frozen=True, eq=False)
class LikenessQuery:
    """What pictures are to be like.

    Attributes:
        like, unlike: assets of the library.
        like_vectors, unlike_vectors: features (M, D) of pictures outside of it, by the same network.
    """

    like: Sequence[int] = ()
    unlike: Sequence[int] = ()
    like_vectors: NDArray[np.floating] | None = None
    unlike_vectors: NDArray[np.floating] | None = None


@dataclass(frozen=True, eq=False)
class SearchScope:
    """Where a ranked search looks, and how far.

    Attributes:
        query: what must hold as well, see `syntax`.
        client: whose words the labels of `query` are in, and who is shown no more than it may see
            (`compile_query`); "": the library's own, and everything.
        limit: pictures a page, 1 to 1,000.
        cursor: of the page before.
        source: whose features are compared; None: the only ones, or those of the published backbone.
        report: told while features are prepared.
        blind_to: a user who may not know what others said of some pictures (`compile_query`).
    """

    query: str = ""
    client: str = ""
    limit: int = 50
    cursor: str | None = None
    source: str | None = None
    report: Reporter = silent
    blind_to: int | None = None


def search_like(library: Library, wanted: LikenessQuery, scope: SearchScope | None = None) -> SearchPage:
    """The pictures most like those wanted, the most alike first; they themselves are left out.

    `similarity` is the cosine of the features with those of the liked picture, of several their mean, less
    half the mean of the unliked. Every picture that satisfies the query of `scope` is compared: exactly over
    reduced features, the best again over the whole ones; of more than `SCANNED` on PostgreSQL the first by an
    index of the database.

    Raises DataError where nothing is liked, where a liked picture has no features, for a query that cannot be
    understood, for a cursor of another search or from before pictures were added; NotFoundError for a picture
    that the client of `scope` may not see.
    """
    scope = scope or SearchScope()
    require_limit(scope.limit)
    with library.store.read() as connection:
        known = open_features(library, connection, scope.source or default_source(library))
        compiled = compile_query(connection, scope.query, scope.client, scope.blind_to)
        own = (*wanted.like, *wanted.unlike)
        _require_seen(connection, own, scope.client)
        direction = _direction(known, wanted)
        named = named_search(library, "like", scope.query, scope.client, direction.tobytes().hex())
        first = ranking_start(named, scope, len(known))
        ranked, notes = _ranked(connection, compiled, known, (direction, first + scope.limit + 1, own), scope)
        return ranked_page(connection, ranked, known, (named, first, scope), notes)


def prepare_likeness(library: Library, source: str | None = None, report: Reporter = silent) -> str:
    """Make ready what the next search would else have to: reduced features, and on PostgreSQL, of more than
    `SCANNED` pictures, their index. Returns what is to be said about it, or "".
    """
    with library.store.read() as connection:
        known = open_features(library, connection, source or default_source(library))
    reduced = load_reduced(known, report)
    return "" if reduced is None or library.store.is_sqlite else store_vectors(library, known, reduced)


def default_source(library: Library) -> str:
    """The network whose features are compared where nobody says which.

    Raises DataError where there are none yet, SettingsError where there are several and no published one.
    """
    kept = sources_of(library)
    if not kept:
        how = f"Make them: the job `embed`, or lightfast library embed {library.folder}."
        raise DataError("the pictures have no features yet", cure=how)
    if len(kept) > 1 and WORDS_OF not in kept:
        raise SettingsError("`source`", expected=f"one of {', '.join(kept)}", got="none")
    return WORDS_OF if WORDS_OF in kept else next(iter(kept))


def ranking_start(named: NamedSearch, scope: SearchScope, pictures: int) -> int:
    """Where the page begins in a ranking of so many pictures.

    Raises DataError for a cursor of another search, and of one from before pictures were added.
    """
    if scope.cursor is None:
        return 0
    first, state = read_cursor(named, scope.cursor)
    if state != state_mark(named, pictures):
        raise DataError(
            "the cursor is of a ranking from before pictures were added", cure="Begin again without one."
        )
    return first


def ranked_page(
    connection: Connection,
    ranked: RankedRows,
    known: FeatureFile,
    at: tuple[NamedSearch, int, SearchScope],
    notes: tuple[str, ...] = (),
) -> SearchPage:
    """One page of a ranking: `at` is what the search is named by, where the page begins, and its scope."""
    named, first, scope = at
    end = min(first + scope.limit, DEEPEST)
    ids = known.asset_ids[ranked.rows].tolist()
    scores = dict(zip(ids, ranked.scores.tolist(), strict=True))
    shown = describe_assets(connection, ids[first:end], scope.client, scores)
    more = len(ids) > end and end < DEEPEST
    cursor = write_cursor(named, [end, state_mark(named, len(known))]) if more else None
    if not scope.client:
        notes = (*notes, *_not_compared(connection, known))
    return SearchPage(shown, cursor, notes)


def _require_seen(connection: Connection, asset_ids: Sequence[int], client: str) -> None:
    if client:
        lost = sorted(set(asset_ids) - set(visible_assets(connection, asset_ids, client)))
        if lost:
            raise missing_asset(lost[0])


def _not_compared(connection: Connection, known: FeatureFile) -> tuple[str, ...]:
    """What is to be said where the newest picture has no features yet."""
    seen = assets.c.deleted_at.is_(None) & assets.c.unreadable.is_(None)
    newest = connection.execute(
        select(assets.c.id).where(seen).order_by(assets.c.id.desc()).limit(1)
    ).scalar()
    if newest is None or known.rows_of([newest])[0] >= 0:
        return ()
    return ("the newest pictures have no features yet and were not compared: lightfast library embed",)


def _direction(known: FeatureFile, wanted: LikenessQuery) -> NDArray[np.float32]:
    """float32 (D,): its product with the features of a picture, at length 1, is the score."""
    liked = _unit(known, wanted.like, wanted.like_vectors)
    if not len(liked):
        raise DataError("likeness", expected="at least one picture that is liked", got="none")
    unliked = _unit(known, wanted.unlike, wanted.unlike_vectors)
    direction = liked.mean(axis=0)
    return direction - _AGAINST * unliked.mean(axis=0) if len(unliked) else direction


def _unit(
    known: FeatureFile, asset_ids: Sequence[int], others: NDArray[np.floating] | None
) -> NDArray[np.float32]:
    there, vectors = known.read(asset_ids)
    lost = sorted(set(asset_ids) - set(there.tolist()))
    if lost:
        raise DataError(
            f"picture {lost[0]} has no features by {known.format.source}",
            cure="Add the picture, then lightfast library embed.",
        )
    if others is None:
        return unit_rows(vectors)
    if others.ndim != 2 or others.shape[1] != known.format.width:
        raise DataError("features of a picture", expected=f"(M, {known.format.width})", got=str(others.shape))
    return unit_rows(np.concatenate([vectors, others]))


def _ranked(
    connection: Connection,
    compiled: CompiledQuery,
    known: FeatureFile,
    asked: tuple[NDArray[np.float32], int, Sequence[int]],
    scope: SearchScope,
) -> tuple[RankedRows, tuple[str, ...]]:
    direction, wanted, own = asked[0], min(asked[1], DEEPEST + 1), asked[2]

    def exact(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        # In the order of the file: neighbours on the disk are read together.
        order = np.argsort(rows)
        found = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), _BLOCK):
            part = order[start : start + _BLOCK]
            found[part] = unit_rows(known.vectors[rows[part]]) @ direction
        return found

    reduced = load_reduced(known, scope.report)
    if reduced is None:
        scores = Scores(known, lambda rows: exact(np.arange(len(known)) if rows is None else rows), exact)
        return rank_rows(connection, compiled, scores, wanted, own), ()
    small = direction @ reduced.axes

    def near(rows: NDArray[np.int64] | None) -> NDArray[np.float32]:
        return np.asarray((reduced.rows if rows is None else reduced.rows[rows]) @ small, np.float32)

    scores = Scores(known, near, exact, rough=True)
    notes: tuple[str, ...] = ()
    indexed = connection.dialect.name == "postgresql" and len(known) > SCANNED
    if indexed and compiled.few(connection, LOOKED_UP) is None:
        counts = (wanted, candidates_for(wanted, len(known)))
        rows, why = near_in_database(connection, compiled, (reduced.name, small, len(known)), counts, own)
        if rows is not None:
            return best_of(scores, rows, wanted), ()
        notes = (why,)
    return rank_rows(connection, compiled, scores, wanted, own), notes
