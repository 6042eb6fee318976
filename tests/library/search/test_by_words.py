"""Words against pictures of known classes: the right ones first, and nothing where nothing fits."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import insert

from lightfast.base.errors import DataError, SettingsError
from lightfast.curate.backbone_words import imagenet_words
from lightfast.library.feature_files import CLASSES_KEPT, FeatureFormat, FeatureRows, append_features
from lightfast.library.library import Library
from lightfast.library.schema import assets
from lightfast.library.search.by_words import search_words
from lightfast.library.search.likeness import SearchScope
from lightfast.library.store import now

_SEEN = ("umbrella", "lemon", "school bus", "violin")


def _fill(library: Library, seen: tuple[str, ...] = _SEEN, each: int = 10) -> None:
    """`each` pictures of every class: .7 sure, others drawn at random share the rest."""
    rng, words = np.random.default_rng(0), imagenet_words()
    count = each * len(seen)
    with library.store.write() as connection:
        row = {"bytes": 1, "added_at": now()}
        connection.execute(insert(assets), [{**row, "sha256": f"{n:064}"} for n in range(count)])
    classes = rng.integers(1_000, size=(count, CLASSES_KEPT))
    classes[:, 0] = np.repeat([words.index(word) for word in seen], each)
    others = CLASSES_KEPT - 1
    probs = np.repeat([[0.7] + [0.3 / others] * others], count, axis=0)
    rows = FeatureRows(list(range(1, count + 1)), rng.random((count, 4)), classes, probs)
    append_features(library, FeatureFormat("lite0-pooled", 4, (8, 8), classes=True), rows)


def _ids(page) -> list[int]:
    return [one.asset_id for one in page.hits]


def test_what_is_there_is_found_and_is_sure(library):
    _fill(library)
    page = search_words(library, "umbrella", SearchScope(limit=10))
    assert sorted(_ids(page)) == list(range(1, 11))
    assert all(one.similarity >= 0.95 for one in page.hits)
    assert set(_ids(search_words(library, "bus", SearchScope(limit=10)))) == set(range(21, 31))


def test_what_is_not_there_is_not_found_and_the_answer_says_how_near_it_came(library):
    _fill(library)
    page = search_words(library, "economy")
    assert page.hits == ()
    assert "of random words would; shown from 95% on" in page.notes[0]
    assert search_words(library, "economy", sure=0.0).hits


def test_a_query_holds_beside_the_words_and_pages_follow(library):
    _fill(library)
    assert _ids(search_words(library, "umbrella", SearchScope("id:3"))) == [3]
    assert search_words(library, "umbrella", SearchScope("id:15")).hits == ()
    first = search_words(library, "umbrella", SearchScope(limit=4))
    second = search_words(library, "umbrella", SearchScope(limit=4, cursor=first.cursor))
    assert not set(_ids(first)) & set(_ids(second))
    with pytest.raises(DataError, match="none of this search"):
        search_words(library, "lemon", SearchScope(limit=4, cursor=first.cursor))


@pytest.mark.parametrize("text", ["", "  ", "?!"])
def test_words_have_letters(library, text):
    with pytest.raises(DataError, match="expected words"):
        search_words(library, text)


def test_without_features_or_their_classes_it_says_what_to_do(library):
    with pytest.raises(DataError, match="lightfast library embed"):
        search_words(library, "umbrella")
    with pytest.raises(SettingsError, match="0 to 1"):
        search_words(library, "umbrella", sure=2)
    append_features(library, FeatureFormat("lite0-pooled", 4, (8, 8)), FeatureRows([], np.ones((0, 4))))
