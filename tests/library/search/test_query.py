"""Searches on both databases, against a plain evaluation of the same tags."""

from __future__ import annotations

import operator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from library.pictures import fill, suggest
from sqlalchemy import insert, select, update

from lightfast.base.errors import DataError, SettingsError
from lightfast.library.label_numbers import label_numbers
from lightfast.library.library import Library
from lightfast.library.review.decide import ReviewAct, decide
from lightfast.library.review.undo import undo
from lightfast.library.schema import assets, labels, places, queue_table, tags
from lightfast.library.search import conditions
from lightfast.library.search.hits import find_facets, search_tags
from lightfast.library.search.syntax import (
    AndTerm,
    DateTerm,
    FieldTerm,
    LabelTerm,
    NotTerm,
    OrTerm,
    Term,
    parse_query,
)
from lightfast.library.store import now

_NAMES = ("sky", "sea", "red car", "AND")
_COMPARE = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt, "=": operator.eq}
_YEARS = (2018, 2019, 2020)
_COUNT = 60


def _found(library: Library, query: str, **more: object) -> list[int]:
    return [one.asset_id for one in search_tags(library, query, limit=1_000, **more).hits]


def _put_tag(library: Library, asset: int, label: int, state: str, score: float) -> None:
    row = {"asset_id": asset, "label_id": label, "state": state, "score": score, "updated_at": now()}
    with library.store.write() as connection:
        connection.execute(insert(tags).values(**row))


@pytest.fixture
def mixed(library: Library) -> Library:
    """Sixty pictures with random tags, dates and places; label n is _NAMES[n − 1]."""
    rng = np.random.default_rng(15)
    fill(library, _COUNT, _NAMES)
    with library.store.write() as connection:
        # In the order of _NAMES whatever the alphabet says.
        numbers = label_numbers(connection, _NAMES)
        for asset in range(1, _COUNT + 1):
            for name in _NAMES:
                if rng.random() < 0.4:
                    state = ("suggested", "confirmed", "rejected")[rng.integers(3)]
                    score = {"suggested": round(float(rng.random()), 2), "confirmed": 1.0, "rejected": 0.0}
                    connection.execute(
                        insert(tags).values(
                            asset_id=asset,
                            label_id=numbers[name],
                            state=state,
                            score=score[state],
                            updated_at=now(),
                        )
                    )
            if rng.random() < 0.7:
                taken = datetime(_YEARS[rng.integers(3)], 6, 1, tzinfo=UTC)
                connection.execute(update(assets).where(assets.c.id == asset).values(taken_at=taken))
            uri, source = f"/{('Beach', 'hill')[rng.integers(2)]}/{asset}.jpg", ("a", "b%")[rng.integers(2)]
            row = {"uri": uri, "source": source, "size": 1, "added_at": now()}
            connection.execute(insert(places).values(asset_id=asset, **row))
        hidden = {7: {"deleted_at": now()}, 8: {"unreadable": "broken"}}
        for asset, values in hidden.items():
            connection.execute(update(assets).where(assets.c.id == asset).values(**values))
    return library


class Plain:
    """All tags, dates and places in memory, and what a query says of each picture."""

    def __init__(self, library: Library) -> None:
        with library.store.read() as connection:
            self.assets = connection.execute(select(assets)).all()
            self.names = {row.id: row.name for row in connection.execute(select(labels))}
            rows = connection.execute(select(tags)).all()
            self.places = {row.asset_id: row for row in connection.execute(select(places))}
        self.tags = {(row.asset_id, self.names[row.label_id]): row for row in rows}

    def __call__(self, query: str) -> list[int]:
        term = parse_query(query)
        seen = [row for row in self.assets if row.deleted_at is None and row.unreadable is None]
        return [row.id for row in sorted(seen, key=lambda row: -row.id) if self.holds(term, row)]

    def holds(self, term: Term, asset) -> bool:
        if isinstance(term, AndTerm):
            return all(self.holds(one, asset) for one in term.terms)
        if isinstance(term, OrTerm):
            return any(self.holds(one, asset) for one in term.terms)
        if isinstance(term, NotTerm):
            return not self.holds(term.term, asset)
        if isinstance(term, LabelTerm):
            return self.labelled(term, self.tags.get((asset.id, term.name)))
        return self.dated(term, asset) if isinstance(term, DateTerm) else self.said(term, asset)

    def labelled(self, term: LabelTerm, row) -> bool:
        if row is None or term.state is not None:
            return row is not None and row.state == term.state
        fits = term.compare is None or _COMPARE[term.compare](row.score, term.value)
        return row.state != "rejected" and fits

    def dated(self, term: DateTerm, asset) -> bool:
        if term.first is None and term.end is None:
            return asset.taken_at is None
        taken = asset.taken_at
        return bool(taken and (not term.first or taken >= term.first) and (not term.end or taken < term.end))

    def said(self, term: FieldTerm, asset) -> bool:
        rows = [self.tags[asset.id, name] for name in _NAMES if (asset.id, name) in self.tags]
        return {
            "state": any(row.state == term.value for row in rows),
            "name": term.value.lower() in self.places[asset.id].uri.lower(),
            "source": term.value in self.places[asset.id].source,
            "is": all(row.state == "rejected" for row in rows),
        }[term.field]


def _random_query(rng: np.random.Generator, depth: int = 3) -> str:
    if depth and rng.random() < 0.7:
        parts = [_random_query(rng, depth - 1) for _ in range(rng.integers(2, 4))]
        return f"({(' AND ', ' OR ', ' ')[rng.integers(3)].join(parts)})"
    name = ("sky", "sea", '"red car"', '"AND"')[rng.integers(4)]
    atoms = (
        name,
        name,
        f"{name}{('>=', '>', '<=', '<', '=')[rng.integers(5)]}{rng.integers(0, 11) / 10}",
        f"{name}:{('suggested', 'confirmed', 'rejected')[rng.integers(3)]}",
        f"taken:{('2018', '2018..2019', '2019-07..', '..2019', 'none')[rng.integers(5)]}",
        f"state:{('suggested', 'confirmed', 'rejected')[rng.integers(3)]}",
        "name:beach",
        "source:b%",
        "is:untagged",
    )
    return "NOT " * int(rng.random() < 0.3) + atoms[rng.integers(len(atoms))]


@pytest.mark.parametrize("rare", [0, 25])
def test_every_query_finds_what_a_plain_evaluation_finds(mixed, monkeypatch, rare):
    """Whichever way the database goes: `rare` moves the bounds between them."""
    monkeypatch.setattr(conditions, "RARE", rare)
    rng, plain = np.random.default_rng(rare), Plain(mixed)
    queries = [_random_query(rng) for _ in range(60)]
    wrong = [query for query in queries if _found(mixed, query) != plain(query)]
    assert wrong == []
    assert len({tuple(plain(query)) for query in queries}) > 5


def test_all_that_matches_are_the_same_as_all_pages(mixed, monkeypatch):
    rng = np.random.default_rng(1)
    for query in [_random_query(rng) for _ in range(20)]:
        with mixed.store.read() as connection:
            compiled = conditions.compile_query(connection, query)
            ids = connection.execute(compiled.matching(connection)).scalars().all()
        assert sorted(ids) == sorted(_found(mixed, query))


def test_pages_follow_each_other_whatever_is_added_meanwhile(mixed):
    whole, seen, cursor = _found(mixed, "sky OR sea"), [], None
    while True:
        page = search_tags(mixed, "sky OR sea", limit=7, cursor=cursor)
        seen += [one.asset_id for one in page.hits]
        cursor = page.cursor
        if cursor is None:
            break
        with mixed.store.write() as connection:
            moment, digest = now(), f"new{len(seen)}"
            made = connection.execute(insert(assets).values(sha256=digest, bytes=1, added_at=moment))
        _put_tag(mixed, made.inserted_primary_key[0], 1, "confirmed", 1.0)
    assert seen == whole


def test_a_cursor_of_another_search_or_none_at_all_is_refused(mixed):
    cursor = search_tags(mixed, "sky", limit=1).cursor
    assert cursor
    for query, given in (("sea", cursor), ("sky", cursor[:-2] + "AA"), ("sky", "nonsense!"), ("sky", "")):
        with pytest.raises(DataError, match="none of this search"):
            search_tags(mixed, query, cursor=given)


def test_deleted_and_unreadable_pictures_are_found_only_when_asked_for(mixed):
    everything = set(_found(mixed, ""))
    assert len(everything) == _COUNT - 2
    assert _found(mixed, "is:deleted") == [7]
    assert _found(mixed, "is:unreadable") == [8]
    assert not everything & {7, 8}


def test_a_hit_shows_its_place_and_its_tags_the_surest_first(library):
    fill(library, 1)
    suggest(library, 1, 2, 0.3)
    suggest(library, 1, 1, 0.6)
    with library.store.write() as connection:
        row = {"uri": "/a.jpg", "source": "a", "size": 1, "added_at": now()}
        connection.execute(insert(places).values(asset_id=1, **row))
    (hit,) = search_tags(library, "cat").hits
    assert hit.uri == "/a.jpg"
    assert [(one.label, one.state, one.score) for one in hit.tags] == [
        ("cat", "suggested", 0.6),
        ("dog", "suggested", 0.3),
    ]


def test_people_and_what_they_took_back(library):
    fill(library, 3)
    decide(library.store, 1, [ReviewAct(1, "confirm", 1)])
    decide(library.store, 2, [ReviewAct(2, "reject", 1)])
    assert _found(library, "by:u1") == [1]
    assert _found(library, "by:*") == [2, 1]
    assert _found(library, "cat:rejected") == [2]
    undo(library.store, 1)
    assert _found(library, "by:u1") == []
    with pytest.raises(DataError, match=r"nobody is called 'u3'.*Did you mean u"):
        _found(library, "by:u3")


def test_what_waits_for_a_person_and_when_it_came(library):
    fill(library, 3)
    with library.store.write() as connection:
        connection.execute(update(queue_table).where(queue_table.c.asset_id == 2).values(state="done"))
        old = datetime(2020, 5, 5, tzinfo=UTC)
        connection.execute(update(assets).where(assets.c.id == 1).values(added_at=old))
    assert _found(library, "is:waiting") == [3, 1]
    assert _found(library, "added:2020-05") == [1]
    assert _found(library, f"added:{now() - timedelta(days=1):%Y-%m-%d}.. id:3") == [3]


def test_a_label_finds_what_stands_below_it_and_its_rejection_only_itself(library):
    fill(library, 3, ("animal", "cat", "puma"))
    with library.store.write() as connection:
        numbers = label_numbers(connection, ("animal", "cat", "puma"))
        for child, parent in (("cat", "animal"), ("puma", "cat")):
            here = labels.c.id == numbers[child]
            connection.execute(update(labels).where(here).values(parent_id=numbers[parent]))
    suggest(library, 1, numbers["puma"], 0.5)
    suggest(library, 2, numbers["animal"], 0.5)
    _put_tag(library, 3, numbers["cat"], "rejected", 0.0)
    assert _found(library, "animal") == [2, 1]
    assert _found(library, "Cat") == [1]
    assert _found(library, "animal:rejected") == []
    assert _found(library, "cat:rejected") == [3]


def test_a_client_searches_in_its_own_words_and_sees_them(library):
    fill(library, 2)
    suggest(library, 1, 1, 0.5)
    with library.store.write() as connection:
        row = {"client": "acme", "name": "Hauskatze", "same_as_id": 1}
        connection.execute(insert(labels).values(**row))
    (hit,) = search_tags(library, "hauskatze", client="acme").hits
    assert (hit.asset_id, hit.tags[0].label) == (1, "Hauskatze")
    with pytest.raises(DataError, match="no label is called 'Hauskatze'"):
        _found(library, "Hauskatze")


def test_an_unknown_label_names_the_nearest_and_where_it_stands(library):
    fill(library, 1, ("grand piano", "dog"))
    with pytest.raises(DataError, match=r"'grand pinao' \(character 9\)\. Did you mean \"grand piano\"\?"):
        _found(library, 'dog AND "grand pinao"')
    with pytest.raises(DataError, match="found by name:zebra"):
        _found(library, "zebra")
    with pytest.raises(DataError, match="Write AND in capitals"):
        _found(library, "dog and dog")


def test_facets_count_the_newest_and_say_whether_those_are_all(mixed, monkeypatch):
    from lightfast.library.search import hits

    plain = Plain(mixed)
    whole = find_facets(mixed, "sky")
    assert whole.whole
    assert whole.sampled == len(plain("sky"))
    assert dict(whole.counts)["sea"] == len(plain("sky AND sea"))
    monkeypatch.setattr(hits, "_SAMPLED", 3)
    some = find_facets(mixed, "sky")
    assert (some.sampled, some.whole) == (3, False)


@pytest.mark.parametrize("limit", [0, 1_001])
def test_pages_have_a_size(library, limit):
    with pytest.raises(SettingsError, match="1 to 1,000"):
        search_tags(library, limit=limit)


def test_the_index_is_walked_and_not_the_table(mixed, tmp_path: Path):
    """As SQLite and PostgreSQL plan it themselves, without statistics, on a few rows."""
    with mixed.store.read() as connection:
        compiled = conditions.compile_query(connection, "sky>=0.5 AND NOT sea")
        query = compiled.pages(connection, None, 5)
        text = str(query.compile(connection.engine, compile_kwargs={"literal_binds": True}))
        if mixed.store.is_sqlite:
            plan = [str(row) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
            assert "ix_tags_label_id_asset_id_score_state" in plan[0]
            assert not any("TEMP B-TREE" in line for line in plan)
        else:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
            plan = [str(row[0]) for row in connection.exec_driver_sql(f"EXPLAIN {text}")]
            assert any("ix_tags_label_id_asset_id_score_state" in line for line in plan)


def test_few_known_pictures_are_looked_up_before_a_common_label_is_walked(mixed, monkeypatch):
    """By whatever way: the same pictures."""
    sky = Plain(mixed)("sky")
    wanted = {f"id:{sky[0]} sky": [sky[0]], "sky sea": Plain(mixed)("sky sea"), "id:7 sky": []}
    for rare, handful in ((0, 0), (2, 2), (10_000, 0), (10_000, 1_000)):
        monkeypatch.setattr(conditions, "RARE", rare)
        monkeypatch.setattr(conditions, "QUICKLY_SORTED", handful)
        for query, ids in wanted.items():
            with mixed.store.read() as connection:
                compiled = conditions.compile_query(connection, query)
                found = connection.execute(compiled.matching(connection)).scalars().all()
                walked = "AS driver" in str(compiled.pages(connection, None, 5))
            assert sorted(found) == sorted(_found(mixed, query)) == sorted(ids)
            assert walked == (handful == 0 or not query.startswith("id:"))
