"""Arrays in files: the same values as arrays in memory, little of them resident, no trace left,
shared with other processes.
"""

from __future__ import annotations

import dataclasses
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightfast.base.errors import DataError, StorageError
from lightfast.data import mapped as stored
from lightfast.data.dataset import concatenate
from lightfast.data.images import ImageSet
from lightfast.data.mapped import MappedArray, concatenate_rows, map_file, take_rows, write_temporary

PIXELS = np.random.default_rng(4).integers(0, 256, (40, 6, 5, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder, and limits at which 40 small pictures are many."""
    monkeypatch.setenv("LIGHTFAST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(stored, "LIMIT", 1000)
    monkeypatch.setattr(stored, "_CHUNK", 300)
    monkeypatch.setattr(stored, "_PLAIN", 100)
    monkeypatch.setattr(stored, "_RESIDENT", 500)
    return tmp_path / "cache" / "pictures"


@pytest.fixture
def images() -> MappedArray:
    return write_temporary(iter((PIXELS[:7], PIXELS[7:])), PIXELS.shape)


@pytest.mark.parametrize(
    "rows", [[3], [0, 1, 2], [39, 0, 7, 7], list(range(40)), list(range(5, 35)), list(range(39, -1, -1)), []]
)
def test_taken_rows_are_those_of_the_array_in_memory(images: MappedArray, rows: list[int]) -> None:
    chosen = np.array(rows, dtype=np.int64)
    np.testing.assert_array_equal(take_rows(images, chosen), PIXELS[chosen])


def test_many_rows_stay_on_the_disk_and_few_come_into_memory(images: MappedArray) -> None:
    assert isinstance(take_rows(images, np.arange(39, -1, -1)), MappedArray)
    assert type(take_rows(images, np.array([4, 2]))) is np.ndarray


def test_a_range_of_rows_is_not_copied(images: MappedArray) -> None:
    assert np.shares_memory(take_rows(images, np.arange(3, 33)), images)


def test_arrays_in_memory_are_taken_as_ever() -> None:
    assert type(take_rows(PIXELS, np.arange(39, -1, -1))) is np.ndarray


def test_joined_parts_follow_each_other(images: MappedArray) -> None:
    both = concatenate_rows([images, PIXELS[:9]])
    assert isinstance(both, MappedArray)
    np.testing.assert_array_equal(both, np.concatenate([PIXELS, PIXELS[:9]]))
    assert type(concatenate_rows([PIXELS, PIXELS])) is np.ndarray


def test_results_of_arithmetic_are_plain_arrays(images: MappedArray) -> None:
    assert type(images == PIXELS) is np.ndarray
    assert type(images[2]) is np.ndarray
    assert type(images[[1, 2, 3, 30]]) is np.ndarray
    assert images.sum() == PIXELS.sum()
    np.testing.assert_array_equal(np.stack(list(images)), PIXELS)


@pytest.mark.parametrize(
    "index",
    [
        0,
        -1,
        np.int64(7),
        slice(3, 9),
        slice(30, 3, -4),
        slice(-5, None),
        slice(5, 5),
        [1, -1, 0],
        np.array([39, 39], dtype=np.int8),
        np.arange(40) % 3 == 0,
        np.array([[1, 2], [3, 4]]),
        (3, 2),
        (slice(2, 4), ..., 0),
        ...,
        None,
        [],
        True,
        np.array([], dtype=np.int64),
    ],
    ids=str,
)
@pytest.mark.parametrize("plain", [100, 2**26])
def test_every_index_gives_what_numpy_gives(
    images: MappedArray, monkeypatch: pytest.MonkeyPatch, index: Any, plain: int
) -> None:
    monkeypatch.setattr(stored, "_PLAIN", plain)
    for whole, wanted in ((images, PIXELS), (images[4:], PIXELS[4:]), (images[::2], PIXELS[::2])):
        try:
            expected = wanted[index]
        except IndexError:
            with pytest.raises(IndexError):
                whole[index]
        else:
            np.testing.assert_array_equal(whole[index], expected, strict=True)


@pytest.mark.parametrize("index", [40, -41, [40], [0, -41]])
def test_rows_that_are_not_there_are_refused(images: MappedArray, index: Any) -> None:
    with pytest.raises(IndexError):
        images[index]


def test_few_rows_are_a_copy_that_may_be_written_to(images: MappedArray) -> None:
    picture = images[2]
    picture[:] = 0
    np.testing.assert_array_equal(images, PIXELS)


def test_it_cannot_be_changed(images: MappedArray) -> None:
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0


def test_no_file_is_left_or_even_seen(folder: Path, images: MappedArray) -> None:
    take_rows(images, np.arange(39, -1, -1))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("view", [slice(None), slice(11, None), slice(3, 30)])
def test_another_process_reads_it_by_name(images: MappedArray, view: slice) -> None:
    content = pickle.dumps(images[view])
    assert len(content) < 1000
    assert summed(content) == PIXELS[view].sum()


def python(code: str) -> subprocess.Popen[str]:
    """A process that shares no open file with this one."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", code], **pipes)


def summed(content: bytes) -> int:
    code = f"import pickle; print(int(pickle.loads({content!r}).astype('int64').sum()))"
    return int(python(code).communicate(timeout=60)[0])


def test_a_file_is_pickled_by_its_path_and_opened_when_the_process_is_gone(tmp_path: Path) -> None:
    (tmp_path / "pixels").write_bytes(b"header" + PIXELS.tobytes())
    code = f"""
import pickle
from lightfast.data import mapped as stored
stored._PLAIN = 0
from lightfast.data.mapped import map_file
images = map_file(open({str(tmp_path / "pixels")!r}, "rb"), {PIXELS.shape}, 6)
print(pickle.dumps(images[11:30]).hex())
"""
    content = bytes.fromhex(python(code).communicate(timeout=60)[0])
    assert str(tmp_path / "pixels").encode() in content
    assert len(content) < 1000
    assert summed(content) == PIXELS[11:30].sum()


def test_a_file_without_a_name_gets_one_until_its_process_ends(folder: Path) -> None:
    code = """
import pickle
import numpy as np
from lightfast.data import mapped as stored
stored._PLAIN = 0
from lightfast.data.mapped import write_temporary
halves = [np.full((40, 8, 8, 3), value, np.uint8) for value in (2, 1)]
images = write_temporary(iter(halves), (80, 8, 8, 3))
contents = [pickle.dumps(images[start:], 5).hex() for start in (0, 40)]
print(*contents, flush=True)
input()
"""
    with python(code) as first:
        assert first.stdout is not None
        contents = [bytes.fromhex(one) for one in first.stdout.readline().split()]
        assert all(b"/proc" not in one and os.fsencode(folder) in one and len(one) < 1000 for one in contents)
        assert [summed(one) for one in contents] == [3 * 7680, 7680]
        assert len([path for path in folder.rglob("*") if path.is_file()]) == 1
        first.communicate("\n", timeout=60)
    assert list(folder.iterdir()) == []


def test_without_links_a_file_without_a_name_is_copied_once(
    images: MappedArray, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*rest: object, **more: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    for view in (slice(None), slice(30, None)):
        assert summed(pickle.dumps(images[view])) == PIXELS[view].sum()
    assert [path.stat().st_size for path in folder.rglob("*") if path.is_file()] == [PIXELS.size]


@pytest.mark.parametrize("another", [False, True])
def test_a_file_that_lost_its_name_is_still_pickled(tmp_path: Path, *, another: bool) -> None:
    (tmp_path / "pixels").write_bytes(PIXELS.tobytes())
    images = map_file((tmp_path / "pixels").open("rb"), PIXELS.shape)
    (tmp_path / "pixels").unlink()
    if another:
        (tmp_path / "pixels").write_bytes(bytes(PIXELS.size))
    assert summed(pickle.dumps(images)) == PIXELS.sum()
    assert summed(pickle.dumps(images[5:30])) == PIXELS[5:30].sum()


def test_with_no_room_for_a_name_the_pixels_themselves_are_pickled(
    images: MappedArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **_: (_ for _ in ()).throw(OSError(28, "No space left")))
    content = pickle.dumps(images)
    assert len(content) > PIXELS.size
    np.testing.assert_array_equal(pickle.loads(content), PIXELS)


def test_another_type_of_the_same_bytes_is_pickled_as_that(images: MappedArray) -> None:
    again = pickle.loads(pickle.dumps(images.view(np.int8)))
    np.testing.assert_array_equal(again, PIXELS.view(np.int8), strict=True)
    np.testing.assert_array_equal(again[3], PIXELS.view(np.int8)[3], strict=True)


def test_a_view_keeps_the_file_open_when_the_array_is_gone(images: MappedArray) -> None:
    view = images[10:30]
    del images
    np.testing.assert_array_equal(view, PIXELS[10:30])


def test_an_offset_skips_a_header() -> None:
    with tempfile.TemporaryFile() as stream:
        stream.write(b"header" + PIXELS.tobytes())
        stream.flush()
        np.testing.assert_array_equal(map_file(stream, PIXELS.shape, 6), PIXELS)


def test_no_room_on_any_disk_is_said(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(stored, "_MARGIN", 2**62)
    with pytest.raises(
        StorageError,
        match=r"cannot put 0.0 GB of decoded pictures into .*pictures: the disk has .* GB free\. Set LIGHT",
    ):
        write_temporary(iter((PIXELS,)), PIXELS.shape)


def test_a_cache_folder_that_cannot_be_made_leaves_the_folder_for_temporary_files(folder: Path) -> None:
    folder.parent.mkdir()
    folder.write_text("a file")
    np.testing.assert_array_equal(write_temporary(iter((PIXELS,)), PIXELS.shape), PIXELS)


def resident() -> int:
    """Bytes of mapped files that are in the memory of this process, as the kernel counts them."""
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc: the resident memory cannot be read")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssFile")) * 1024


def test_little_is_resident_after_all_of_it_was_seen_in_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 MiB are read in views of 1 MiB, of which 8 MiB may stay."""
    monkeypatch.setattr(stored, "_RESIDENT", 2**23)
    piece = np.ones((16, 256, 256, 1), dtype=np.uint8)
    large = write_temporary((piece for _ in range(64)), (1024, 256, 256, 1))
    before, most = resident(), 0
    for start in range(0, 1024, 16):
        assert large[start : start + 16].sum() == 16 * 65536
        most = max(most, resident() - before)
    assert 2**20 <= most <= 2**24


def test_rows_here_and_there_leave_nothing_resident() -> None:
    piece = np.ones((16, 256, 256, 1), dtype=np.uint8)
    large = write_temporary((piece for _ in range(64)), (1024, 256, 256, 1))
    before = resident()
    for start in range(0, 1000, 50):
        assert large[np.arange(start, start + 20)].sum() == 20 * 65536
        assert large[start].sum() == 65536
    assert resident() - before < 2**20


def test_a_file_that_is_cut_off_meanwhile_is_an_error_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "pixels").write_bytes(PIXELS.tobytes())
    images = map_file((tmp_path / "pixels").open("rb"), PIXELS.shape)
    os.truncate(tmp_path / "pixels", 100)
    with pytest.raises(OSError, match="cut off"):
        images[[30, 2]]


def seen(images: np.ndarray) -> ImageSet:
    return ImageSet(images, ("a", "b"), np.arange(len(images)) % 2)


def test_content_hashes_go_along_with_the_rows(images: MappedArray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, memory = seen(images), seen(PIXELS)
    assert whole.content_hashes == memory.content_hashes
    whole.with_hashes(whole.content_hashes)
    monkeypatch.setattr("lightfast.data.images.content_hash", lambda image: pytest.fail("read again"))
    order = np.random.default_rng(0).permutation(40)
    assert whole.take(order).content_hashes == tuple(memory.content_hashes[row] for row in order)
    assert concatenate([whole, whole.take([3, 1])]).content_hashes == (
        *memory.content_hashes,
        *np.array(memory.content_hashes)[[3, 1]],
    )


def test_a_set_with_other_labels_knows_the_hashes_of_its_stored_pixels(images: MappedArray) -> None:
    told = seen(images).with_hashes([f"{number:032x}" for number in range(40)])
    assert dataclasses.replace(told, labels=None).known_hashes == told.content_hashes


def test_hashes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match=r"content hashes: expected 40 \(one a picture\), got 1"):
        seen(PIXELS).with_hashes(["0"])


def test_concatenated_sets_above_the_limit_stay_on_the_disk(images: MappedArray) -> None:
    both = concatenate([seen(images), seen(PIXELS)])
    assert isinstance(both.images, MappedArray)
    np.testing.assert_array_equal(both.images, np.concatenate([PIXELS, PIXELS]))
