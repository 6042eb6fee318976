"""`library search`: tags, likeness with pictures inside and outside of it, words; features for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fixtures.text_pairs import make_pair
from PIL import Image

from lightfast.base.errors import DataError, SettingsError
from lightfast.curate.embed import Embedder
from lightfast.library.add import add_pictures
from lightfast.library.feature_files import CLASSES_KEPT, FeatureFormat, open_features, sources_of
from lightfast.library.library import Library, create_library
from lightfast.runs.library import features as library_features
from lightfast.runs.library import search as library_search
from lightfast.runs.library.features import embed_library
from lightfast.runs.library.search import LibrarySearchOptions, search_library
from lightfast.runs.options import RunOptions


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """Pictures 1–4: red, green, blue, violet."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, colour in enumerate(((255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 0, 255))):
        _picture(folder / f"{number}.png", colour)
    made = create_library(tmp_path / "library")
    add_pictures(made, [str(folder)])
    yield made
    made.close()


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean colour of a picture as its features."""
    network = Embedder("colours", lambda images: images.mean(axis=(1, 2)).astype(np.float32))
    for module in (library_features, library_search):
        monkeypatch.setattr(
            module, "library_embedder", lambda *_: (network, FeatureFormat("colours", 0, (8, 8)))
        )


def _picture(path: Path, colour: tuple[int, int, int]) -> Path:
    Image.new("RGB", (8, 8), colour).save(path)
    return path


def _ids(library: Library, **wanted: object) -> list[int]:
    found = search_library(library, LibrarySearchOptions(**wanted), RunOptions())
    return [one.asset_id for one in found.hits]


def test_pictures_like_a_number_or_a_file_but_not_like_another(library, colours, tmp_path):
    embed_library(library, RunOptions())
    assert _ids(library, like=("3",))[0] == 4
    assert _ids(library, like=("4",), limit=2) == [3, 1]
    assert _ids(library, like=("4",), unlike=("3",)) == [1, 2]
    outside = str(_picture(tmp_path / "outside.png", (250, 10, 10)))
    assert _ids(library, like=(outside,), limit=1) == [1]
    assert _ids(library, like=(outside,), query="NOT id:1", limit=1) == [4]


def test_without_likeness_or_words_tags_are_searched(library):
    assert _ids(library) == [4, 3, 2, 1]
    assert _ids(library, query="name:2.png") == [3]


@pytest.mark.parametrize(
    "wanted, error, said",
    [
        ({"text": "sky", "like": ("1",)}, SettingsError, "`text` and `like`"),
        ({"unlike": ("1",)}, SettingsError, "expected also `like`"),
        ({"like": ("nowhere.jpg",)}, DataError, "no such file: nowhere.jpg"),
        ({"query": "skyy"}, DataError, "no label is called 'skyy'"),
    ],
)
def test_what_cannot_be_searched_for_says_why(library, colours, wanted, error, said):
    embed_library(library, RunOptions())
    with pytest.raises(error, match=said):
        _ids(library, **wanted)


def test_a_file_that_is_no_picture_is_named(library, colours, tmp_path):
    embed_library(library, RunOptions())
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"broken\.jpg cannot be read"):
        _ids(library, like=(str(tmp_path / "broken.jpg"),))


def test_features_of_a_network_that_is_another_now_are_not_compared(library, colours, tmp_path, monkeypatch):
    embed_library(library, RunOptions())
    other = Embedder("other", lambda images: images.mean(axis=(1, 2)))
    monkeypatch.setattr(
        library_search, "library_embedder", lambda *_: (other, FeatureFormat("other", 0, (8, 8)))
    )
    with pytest.raises(DataError, match="another network now"):
        _ids(library, like=(str(_picture(tmp_path / "one.png", (1, 2, 3))),))


def test_new_pictures_without_features_are_said(library, colours, tmp_path):
    embed_library(library, RunOptions())
    _picture(tmp_path / "pictures" / "new.png", (9, 9, 9))
    add_pictures(library, [str(tmp_path / "pictures")])
    found = search_library(library, LibrarySearchOptions(like=("1",)), RunOptions())
    assert "were not compared" in found.notes[0]


def test_the_published_backbone_keeps_its_most_probable_classes(library):
    said = embed_library(library, RunOptions(device="cpu"))
    assert (said.source, said.embedded) == ("lite0-pooled", 4)
    with library.store.read() as connection:
        known = open_features(library, connection, "lite0-pooled")
    assert known.vectors.shape == (4, 1280)
    assert known.classes.shape == (4, CLASSES_KEPT)
    assert (np.diff(np.asarray(known.class_probs, np.float32), axis=1) <= 0).all()


def test_words_are_compared_by_a_pair_that_was_given(library, tmp_path):
    pytest.importorskip("wordllama")
    pair = make_pair(tmp_path / "pair")
    said = embed_library(library, RunOptions(), str(pair))
    assert said.source.startswith("pair-")
    assert _ids(library, text="red")[0] == 1
    assert _ids(library, text="green") == [2]
    assert _ids(library, text="violet", sure=0.0, limit=2) == [4, 3]
    assert _ids(library, text="violet", query="NOT id:4", sure=0.0, limit=1) == [3]
    assert _ids(library, like=("3",), limit=1) == [4]
    outside = str(_picture(tmp_path / "outside.png", (250, 10, 10)))
    assert _ids(library, like=(outside,), limit=1) == [1]
    page = search_library(library, LibrarySearchOptions(text="yellow"), RunOptions())
    assert page.hits == ()
    assert "of random words would" in page.notes[0]
    first = search_library(library, LibrarySearchOptions(text="blue", sure=0.0, limit=2), RunOptions())
    rest = LibrarySearchOptions(text="blue", sure=0.0, limit=2, cursor=first.cursor)
    assert [one.asset_id for one in search_library(library, rest, RunOptions()).hits] != []


def test_a_pair_that_changed_since_is_not_compared(library, tmp_path):
    pair = make_pair(tmp_path / "pair")
    embed_library(library, RunOptions(), str(pair))
    (pair / "more.data").write_bytes(b"others")
    with pytest.raises(DataError, match="another pair now"):
        _ids(library, text="red")
    embed_library(library, RunOptions(), str(pair))
    with pytest.raises(SettingsError, match=r"`source` of a search by words: expected pair-\w+ or pair-"):
        _ids(library, text="red")
    with pytest.raises(SettingsError, match="got 'colours'"):
        _ids(library, text="red", source="colours")
    with pytest.raises(DataError, match="expected words"):
        _ids(library, text="?!", source=next(iter(sources_of(library))))
