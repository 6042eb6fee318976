"""Decoded pictures are kept between starts: nothing is decoded twice, nothing old is ever served,
no trouble with the disk stops a run.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

from lightfast.base.errors import SettingsError, StorageError
from lightfast.data import mapped as stored
from lightfast.data.dataset import Entry, ImageSpec, LoadedData
from lightfast.data.decode import cache
from lightfast.data.decode import files as reading
from lightfast.data.decode.decode import ReadPicture, decode_file, read_picture
from lightfast.data.images import ImageSet
from lightfast.data.lists.assemble import assemble
from lightfast.data.mapped import MappedArray

TARGET = ImageSpec((8, 8), 3)
OPEN = Path("/proc/self/fd")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder; sets of four files and more are kept."""
    monkeypatch.setenv("LIGHTFAST_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LIGHTFAST_CACHE_GB", raising=False)
    monkeypatch.setattr(cache, "SMALL_FILES", 4)
    return tmp_path / "cache" / "pictures"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were decoded, in this test, from here on."""
    read: list[Path] = []

    def counted(path: Path, *rest: object) -> ReadPicture:
        read.append(Path(path))
        return read_picture(path, *rest)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(reading, "read_picture", counted)
    return read


def entries(tree: Path) -> list[Entry]:
    return [
        Entry(path, path.relative_to(tree).as_posix(), int(path.parent.name == "dog"))
        for path in sorted(tree.rglob("*.png"))
    ]


def load(tree: Path, target: ImageSpec = TARGET, given: list[Entry] | None = None) -> LoadedData:
    return assemble("pets", given or entries(tree), ("cat", "dog"), target)


def kept(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def same(one: ImageSet, other: ImageSet) -> None:
    np.testing.assert_array_equal(one.images, other.images)
    for field in ("ids", "name", "class_names", "version"):
        assert getattr(one, field) == getattr(other, field)


def test_the_second_start_decodes_nothing_and_gives_the_same(
    tree: Path, decoded: list[Path], folder: Path
) -> None:
    (tree / "cat" / "2.png").write_text("hello")
    first = load(tree)
    assert len(decoded) == 5
    second = load(tree)
    assert len(decoded) == 5
    same(first.train, second.train)
    assert (first.unreadable, first.notes, first.sizes) == (second.unreadable, second.notes, second.sizes)
    assert len(kept(folder)) == 1


def test_pixels_and_hashes_are_those_of_an_uncached_reading(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(tree)
    cached = load(tree).train
    assert isinstance(cached.images, MappedArray)
    monkeypatch.setattr(cache, "SMALL_FILES", 10**6)
    monkeypatch.setenv("LIGHTFAST_CACHE", str(tree / "nowhere"))
    fresh = load(tree).train
    assert type(fresh.images) is np.ndarray
    same(cached, fresh)


def test_small_sets_leave_no_trace(tree: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "SMALL_FILES", 7)
    load(tree)
    assert not folder.exists()


def test_few_files_of_many_pixels_are_kept(tree: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "SMALL_FILES", 7)
    monkeypatch.setattr(cache, "SMALL_BYTES", 6 * 8 * 8 * 3)
    load(tree)
    assert len(kept(folder)) == 1


def test_other_labels_and_parts_are_not_decoded_again(tree: Path, decoded: list[Path]) -> None:
    load(tree)
    swapped = [Entry(one.path, one.id, 1 - one.label) for one in entries(tree)]
    assert load(tree, given=swapped).train.require_labels().tolist() == [1, 1, 1, 0, 0, 0]
    tagged = [Entry(one.path, one.id, -1, tags=(0, one.label)) for one in entries(tree)]
    assert load(tree, given=tagged).train.require_tags().tolist() == [[True, False]] * 3 + [[True, True]] * 3
    assert len(decoded) == 6


@pytest.mark.parametrize(
    "target", [ImageSpec((8, 9), 3), ImageSpec((8, 8), 1), ImageSpec(), ImageSpec(largest_side=8)]
)
def test_another_target_is_another_set(tree: Path, decoded: list[Path], target: ImageSpec) -> None:
    load(tree)
    load(tree, target)
    assert len(decoded) == 12


def rewritten(tree: Path, picture: Callable[..., Path]) -> None:
    path = tree / "cat" / "0.png"
    stat = path.stat()
    picture(path, 99)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))


def added(tree: Path, picture: Callable[..., Path]) -> None:
    picture(tree / "dog" / "9.png", 50)


def removed(tree: Path, picture: Callable[..., Path]) -> None:
    (tree / "dog" / "0.png").unlink()


@pytest.mark.parametrize("change", [rewritten, added, removed])
def test_changed_files_are_read_again(
    tree: Path, picture: Callable[..., Path], change: Callable[..., None]
) -> None:
    load(tree)
    change(tree, picture)
    images = load(tree).train
    wanted = [decode_file(one.path, (8, 8), 3) for one in entries(tree)]
    np.testing.assert_array_equal(images.images, np.stack(wanted))


def test_another_decoder_decodes_again(
    tree: Path, decoded: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    load(tree)
    monkeypatch.setattr(cache, "DECODER", -1)
    load(tree)
    assert len(decoded) == 12


def test_a_file_that_could_not_be_opened_is_read_when_it_can(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rights of a folder or a lost network drive: nothing about the file itself changes."""
    read_bytes = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "1.png" and path.parent.name == "cat":
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        assert [one.reason for one in load(tree).unreadable] == ["permission denied"]
    assert load(tree).unreadable == ()
    assert len(load(tree).train) == 6


def cut(place: Path) -> None:
    os.truncate(place / "pictures.npy", (place / "pictures.npy").stat().st_size - 1)


def scribbled(place: Path) -> None:
    with (place / "pictures.npy").open("r+b") as stream:
        stream.seek(-1, 2)
        last = stream.read(1)[0]
        stream.seek(-1, 2)
        stream.write(bytes([last ^ 1]))


def cut_facts(place: Path) -> None:
    os.truncate(place / "facts.json", 40)


def other_facts(place: Path) -> None:
    content = json.loads((place / "facts.json").read_text())
    content["facts"] = content["facts"].replace("10", "11")
    (place / "facts.json").write_text(json.dumps(content))


def without_pictures(place: Path) -> None:
    (place / "pictures.npy").unlink()


def not_an_array(place: Path) -> None:
    (place / "pictures.npy").write_bytes(b"hello")


@pytest.mark.parametrize("damage", [cut, scribbled, cut_facts, other_facts, without_pictures, not_an_array])
def test_a_damaged_set_is_noticed_said_and_made_anew(
    tree: Path, folder: Path, decoded: list[Path], damage: Callable[[Path], None]
) -> None:
    first = load(tree)
    pixels, notes = np.array(first.train.images), first.notes
    del first
    damage(kept(folder)[0])
    second = load(tree)
    assert "decoded pictures kept from an earlier start were damaged: decoded again" in second.notes
    np.testing.assert_array_equal(second.train.images, pixels)
    assert len(decoded) == 12
    assert load(tree).notes == notes
    assert len(decoded) == 12


def test_a_folder_that_cannot_be_written_is_said_and_the_set_is_read(tree: Path, folder: Path) -> None:
    folder.parent.mkdir()
    folder.write_text("a file stands here")
    loaded = load(tree)
    assert len(loaded.train) == 6
    assert any(
        note.startswith("the decoded pictures (0.0 GB) are not kept for the next start in")
        for note in loaded.notes
    )


def test_a_disk_that_fills_up_is_said_and_nothing_stays(
    tree: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(work: object, shape: object, stream: IO[bytes]) -> None:
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "_in_file", full)
    loaded = load(tree)
    assert loaded.notes[-1].endswith("pictures: the disk is full")
    np.testing.assert_array_equal(loaded.train.images[0], decode_file(tree / "cat" / "0.png", (8, 8), 3))
    assert kept(folder) == []


def test_a_set_larger_than_memory_with_no_room_anywhere_is_refused(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "LIMIT", 10)
    monkeypatch.setattr(stored, "_MARGIN", 2**62)
    monkeypatch.setattr(cache, "_memory", lambda: 100)
    with pytest.raises(
        StorageError,
        match=r"cannot put .* of decoded pictures into .*: the disk has .* free\. Set LIGHTFAST_CACHE",
    ):
        load(tree)


def test_zero_gigabytes_keep_nothing_and_large_sets_still_go_to_the_disk(
    tree: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIGHTFAST_CACHE_GB", "0")
    monkeypatch.setattr(cache, "LIMIT", 10)
    loaded = load(tree)
    assert isinstance(loaded.train.images, MappedArray)
    assert loaded.notes[-1].endswith("pictures: more than LIGHTFAST_CACHE_GB=0")
    assert kept(folder) == []
    np.testing.assert_array_equal(loaded.train.images[5], decode_file(tree / "dog" / "2.png", (8, 8), 3))


@pytest.mark.parametrize("told", ["much", "-1", "nan"])
def test_a_limit_that_is_no_number_is_refused(tree: Path, monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    monkeypatch.setenv("LIGHTFAST_CACHE_GB", told)
    with pytest.raises(SettingsError, match="LIGHTFAST_CACHE_GB"):
        load(tree)


def test_the_set_longest_not_used_goes_first_and_nothing_of_others(
    tree: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [(8, 8), (8, 9), (9, 8)]
    names: list[str] = []
    for age, size in zip((100, 300, 200), sizes, strict=True):
        load(tree, ImageSpec(size, 3))
        names.append(next(path.name for path in kept(folder) if path.name not in names))
        for file in (folder / names[-1]).iterdir():
            os.utime(file, (time.time() - age, time.time() - age))
    (folder / "mine").mkdir()
    (folder / "mine" / "thesis.txt").write_text("x" * 5000)
    there = sum(file.stat().st_size for name in names for file in (folder / name).iterdir())
    monkeypatch.setenv("LIGHTFAST_CACHE_GB", f"{(there + 6 * 8 * 10 * 3 - 1) / 1e9:.12f}")
    load(tree, ImageSpec((8, 10), 3))
    left = {path.name for path in kept(folder)}
    assert names[1] not in left
    assert {names[0], names[2], "mine"} <= left


def test_using_a_set_makes_it_young(tree: Path, folder: Path) -> None:
    load(tree)
    facts = kept(folder)[0] / "facts.json"
    os.utime(facts, (1000, 1000))
    load(tree)
    assert facts.stat().st_mtime > 1000


def test_what_a_killed_process_left_is_removed_after_a_day(tree: Path, folder: Path) -> None:
    for name, age in (("a", 3600), ("b", 2 * 24 * 3600)):
        half = folder / f".{'0' * 32}.{name}.part"
        half.mkdir(parents=True)
        (half / "pictures.npy").write_bytes(b"half")
        os.utime(half / "pictures.npy", (time.time() - age, time.time() - age))
    load(tree)
    assert [path.name[-6:] for path in kept(folder) if path.name.startswith(".")] == ["a.part"]


def test_an_interrupted_start_leaves_nothing(
    tree: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(work: object, shape: object, stream: IO[bytes]) -> None:
        stream.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(cache, "_in_file", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load(tree)
    assert kept(folder) == []


def test_a_set_that_is_removed_stays_readable_for_who_has_it_open(tree: Path, folder: Path) -> None:
    load(tree)
    images = load(tree).train.images
    shutil.rmtree(folder)
    np.testing.assert_array_equal(images[0], decode_file(tree / "cat" / "0.png", (8, 8), 3))


def test_two_processes_at_once_end_with_one_whole_set(tree: Path, folder: Path) -> None:
    code = f"""
from pathlib import Path
from lightfast.data.dataset import ImageSpec
from lightfast.data.decode import cache
from lightfast.data.lists.class_folders import load_class_folders
cache.SMALL_FILES = 4
print(load_class_folders(Path({str(tree)!r}), ImageSpec((8, 8), 3)).train.version)
"""
    command = [sys.executable, "-c", code]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = {process.communicate(timeout=60)[0] for process in both}
    assert len(said) == 1
    assert said != {""}
    assert [path.name.startswith(".") for path in kept(folder)] == [False]


def test_the_two_that_meet_at_the_end_both_go_on(
    tree: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one's set appears while this one is still decoding."""
    in_file = cache._in_file

    def late(*arguments: Any) -> object:
        monkeypatch.setattr(cache, "_in_file", in_file)
        load(tree)
        return in_file(*arguments)

    monkeypatch.setattr(cache, "_in_file", late)
    images = load(tree).train.images
    np.testing.assert_array_equal(images[5], decode_file(tree / "dog" / "2.png", (8, 8), 3))
    assert len(kept(folder)) == 1


def test_paths_are_the_same_from_every_folder(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    here = [Entry(one.path.relative_to(tree), one.id, one.label) for one in entries(tree)]
    assert cache.cache_key(here, TARGET) == cache.cache_key(entries(tree), TARGET)


@pytest.mark.skipif(not OPEN.exists(), reason="no /proc: open files cannot be counted")
def test_files_are_closed_with_the_last_array(tree: Path) -> None:
    load(tree)
    gc.collect()
    before = len([*OPEN.iterdir()])
    loaded = [load(tree), load(tree)]
    assert len([*OPEN.iterdir()]) > before
    del loaded
    gc.collect()
    assert len([*OPEN.iterdir()]) == before
