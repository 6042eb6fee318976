"""The catalogue: entries, the data folder, fetching from a loopback server."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightfast.base.errors import DataError, DownloadError, UnknownName
from lightfast.data.catalogue import catalogue
from lightfast.data.catalogue.known_sets import CATALOGUE, CatalogueEntry, RemoteFile
from lightfast.data.dataset import LoadedData
from lightfast.data.export import save_folder, save_npz
from lightfast.data.images import ImageSet
from lightfast.data.ingest import load_images


def one_file(folder: Path) -> LoadedData:
    rows = np.frombuffer((folder / "file.bin").read_bytes(), dtype=np.uint8)[:1600].reshape(100, 4, 4, 1)
    return LoadedData(
        train=ImageSet(images=rows, labels=np.arange(100) % 2, class_names=("even", "odd"), name="made")
    )


@pytest.fixture
def entry(site: Any, monkeypatch: pytest.MonkeyPatch) -> CatalogueEntry:
    """A data set of one file that the loopback server has, in a catalogue of its own."""
    made = CatalogueEntry(
        name="made",
        title="noise",
        classes=("even", "odd"),
        image_shape=(4, 4, 1),
        counts={"train": 100},
        licence="none",
        citation="nobody",
        homepage="http://127.0.0.1",
        load=one_file,
        files=(RemoteFile(site.url, "file.bin", site.md5),),
    )
    monkeypatch.setattr(CATALOGUE, "_entries", {"made": made})
    return made


@pytest.mark.parametrize("entry", list(CATALOGUE), ids=lambda entry: entry.name)
def test_every_entry_says_what_a_reader_needs(entry: CatalogueEntry) -> None:
    assert entry.licence
    assert entry.citation
    assert entry.homepage.startswith("http")
    assert len(set(entry.classes)) == len(entry.classes) >= 2
    assert entry.embedded or entry.by_hand or entry.files
    for file in entry.files:
        assert file.url.startswith("http")
        assert file.checksum is None or re.fullmatch(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", file.checksum)


def test_the_wanted_data_sets_are_known() -> None:
    wanted = {
        "mnist-5k",
        "mnist",
        "fashion-mnist",
        "emnist-balanced",
        "quickdraw",
        "svhn",
        "cifar10",
        "stl10",
        "intel-scenes",
    }
    assert wanted <= set(CATALOGUE.names())


def test_the_data_folder_is_named_by_the_environment_else_the_users_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LIGHTFAST_DATA", str(tmp_path))
    assert catalogue.data_folder() == tmp_path
    monkeypatch.delenv("LIGHTFAST_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert catalogue.data_folder() == tmp_path / "cache" / "lightfast"


@pytest.mark.parametrize("cache", ["", "{data}", "{data}/copies", "{data}/../copies"])
def test_an_unpacked_archive_is_no_data_set(
    cache: str, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIGHTFAST_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    monkeypatch.setenv("LIGHTFAST_CACHE", cache.format(data=catalogue.data_folder()))
    catalogue.data_folder().mkdir(parents=True)
    assert len(load_images(shutil.make_archive(str(tmp_path / "pile"), "zip", tree)).images) == 6
    assert catalogue.local_dataset_names() == ()
    assert not any(map(catalogue.is_dataset_name, ("sources", "copies")))
    shutil.copytree(tree, catalogue.data_folder() / "pets")
    assert catalogue.local_dataset_names() == ("pets",)


def test_the_embedded_digits_need_no_folder(tmp_path: Path) -> None:
    images = catalogue.load_dataset("mnist-5k", tmp_path / "none").train
    assert images.images.shape == (5000, 28, 28, 1)
    assert np.bincount(images.require_labels()).tolist() == [500] * 10
    assert catalogue.availability("mnist-5k", tmp_path) == "embedded"


def test_a_set_that_is_not_here_says_the_command(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Run: lightfast data fetch svhn"):
        catalogue.load_dataset("svhn", tmp_path)
    assert catalogue.availability("svhn", tmp_path) == "to fetch"


def test_a_set_behind_an_account_says_how_to_get_it(tmp_path: Path) -> None:
    for attempt in (catalogue.load_dataset, catalogue.fetch):
        with pytest.raises(DataError, match="Kaggle account"):
            attempt("intel-scenes", tmp_path)


def test_an_unknown_name_lists_the_closest(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean mnist"):
        catalogue.load_dataset("mnits", tmp_path)


def test_fetch_makes_the_canonical_file_and_its_provenance(entry: CatalogueEntry, tmp_path: Path) -> None:
    assert catalogue.fetch("made", tmp_path) == tmp_path / "made.npz"
    loaded = catalogue.load_dataset("made", tmp_path)
    np.testing.assert_array_equal(loaded.train.images, one_file(tmp_path / "raw" / "made").train.images)
    about = json.loads((tmp_path / "made.json").read_text())
    assert about["licence"] == "none"
    assert about["files"][0]["bytes"] == 200_000
    assert re.fullmatch("[0-9a-f]{64}", about["files"][0]["sha256"])
    assert catalogue.availability("made", tmp_path) == "here"


def test_fetching_again_asks_nobody(entry: CatalogueEntry, site: Any, tmp_path: Path) -> None:
    catalogue.fetch("made", tmp_path)
    site.status = 404
    assert catalogue.fetch("made", tmp_path) == tmp_path / "made.npz"


def test_a_damaged_download_leaves_nothing_to_load(entry: CatalogueEntry, site: Any, tmp_path: Path) -> None:
    site.content = site.content[:-1]
    with pytest.raises(DownloadError, match="was deleted"):
        catalogue.fetch("made", tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert catalogue.availability("made", tmp_path) == "to fetch"


def test_files_laid_down_by_hand_are_converted_once(entry: CatalogueEntry, site: Any, tmp_path: Path) -> None:
    (tmp_path / "raw" / "made").mkdir(parents=True)
    (tmp_path / "raw" / "made" / "file.bin").write_bytes(site.content)
    catalogue.load_dataset("made", tmp_path)
    assert (tmp_path / "made.npz").is_file()


def test_files_where_the_system_keeps_them_are_read_in_place(
    entry: CatalogueEntry, site: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    place = tmp_path / "share"
    place.mkdir()
    (place / "file.bin").write_bytes(site.content)
    monkeypatch.setattr(CATALOGUE, "_entries", {"made": dataclasses.replace(entry, places=(place,))})
    assert len(catalogue.load_dataset("made", tmp_path / "mine").train) == 100
    assert not (tmp_path / "mine").exists()


def test_any_canonical_file_or_tree_is_loadable_by_its_name(tmp_path: Path, tree: Path, made: Any) -> None:
    save_npz(tmp_path / "mine-20k.npz", made([0, 1] * 5))
    (tmp_path / "loose.txt").touch()
    np.savez(tmp_path / "labels-only.npz", labels=np.zeros(3))
    assert catalogue.local_dataset_names(tmp_path) == ("mine-20k", "pets")
    assert len(catalogue.load_dataset("mine-20k", tmp_path).train) == 10
    assert catalogue.load_dataset("pets", tmp_path).train.class_names == ("cat", "dog")


@pytest.mark.parametrize("name", ["../pets", "/etc", "raw", "", ".hidden"])
def test_names_do_not_leave_the_data_folder(tmp_path: Path, tree: Path, name: str) -> None:
    (tmp_path / "inner").mkdir()
    assert not catalogue.is_dataset_name(name, tmp_path / "inner")


def test_quickdraw_categories_are_chosen_by_name(tmp_path: Path) -> None:
    entry = catalogue.catalogue_entry("quickdraw:cat,alarm clock")
    assert entry.classes == ("cat", "alarm clock")
    assert entry.files[1].url.endswith("/numpy_bitmap/alarm%20clock.npy")
    with pytest.raises(DataError, match="at least two different categories"):
        catalogue.catalogue_entry("quickdraw:cat,cat")


def test_quickdraw_categories_are_found_in_a_larger_file(tmp_path: Path, made: Any) -> None:
    save_npz(tmp_path / "quickdraw-3.npz", made([0, 1, 2, 2, 0], names=("apple", "bee", "cat")))
    loaded = catalogue.load_dataset("quickdraw:cat,apple", tmp_path)
    assert loaded.train.class_names == ("cat", "apple")
    assert loaded.train.require_labels().tolist() == [1, 0, 0, 1]
    assert catalogue.availability("quickdraw:cat,apple", tmp_path) == "here"
    assert catalogue.availability("quickdraw:cat,dog", tmp_path) == "to fetch"


def test_a_set_saved_as_a_tree_is_read_from_the_tree(tmp_path: Path, made: Any) -> None:
    save_folder(tmp_path / "svhn", made([0, 1] * 3, names=("0", "1")))
    assert catalogue.availability("svhn", tmp_path) == "here"
    assert len(catalogue.load_dataset("svhn", tmp_path).train) == 6
