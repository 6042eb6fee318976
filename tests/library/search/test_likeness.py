"""Likeness on both databases: any filter is respected exactly, and always as many are found as there are."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from fixtures.databases import fresh_database
from sqlalchemy import event, insert, select, text, update

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.files import write_json
from lightfast.curate.embed import unit_rows
from lightfast.library.feature_files import FeatureFormat, FeatureRows, append_features, open_features
from lightfast.library.label_numbers import label_numbers
from lightfast.library.library import Library, create_library
from lightfast.library.schema import assets, tags
from lightfast.library.search import likeness, postgres_vectors, ranked, reduced
from lightfast.library.search.likeness import (
    LikenessQuery,
    SearchScope,
    default_source,
    prepare_likeness,
    search_like,
)
from lightfast.library.store import now

_COUNT, _WIDTH = 3_000, 256
_TAGS = {"half": 0.5, "tenth": 0.1, "few": 0.01}


def _vectors() -> np.ndarray:
    """Thirty bundles in twelve of 256 dimensions, and a little everywhere: like features of photographs."""
    rng = np.random.default_rng(0)
    middles = np.zeros((30, _WIDTH))
    middles[:, :12] = rng.normal(size=(30, 12))
    rows = middles[rng.integers(30, size=_COUNT)] + 0.4 * rng.normal(size=(_COUNT, _WIDTH)) / np.sqrt(_WIDTH)
    return np.maximum(rows + 0.2, 0).astype(np.float16)


def _fill(library: Library) -> None:
    rng = np.random.default_rng(1)
    with library.store.write() as connection:
        connection.execute(
            insert(assets), [{"sha256": f"{n:064}", "bytes": 1, "added_at": now()} for n in range(_COUNT)]
        )
        numbers = label_numbers(connection, tuple(_TAGS))
        for name, share in _TAGS.items():
            row = {"label_id": numbers[name], "state": "confirmed", "score": 1.0, "updated_at": now()}
            chosen = np.flatnonzero(rng.random(_COUNT) < share) + 1
            connection.execute(insert(tags), [{**row, "asset_id": int(one)} for one in chosen])
        connection.execute(update(assets).where(assets.c.id == 4).values(deleted_at=now()))
    ids = list(range(1, _COUNT + 1))
    append_features(library, FeatureFormat("net", _WIDTH, (8, 8)), FeatureRows(ids, _vectors()))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def piled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """3,000 pictures with features and tags; nothing in these tests changes them."""
    server = None if request.param == "sqlite" else request.getfixturevalue("postgres_server")
    made = create_library(tmp_path_factory.mktemp("piled") / "library", server and fresh_database(server))
    _fill(made)
    yield made
    made.close()


@pytest.fixture
def reducing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if 3,000 pictures were a million: reduced features, few candidates a try, rare below 100."""
    monkeypatch.setattr(reduced, "WHOLE", 100)
    monkeypatch.setattr(ranked, "_FIRST", 40)
    monkeypatch.setattr(ranked, "LOOKED_UP", 100)
    monkeypatch.setattr(likeness, "LOOKED_UP", 100)


@pytest.fixture
def indexing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if more pictures than are compared on PostgreSQL."""
    monkeypatch.setattr(likeness, "SCANNED", 100)
    monkeypatch.setattr(postgres_vectors, "SCANNED", 100)


def _vector_tables(library: Library) -> list[str]:
    with library.store.read() as connection:
        return [] if library.store.is_sqlite else postgres_vectors._tables(connection)


def _plain(like: list[int], unlike: list[int] = (), among: set[int] | None = None) -> list[int]:
    """The order that all whole features give, the liked and the deleted left out."""
    unit = unit_rows(_vectors())
    direction = unit[np.array(like) - 1].mean(axis=0)
    if unlike:
        direction = direction - 0.5 * unit[np.array(unlike) - 1].mean(axis=0)
    scores = unit @ direction
    order = np.argsort(-scores, kind="stable") + 1
    out = {4, *like, *unlike}
    return [int(one) for one in order if one not in out and (among is None or one in among)]


def _tagged(library: Library, name: str) -> set[int]:
    with library.store.read() as connection:
        numbers = label_numbers(connection, tuple(_TAGS))
        rows = select(tags.c.asset_id).where(tags.c.label_id == numbers[name])
        return set(connection.execute(rows).scalars())


def _ids(page) -> list[int]:
    return [one.asset_id for one in page.hits]


def test_the_most_alike_come_first_with_their_cosine(piled):
    page = search_like(piled, LikenessQuery(like=[1]), SearchScope(limit=20))
    assert _ids(page) == _plain([1])[:20]
    unit = unit_rows(_vectors())
    assert page.hits[0].similarity == pytest.approx(
        float(unit[page.hits[0].asset_id - 1] @ unit[0]), abs=1e-3
    )


def test_several_but_not_others(piled):
    page = search_like(piled, LikenessQuery(like=[1, 2], unlike=[3]), SearchScope(limit=20))
    assert _ids(page) == _plain([1, 2], [3])[:20]


def test_a_picture_from_outside(piled):
    page = search_like(piled, LikenessQuery(like_vectors=_vectors()[6:7].astype(np.float32)))
    assert (page.hits[0].asset_id, round(page.hits[0].similarity, 3)) == (7, 1.0)


@pytest.mark.parametrize("name", _TAGS)
@pytest.mark.parametrize("way", ["scan", "index"])
def test_a_filtered_search_finds_as_many_as_wanted_and_the_right_ones(piled, reducing, request, name, way):
    if way == "index":
        request.getfixturevalue("indexing")
        prepare_likeness(piled)
    wanted = set(_plain([1], among=_tagged(piled, name))[:20])
    page = search_like(piled, LikenessQuery(like=[1]), SearchScope(name, limit=20))
    assert len(page.hits) == min(20, len(_tagged(piled, name)))
    assert len(wanted & set(_ids(page))) >= 0.95 * len(wanted)
    assert set(_ids(page)) <= _tagged(piled, name)


def test_where_only_few_match_all_of_them_are_found_whatever_the_way(piled, reducing, monkeypatch):
    """Not even the far ones are missed: the database is asked for all in the end."""
    both = _tagged(piled, "few") & _tagged(piled, "half") - {1, 4}
    query = "half AND few"
    assert set(_ids(search_like(piled, LikenessQuery(like=[1]), SearchScope(query)))) == both
    monkeypatch.setattr(ranked, "LOOKED_UP", 0)
    monkeypatch.setattr(likeness, "LOOKED_UP", 0)
    assert set(_ids(search_like(piled, LikenessQuery(like=[1]), SearchScope(query)))) == both
    nothing = search_like(piled, LikenessQuery(like=[1]), SearchScope("few AND NOT few"))
    assert nothing.hits == ()


def test_reduced_features_follow_new_pictures_and_a_cut_file(piled, reducing, tmp_path: Path):
    with piled.store.read() as connection:
        known = open_features(piled, connection, "net")
    whole = reduced.load_reduced(known)
    assert whole.rows.shape == (_COUNT, 96)
    path = known.folder / "reduced" / "rows.f32"
    with path.open("r+b") as stream:
        stream.truncate(1_000 * 96 * 4 + 7)
    again = reduced.load_reduced(known)
    assert again.name == whole.name
    np.testing.assert_allclose(again.rows, whole.rows, atol=1e-6)


def test_reduced_features_stay_while_another_program_finds_new_axes(piled, reducing, monkeypatch):
    with piled.store.read() as connection:
        known = open_features(piled, connection, "net")
    whole = np.array(reduced.load_reduced(known).rows)

    @contextmanager
    def overtaken(folder: Path) -> Iterator[None]:
        with alone(folder):
            yield
        shutil.rmtree(folder / "reduced")

    alone = reduced._alone
    monkeypatch.setattr(reduced, "_alone", overtaken)
    np.testing.assert_allclose(reduced.load_reduced(known).rows, whole, atol=1e-5)


def test_reduced_features_are_of_one_length_and_those_of_older_versions_made_again(piled, reducing):
    """By products of unequally long ones an index goes astray."""
    with piled.store.read() as connection:
        known = open_features(piled, connection, "net")
    now_made = reduced.load_reduced(known)
    assert now_made is not None
    np.testing.assert_allclose(np.linalg.norm(now_made.rows, axis=1), 1, atol=1e-5)
    built = known.folder / "reduced" / "built.json"
    write_json(built, {"name": now_made.name, "pictures": _COUNT})
    (known.folder / "reduced" / "rows.f32").write_bytes((0.8 * now_made.rows).tobytes())
    again = reduced.load_reduced(known)
    assert again is not None
    # Another name: the database does not take a table of the old ones for these.
    assert again.name != now_made.name
    np.testing.assert_allclose(np.linalg.norm(again.rows, axis=1), 1, atol=1e-5)


def test_up_to_a_size_every_picture_is_compared_and_the_database_keeps_no_vectors(
    piled, reducing, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(postgres_vectors, "SCANNED", 100)
        assert prepare_likeness(piled) == ""
    assert len(_vector_tables(piled)) == (0 if piled.store.is_sqlite else 1)
    assert prepare_likeness(piled) == ""
    assert _vector_tables(piled) == []
    page = search_like(piled, LikenessQuery(like=[1]), SearchScope(limit=20))
    assert (_ids(page), page.notes) == (_plain([1])[:20], ())


def test_the_plan_beyond_that_size_walks_the_index(piled, reducing, indexing):
    if piled.store.is_sqlite:
        pytest.skip("an index of vectors is PostgreSQL's")
    assert prepare_likeness(piled) == ""
    plans: list[str] = []

    def explained(connection, _cursor, statement, parameters, *_):
        if "<#>" in statement:
            raw = connection.connection.driver_connection
            # So few rows are sorted sooner than the graph is walked: whether it can be, is asked.
            raw.execute("SET LOCAL enable_sort = off")
            raw.execute("SET LOCAL enable_hashjoin = off")
            raw.execute("SET LOCAL enable_mergejoin = off")
            plans.append("\n".join(row[0] for row in raw.execute(f"EXPLAIN {statement}", parameters)))

    event.listen(piled.store.engine, "before_cursor_execute", explained)
    try:
        page = search_like(piled, LikenessQuery(like=[1]), SearchScope("half", limit=20))
    finally:
        event.remove(piled.store.engine, "before_cursor_execute", explained)
    assert len(plans) == 1
    assert "Index Scan using ix_near_" in plans[0]
    wanted = set(_plain([1], among=_tagged(piled, "half"))[:20])
    assert len(wanted & set(_ids(page))) >= 19


def test_the_index_of_the_database_is_used_and_says_when_it_is_not(piled, reducing, indexing, monkeypatch):
    if piled.store.is_sqlite:
        assert prepare_likeness(piled) == ""
        assert search_like(piled, LikenessQuery(like=[1])).notes == ()
        return
    with piled.store.write() as connection:
        for name in postgres_vectors._tables(connection):
            connection.execute(text(f'DROP TABLE "{name}"'))
    before = search_like(piled, LikenessQuery(like=[1]), SearchScope(limit=20))
    assert "no vectors yet" in before.notes[0]
    assert prepare_likeness(piled) == ""
    assert prepare_likeness(piled) == ""
    after = search_like(piled, LikenessQuery(like=[1]), SearchScope(limit=20))
    assert after.notes == ()
    assert len(set(_ids(before)) & set(_ids(after))) >= 19
    monkeypatch.setattr(postgres_vectors, "_LEAST_VERSION", (99, 0))
    assert "older than" in prepare_likeness(piled)


def test_pages_of_a_ranking_follow_each_other(piled, reducing):
    first = search_like(piled, LikenessQuery(like=[1]), SearchScope(limit=10))
    second = search_like(piled, LikenessQuery(like=[1]), SearchScope(limit=10, cursor=first.cursor))
    assert _ids(first) + _ids(second) == _plain([1])[:20]
    with pytest.raises(DataError, match="none of this search"):
        search_like(piled, LikenessQuery(like=[2]), SearchScope(limit=10, cursor=first.cursor))


def test_what_has_no_features_or_is_nothing_is_refused(piled):
    for wanted, said in (
        (LikenessQuery(), "at least one picture"),
        (LikenessQuery(unlike=[1]), "at least one picture"),
        (LikenessQuery(like=[99_999]), "picture 99999 has no features by net"),
        (LikenessQuery(like_vectors=np.ones((1, 3))), "256"),
    ):
        with pytest.raises(DataError, match=said):
            search_like(piled, wanted)


def test_a_library_without_features_says_how_to_get_them(library):
    with pytest.raises(DataError, match="lightfast library embed"):
        search_like(library, LikenessQuery(like=[1]))


def test_a_ranking_from_before_pictures_came_is_stale(library):
    _some(library, 5)
    page = search_like(library, LikenessQuery(like=[1]), SearchScope(limit=2))
    _some(library, 1, start=5)
    with pytest.raises(DataError, match="from before pictures were added"):
        search_like(library, LikenessQuery(like=[1]), SearchScope(limit=2, cursor=page.cursor))


def test_of_several_networks_one_has_to_be_named(library):
    _some(library, 2)
    append_features(library, FeatureFormat("two", 4, (8, 8)), FeatureRows([1, 2], np.eye(2, 4)))
    with pytest.raises(SettingsError, match="one of one, two"):
        default_source(library)
    assert _ids(search_like(library, LikenessQuery(like=[1]), SearchScope(source="two"))) == [2]


def _some(library: Library, count: int, start: int = 0) -> None:
    with library.store.write() as connection:
        row = {"bytes": 1, "added_at": now()}
        connection.execute(
            insert(assets), [{**row, "sha256": f"{n:064}"} for n in range(start, start + count)]
        )
    ids = list(range(start + 1, start + count + 1))
    rows = np.random.default_rng(start).random((count, 4))
    append_features(library, FeatureFormat("one", 4, (8, 8)), FeatureRows(ids, rows))
