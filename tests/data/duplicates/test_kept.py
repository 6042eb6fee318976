"""Near duplicates that were found once are not searched again; anything that decides makes it anew."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from lightfast.base.folders import searches_folder
from lightfast.data.dataset import LoadedData
from lightfast.data.duplicates import kept, search
from lightfast.data.images import ImageSet


@pytest.fixture
def searches(monkeypatch, tmp_path: Path) -> list[int]:
    """How many searches were made, one entry each; sets of any size are kept, in a folder of their own."""
    made: list[int] = []
    really = search.near_duplicates

    def counted(sets, *more):
        made.append(sum(map(len, sets)))
        return really(sets, *more)

    monkeypatch.setenv("LIGHTFAST_CACHE", str(tmp_path))
    monkeypatch.setattr(search, "near_duplicates", counted)
    monkeypatch.setattr(search, "FEWEST_KEPT", 1)
    return made


def pictures(labels: tuple[int, ...] = (0, 0, 1, 1, 1), lighter: int = 6) -> LoadedData:
    """Four clouds and one of them a little lighter."""
    rng = np.random.default_rng(0)
    clouds = np.stack([gaussian_filter(rng.normal(size=(64, 64, 3)), (3, 3, 0)) for _ in range(4)])
    clouds = np.clip(128 + 45 * clouds / clouds.std(), 10, 240).astype(np.uint8)
    images = np.concatenate([clouds, clouds[:1] + np.uint8(lighter)])
    ids = tuple(f"{n}.png" for n in range(5))
    return LoadedData(ImageSet(images, ("a", "b"), np.array(labels), ids=ids), sizes={"64x64": 5})


def test_a_second_search_reads_what_the_first_found(searches):
    first = search.find_near_duplicates(pictures())
    assert first.groups == ((0, 4),)
    assert search.find_near_duplicates(pictures()) == first
    assert searches == [5]


@pytest.mark.parametrize("other", [pictures(labels=(0, 1, 1, 1, 1)), pictures(lighter=7)])
def test_other_labels_or_pixels_are_searched(searches, other):
    search.find_near_duplicates(pictures())
    search.find_near_duplicates(other)
    assert searches == [5, 5]


def test_other_code_searches_anew(searches, monkeypatch):
    search.find_near_duplicates(pictures())
    monkeypatch.setattr(kept, "_code", lambda: b"another threshold")
    search.find_near_duplicates(pictures())
    assert searches == [5, 5]


@pytest.mark.parametrize(
    "spoil", [lambda text: text[: len(text) // 2], lambda text: text.replace("4", "3"), lambda _: "[]"]
)
def test_a_torn_or_changed_file_is_searched_anew(searches, spoil):
    first = search.find_near_duplicates(pictures())
    (place,) = searches_folder().glob("*.json")
    place.write_text(spoil(place.read_text()))
    assert search.find_near_duplicates(pictures()) == first
    assert search.find_near_duplicates(pictures()) == first
    assert searches == [5, 5]


def test_embeddings_and_few_pictures_are_searched_each_time(searches, monkeypatch):
    for _ in range(2):
        search.find_near_duplicates(pictures(), lambda images: np.ones((len(images), 4), np.float32))
    monkeypatch.setattr(search, "FEWEST_KEPT", 6)
    search.find_near_duplicates(pictures())
    assert searches == [5, 5, 5]
    assert not searches_folder().exists()


def test_nothing_is_kept_where_nothing_may_be(searches, monkeypatch):
    monkeypatch.setenv("LIGHTFAST_CACHE_GB", "0")
    search.find_near_duplicates(pictures())
    assert not searches_folder().exists()


def test_a_cache_that_cannot_be_written_costs_the_next_search_alone(searches, tmp_path: Path):
    searches_folder().write_text("a file where the folder should be")
    first = search.find_near_duplicates(pictures())
    assert search.find_near_duplicates(pictures()) == first
    assert searches == [5, 5]


def test_those_longest_not_used_go_first(searches, monkeypatch):
    monkeypatch.setattr(kept, "MOST_KEPT", 2)
    for number, key in enumerate("abc"):
        kept.keep_search(key, {"number": number})
        os.utime(searches_folder() / f"{key}.json", (number, number))
    kept.load_search("b")
    kept.keep_search("d", {})
    assert sorted(place.stem for place in searches_folder().iterdir()) == ["b", "d"]
