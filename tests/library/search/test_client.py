"""A search of a client, on both databases: only its pictures and words, whole pages, and nothing to probe."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import numpy as np
import pytest
from library.pictures import fill, suggest
from sqlalchemy import func, insert, select, update

from lightfast.base.errors import DataError, NotFoundError
from lightfast.library.add import KEPT
from lightfast.library.feature_files import FeatureFormat, FeatureRows, append_features
from lightfast.library.label_numbers import label_numbers
from lightfast.library.library import Library
from lightfast.library.people.client_view import shown_name
from lightfast.library.schema import assets, labels, places, tags
from lightfast.library.search import conditions
from lightfast.library.search.hits import find_facets, search_tags
from lightfast.library.search.likeness import LikenessQuery, SearchScope, search_like
from lightfast.library.store import now

_NAMES = ("animal", "cat", "puma", "secret")
_COUNT, _OWN = 40, tuple(range(40, 0, -4))


@pytest.fixture
def shop(library: Library) -> Library:
    """Forty pictures; every fourth carries a cat, which the client "shop" calls Katze, and all the secret
    label that "rival" calls Geheim. Below animal (Tier) stands cat, below that puma, without a word of the
    shop's.
    """
    fill(library, _COUNT, _NAMES)
    with library.store.write() as connection:
        numbers = label_numbers(connection, _NAMES)
        for child, parent in (("cat", "animal"), ("puma", "cat")):
            here = labels.c.id == numbers[child]
            connection.execute(update(labels).where(here).values(parent_id=numbers[parent]))
        for client, name, same in (
            ("shop", "Katze", "cat"),
            ("shop", "Tier", "animal"),
            ("rival", "Geheim", "secret"),
        ):
            row = {"client": client, "name": name, "same_as_id": numbers[same]}
            connection.execute(insert(labels).values(**row))
        for asset in range(1, _COUNT + 1):
            own = "/shop" if asset in _OWN else "/rival"
            rows = [
                (f"{own}/deep_{asset}/Picture{asset}.JPG", "added"),
                (f"/rival/copy{asset}.jpg", "hidden"),
            ]
            for uri, source in rows:
                row = {"asset_id": asset, "uri": uri, "source": source, "size": 1, "added_at": now()}
                connection.execute(insert(places).values(**row))
    for asset in range(1, _COUNT + 1):
        suggest(library, asset, numbers["secret"], 0.9)
        if asset in _OWN:
            suggest(library, asset, numbers["cat"], 0.4)
    suggest(library, 1, numbers["puma"], 0.9)
    suggest(library, 4, numbers["puma"], 0.9)
    return library


def _found(library: Library, query: str = "", **more: object) -> list[int]:
    return [one.asset_id for one in search_tags(library, query, client="shop", limit=1_000, **more).hits]


@pytest.mark.parametrize("rare", [0, 5, 10_000])
def test_pages_are_full_and_follow_each_other(shop, monkeypatch, rare):
    """Whichever way the database goes: `rare` moves the bounds between them."""
    monkeypatch.setattr(conditions, "RARE", rare)
    for query in ("", "Katze", "NOT name:9"):
        pages, cursor = [], None
        while True:
            page = search_tags(shop, query, client="shop", limit=4, cursor=cursor)
            pages.append([one.asset_id for one in page.hits])
            cursor = page.cursor
            if cursor is None:
                break
        assert [len(one) for one in pages] == [4, 4, 2]
        assert tuple(number for page in pages for number in page) == _OWN


def test_a_cursor_of_everybody_does_not_open_a_clients_pages(shop):
    cursor = search_tags(shop, "", limit=4).cursor
    with pytest.raises(DataError, match="none of this search"):
        search_tags(shop, "", client="shop", cursor=cursor)


def test_every_condition_stays_inside_the_own_pictures(shop):
    with shop.store.write() as connection:
        connection.execute(update(assets).values(taken_at=datetime(2020, 5, 5, tzinfo=UTC)))
        old = datetime(2020, 5, 5, tzinfo=UTC)
        connection.execute(update(assets).where(assets.c.id <= 4).values(added_at=old))
    own = list(_OWN)
    assert _found(shop, "taken:2020") == own
    assert _found(shop, "added:2020") == [4]
    assert _found(shop, "NOT taken:2020 OR NOT added:2020") == own[:-1]
    assert [_found(shop, f"id:{one}") for one in (3, 4)] == [[], [4]]
    assert _found(shop, "NOT Katze") == []
    assert _found(shop, "state:suggested") == own


def test_a_name_is_what_is_shown_of_the_first_file(shop):
    assert _found(shop, "name:picture4") == [40, 4]
    for hidden in ("deep_4", "shop", "rival", "copy4", "/Picture4", "added", "hidden"):
        assert _found(shop, f"name:{hidden}") == [], hidden
    (hit,) = search_tags(shop, "id:4", client="shop").hits
    assert hit.uri == "Picture4.JPG"


def test_the_database_cuts_the_name_as_it_is_shown(shop):
    """Word by word: what the name holds is found, what only the address holds is not."""
    with shop.store.read() as connection:
        first = connection.execute(select(func.min(places.c.id)).where(places.c.asset_id == 4)).scalar_one()
    for uri, source in (
        ("/a/b.jpg", "x"),
        ("b.jpg", "x"),
        ("C:\\a\\b.jpg", "x"),
        (f"{KEPT}0123", "/up/load/b.jpg"),
        ("s3://bucket/a/b.jpg/", "x"),
        ("/b.jpg/a_b", "x"),
    ):
        with shop.store.write() as connection:
            connection.execute(update(places).where(places.c.id == first).values(uri=uri, source=source))
        name = shown_name(uri, source)
        words = ("b.jpg", "a", "up", "bucket", "0123", "_", "C:", name)
        found = [word for word in words if _found(shop, f'id:4 name:"{word}"')]
        assert found == [word for word in words if word in name], uri


def test_a_client_names_its_own_labels_alone_and_sees_no_others(shop):
    (hit,) = search_tags(shop, "id:4", client="shop").hits
    assert [one.label for one in hit.tags] == ["Katze"]
    foreign = {"secret", "Geheim", "cat", "puma", "animal"}
    for name in ("secret", "Geheim", "secrets", "nothing", "cat"):
        with pytest.raises(DataError, match="no label is called") as caught:
            _found(shop, name)
        told = str(caught.value).replace(repr(name), "").replace(f"name:{name}", "")
        assert not [one for one in foreign if one in told], told
    assert find_facets(shop, client="shop").counts == (("Katze", len(_OWN)),)


def test_a_label_without_a_word_of_the_clients_does_not_answer_for_the_one_above_it(shop):
    assert _found(shop, "Tier") == list(_OWN)
    assert _found(shop, "Tier>0.5") == []
    assert [one.asset_id for one in search_tags(shop, "animal>0.5").hits] == [4, 1]


def test_untagged_and_states_speak_of_the_own_labels(shop):
    with shop.store.write() as connection:
        numbers = label_numbers(connection, _NAMES)
        here = (tags.c.asset_id == 4) & (tags.c.label_id == numbers["secret"])
        connection.execute(update(tags).where(here).values(state="rejected", score=0))
    assert _found(shop, "state:rejected") == []
    assert _found(shop, "is:untagged") == []


@pytest.mark.parametrize("term", ["by:u1", "by:nobody", "by:*", "source:added", "is:waiting"])
def test_people_sources_and_the_queue_are_refused_whatever_the_answer(featured, term: str):
    for query in (term, f"NOT ({term} OR Katze)"):
        with pytest.raises(DataError, match="is not for viewers of a client"):
            _found(featured, query)
        with pytest.raises(DataError, match="is not for viewers of a client"):
            search_like(featured, LikenessQuery([4]), SearchScope(query, "shop", source="net"))


def test_a_client_without_a_word_finds_nothing_and_is_told_of_no_other(shop):
    assert search_tags(shop, "", client="newcomer").hits == ()


@pytest.fixture
def featured(shop: Library) -> Library:
    """The same with features: the pictures lie on an arc in the order of their numbers."""
    angle = np.linspace(0, 1, _COUNT)[:, None]
    rows = FeatureRows(range(1, _COUNT + 1), np.concatenate([np.cos(angle), np.sin(angle)], axis=1))
    append_features(shop, FeatureFormat("net", 2, (8, 8)), rows)
    return shop


def test_likeness_stays_inside_and_its_pages_are_full(featured):
    scope = SearchScope("", "shop", limit=4, source="net")
    first = search_like(featured, LikenessQuery([40]), scope)
    assert [one.asset_id for one in first.hits] == [36, 32, 28, 24]
    second = search_like(featured, LikenessQuery([40]), SearchScope("", "shop", 4, first.cursor, "net"))
    assert [one.asset_id for one in second.hits] == [20, 16, 12, 8]
    content = base64.urlsafe_b64decode(first.cursor + "==")
    assert str(_COUNT).encode() not in content[12:]


def test_a_picture_that_the_client_does_not_see_is_none_to_be_like(featured):
    for wanted in (LikenessQuery([3]), LikenessQuery([4], [3]), LikenessQuery([999])):
        with pytest.raises(NotFoundError, match="is not in the library"):
            search_like(featured, wanted, SearchScope("", "shop", source="net"))


def test_a_client_is_not_told_that_others_pictures_came(featured):
    with featured.store.write() as connection:
        connection.execute(insert(assets).values(sha256="new", bytes=1, added_at=now()))
    scope = SearchScope("", "shop", source="net")
    assert search_like(featured, LikenessQuery([40]), scope).notes == ()
    assert search_like(featured, LikenessQuery([40]), SearchScope(source="net")).notes != ()
