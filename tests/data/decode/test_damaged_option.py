"""One option decides what becomes of damaged files, by way of the cache, archives and tables of files too."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightfast.base.errors import DataError
from lightfast.data.dataset import Entry, ImageSpec, LoadedData
from lightfast.data.decode import cache
from lightfast.data.decode import files as reading
from lightfast.data.decode.decode import ReadPicture, read_picture
from lightfast.data.ingest import load_splits
from lightfast.data.lists.assemble import assemble

STRICT = ImageSpec((8, 8), 3)
LENIENT = replace(STRICT, damaged="read")
NO_END = "files lack their end mark; all their pixels are there"
READ = "files are damaged and were read as far as they go"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder; sets of four files and more are kept."""
    monkeypatch.setenv("LIGHTFAST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "SMALL_FILES", 4)
    return tmp_path / "cache" / "pictures"


@pytest.fixture
def entries(tmp_path: Path) -> list[Entry]:
    """Six photographs in two classes, of which one is damaged and one lacks its end mark."""
    found: list[Entry] = []
    for index in range(6):
        path = tmp_path / "photographs" / ("cat", "dog")[index % 2] / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        grain = np.random.default_rng(index).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(grain).save(path)
        content = path.read_bytes()
        damaged = {1: content[: len(content) // 2] + content[len(content) // 2 + 300 :], 2: content[:-2]}
        path.write_bytes(damaged.get(index, content))
        found.append(Entry(path, path.name, index % 2))
    return found


def load(given: list[Entry], target: ImageSpec) -> LoadedData:
    return assemble("pets", given, ("cat", "dog"), target)


def test_kept_sets_know_whether_damaged_files_were_read(
    entries: list[Entry], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = load(entries, STRICT), load(entries, LENIENT)
    assert (len(first.train), len(second.train), len(list(folder.iterdir()))) == (5, 6, 2)

    def never(*_: object) -> ReadPicture:
        raise AssertionError("decoded again")

    monkeypatch.setattr(reading, "read_picture", never)
    for target, before in ((STRICT, first), (LENIENT, second)):
        again = load(entries, target)
        np.testing.assert_array_equal(before.train.images, again.train.images)
        assert (again.unreadable, again.notes) == (before.unreadable, before.notes)
    assert f"1 {NO_END}" in first.notes
    assert f"1 {READ}" in second.notes


def test_the_option_that_the_messages_name_reads_what_was_left_out(entries: list[Entry]) -> None:
    loaded = load(entries, STRICT)
    (note,) = (one for one in loaded.notes if "`damaged=read`" in one)
    assert note.startswith("1 files are damaged and were left out")
    assert not load(entries, LENIENT).unreadable
    with pytest.raises(DataError, match="`damaged=read`"):
        load([entries[1]], STRICT)
    with pytest.raises(DataError, match=r"class 'dog'.*`damaged=read`"):
        load(entries[:2], STRICT)
    assert len(load(entries[:2], LENIENT).train) == 2


def test_archives_tables_and_addresses_hold_the_same(entries: list[Entry], tmp_path: Path) -> None:
    root = entries[0].path.parent.parent
    table = tmp_path / "table.csv"
    rows = [f"{one.path},{one.path.parent.name}" for one in entries]
    table.write_text("\n".join(["path,label", *rows, ""]))
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", root)
    for source in (str(root), str(table), archive, f"file://{root}"):
        strict, lenient = load_splits(source, STRICT), load_splits(source, LENIENT)
        assert [one.reason.partition(" (")[0] for one in strict.unreadable] == ["damaged"], source
        assert (len(strict.train), len(lenient.train), lenient.unreadable) == (5, 6, ())
        assert f"1 {NO_END}" in strict.notes
        assert f"1 {READ}" in lenient.notes


def test_a_kept_picture_is_the_one_that_is_decoded_alone(entries: list[Entry]) -> None:
    loaded = load(entries, LENIENT)
    for one, pixels in zip(entries, loaded.train.images, strict=True):
        np.testing.assert_array_equal(read_picture(one.path, (8, 8), 3, "read").pixels, pixels)
