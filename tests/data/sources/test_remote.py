"""Sources elsewhere, on file systems in memory and on ones that fail."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry

from lightfast.base.errors import DataError, StorageError
from lightfast.data.export import save_npz
from lightfast.data.ingest import load_images, load_splits
from lightfast.data.sources.remote import is_address, join_url, local_name, parent_url


class Faulty(MemoryFileSystem):
    """A file system in memory that counts what is fetched, and fails on request."""

    protocol = "faulty"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    fetched: ClassVar[list[str]] = []
    errors: ClassVar[dict[str, Exception]] = {}

    def get_file(self, rpath: str, lpath: str, **kwargs: Any) -> None:
        self.fetched.append(rpath.rsplit("/", 1)[-1])
        for part, error in self.errors.items():
            if part in rpath:
                raise error
        super().get_file(rpath, lpath, **kwargs)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.replace("faulty://", "memory://"))


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faulty]:
    """An empty file system `faulty://`; the cache is a new one too."""
    monkeypatch.setenv("LIGHTFAST_CACHE", str(tmp_path / "cache"))
    fsspec.register_implementation("faulty", Faulty, clobber=True)
    system = fsspec.filesystem("faulty")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    Faulty.fetched.clear()
    Faulty.errors.clear()


@pytest.fixture
def there(faulty: Faulty, tree: Path) -> str:
    """The address of the pets."""
    for path in sorted(tree.rglob("*.png")):
        faulty.pipe_file(f"/box/pets/{path.relative_to(tree).as_posix()}", path.read_bytes())
    return "faulty://box/pets"


def test_a_folder_elsewhere_is_read_as_one_here(there: str, tree: Path) -> None:
    found, wanted = load_images(there), load_images(tree)
    assert found.images.ids == wanted.images.ids
    assert found.images.name == "pets"
    np.testing.assert_array_equal(found.images.images, wanted.images.images)


@pytest.mark.parametrize("mark", ["memory://", "file://"])
def test_memory_and_local_addresses_are_read(mark: str, tree: Path, faulty: Faulty) -> None:
    root = tree.as_posix()
    if mark == "memory://":
        system = fsspec.filesystem("memory")
        for path in tree.rglob("*.png"):
            system.pipe_file(path.as_posix(), path.read_bytes())
        system.pipe_file(f"{root}/cat/bad.png", b"")
    else:
        (tree / "cat" / "bad.png").touch()
    result = load_images(f"{mark}{root}")
    assert result.images.ids == tuple(f"{name}/{index}.png" for name in ("cat", "dog") for index in range(3))
    assert [one.path for one in result.unreadable] == [f"{mark}{root}/cat/bad.png"]


def test_only_what_has_changed_is_fetched_again_and_what_is_gone_is_gone(there: str, faulty: Faulty) -> None:
    assert len(load_images(there).images) == 6
    assert len(faulty.fetched) == 6
    faulty.fetched.clear()
    assert len(load_images(there).images) == 6
    assert faulty.fetched == []
    faulty.pipe_file("/box/pets/cat/0.png", faulty.cat_file("/box/pets/dog/0.png"))
    faulty.rm_file("/box/pets/dog/2.png")
    images = load_images(there).images
    assert faulty.fetched == ["0.png"]
    assert "dog/2.png" not in images.ids
    np.testing.assert_array_equal(images.images[0], images.images[3])


def test_a_class_that_is_gone_elsewhere_leaves_no_empty_folder_here(
    there: str, faulty: Faulty, picture: Callable[..., Path], tmp_path: Path
) -> None:
    faulty.pipe_file("/box/pets/bird/0.png", picture(tmp_path / "x.png").read_bytes())
    assert load_images(there).images.class_names == ("bird", "cat", "dog")
    faulty.rm("/box/pets/bird", recursive=True)
    assert load_images(there).images.class_names == ("cat", "dog")


def test_files_that_cannot_be_had_are_named_by_address_with_the_reason(there: str, faulty: Faulty) -> None:
    faulty.errors.update(
        {
            "cat/0": PermissionError("forbidden"),
            "dog/1": FileNotFoundError("gone"),
            "dog/2": OSError("reset by peer"),
        }
    )
    result = load_images(there)
    assert {one.path.removeprefix(there): one.reason for one in result.unreadable} == {
        "/cat/0.png": "permission denied",
        "/dog/1.png": "no such file",
        "/dog/2.png": "cannot be fetched (reset by peer)",
    }
    assert len(result.images) == 3
    faulty.errors.clear()
    assert len(load_images(there).images) == 6


def test_a_class_that_may_not_be_read_does_not_vanish(there: str, faulty: Faulty) -> None:
    faulty.errors["dog/"] = PermissionError("forbidden")
    with pytest.raises(
        DataError,
        match=f"class 'dog': none of its pictures .* the first is {there}/dog/0.png: permission denied",
    ):
        load_images(there)


def test_a_network_that_fails_for_good_is_one_line_and_what_arrived_is_kept(
    there: str, faulty: Faulty
) -> None:
    faulty.errors[""] = ConnectionError("no route to host")
    with pytest.raises(
        DataError,
        match=r"cannot read faulty://box/pets/\S+: cannot be fetched \(no route to host\).*run it again",
    ):
        load_images(there)


def test_a_full_disk_here_is_no_fault_of_a_file_and_the_cure_is_said(there: str, faulty: Faulty) -> None:
    faulty.errors["dog/1"] = OSError(errno.ENOSPC, "no space left")
    with pytest.raises(
        StorageError, match=r"the disk is full\. Make room, or set LIGHTFAST_CACHE to another"
    ):
        load_images(there)


def test_a_name_too_long_for_any_disk_is_listed(there: str, faulty: Faulty) -> None:
    name = "n" * 252 + ".png"
    faulty.pipe_file(f"/box/pets/cat/{name}", b"x")
    assert [one.path for one in load_images(there).unreadable] == [f"{there}/cat/{name}"]


def test_files_that_are_no_pictures_are_not_fetched_and_noted(there: str, faulty: Faulty) -> None:
    faulty.pipe_file("/box/pets/film.mp4", b"x")
    faulty.pipe_file("/box/pets/.hidden/0.png", b"x")
    assert (
        f"{there}: 1 file(s) are neither pictures nor tables and were left out (first: film.mp4)"
        in load_images(there).notes
    )
    assert "film.mp4" not in faulty.fetched


def test_a_table_elsewhere_is_relative_to_its_address(there: str, faulty: Faulty) -> None:
    rows = "path,label\npets/cat/0.png,cat\nfaulty://box/pets/dog/0.png,dog\n"
    rows += (
        "pets/dog/gone.png,dog\n../../up.png,dog\n/etc/x.png,cat\nfoo://x/y.png,cat\nfile:///etc/x.png,cat\n"
    )
    faulty.pipe_file("/box/list.csv", rows.encode())
    loaded = load_splits("faulty://box/list.csv")
    assert loaded.train.ids == ("pets/cat/0.png", "faulty://box/pets/dog/0.png")
    assert loaded.train.name == "list"
    assert faulty.fetched == ["list.csv", "0.png", "0.png"]
    reasons = {one.path: one.reason for one in loaded.unreadable}
    assert reasons.pop("foo://x/y.png").startswith("unknown protocol 'foo'")
    outside = dict.fromkeys(
        ("../../up.png", "/etc/x.png", "file:///etc/x.png"), "it leads out of the place of its table"
    )
    assert reasons == {"faulty://box/pets/dog/gone.png": "no such file", **outside}


def test_a_row_whose_address_cannot_be_fetched_is_named_and_the_rest_is_read(
    there: str, faulty: Faulty, tree: Path
) -> None:
    (tree / "list.csv").write_text(f"path,label\ncat/0.png,cat\ndog/0.png,dog\n{there}/dog/1.png,dog\n")
    faulty.errors["dog/1"] = ConnectionError("timed out")
    result = load_images(tree / "list.csv")
    assert len(result.images) == 2
    assert [(one.path, one.reason) for one in result.unreadable] == [
        (f"{there}/dog/1.png", "cannot be fetched (timed out)")
    ]


def test_a_table_here_may_name_addresses(there: str, tree: Path) -> None:
    (tree / "list.csv").write_text(f"path,label\ncat/0.png,cat\n{there}/dog/0.png,dog\n")
    assert load_images(tree / "list.csv").images.ids == ("cat/0.png", f"{there}/dog/0.png")


def test_a_folder_with_metadata_elsewhere_is_read(there: str, faulty: Faulty) -> None:
    faulty.pipe_file("/box/pets/metadata.csv", b"file_name,labels\ncat/0.png,x|y\ndog/0.png,x\n")
    loaded = load_splits(there)
    assert loaded.train.require_tags().tolist() == [[True, True], [True, False]]
    assert (
        f"4 picture(s) are not in the metadata and were left out (first: {there}/cat/1.png)" in loaded.notes
    )


def test_an_archive_elsewhere_is_unpacked(faulty: Faulty, tree: Path, tmp_path: Path) -> None:
    import shutil

    archive = shutil.make_archive(str(tmp_path / "pile"), "zip", tree)
    faulty.pipe_file("/box/pile.zip", Path(archive).read_bytes())
    for address in ("faulty://box/pile.zip", "zip://::faulty://box/pile.zip"):
        assert load_images(address).images.ids == load_images(tree).images.ids
    assert faulty.fetched == ["pile.zip"]
    faulty.pipe_file("/box/pile.zip", Path(archive).read_bytes()[:200])
    with pytest.raises(DataError, match=r"^faulty://box/pile.zip is not a whole ZIP archive"):
        load_images("faulty://box/pile.zip")


def test_arrays_elsewhere_are_read(faulty: Faulty, made: Any, tmp_path: Path) -> None:
    faulty.pipe_file("/box/set.npz", save_npz(tmp_path / "set.npz", made([0, 1, 0])).read_bytes())
    assert len(load_images("faulty://box/set.npz").images) == 3


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("faulty://box/nowhere", "no such file or folder: faulty://box/nowhere"),
        ("foo://bar/x", "foo://bar/x: unknown protocol 'foo': expected file, memory"),
        ("faulty://box/list.txt", "cannot read faulty://box/list.txt as a data set"),
        ("faulty://box/empty", "faulty://box/empty has no class folders"),
        ("file:///nowhere/at/all", "no such file or folder: file:///nowhere/at/all"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_line(faulty: Faulty, address: str, message: str) -> None:
    faulty.pipe_file("/box/list.txt", b"x")
    faulty.makedirs("/box/empty")
    with pytest.raises(DataError, match=message) as caught:
        load_images(address)
    assert "\n" not in str(caught.value)


def test_a_missing_package_is_said_with_the_line_that_installs_it(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(_registry, "s3", raising=False)
    with pytest.raises(
        DataError, match=r"reading s3:// needs a package that is not installed. pip install 'lightfast\[s3\]'"
    ):
        load_images("s3://bucket/pets")


def test_names_that_lead_out_are_not_written(there: str, faulty: Faulty, tmp_path: Path) -> None:
    faulty.store["/box/pets/../../../evil.png"] = faulty.store["/box/pets/cat/0.png"]
    result = load_images(there)
    assert [one.reason for one in result.unreadable] == [
        "its name leads out of the folder, or no file can have it"
    ]
    assert not list(tmp_path.rglob("evil.png"))


def test_progress_is_reported(there: str) -> None:
    seen: list[tuple[str, int, int]] = []
    load_images(there, report=lambda label, done, total, detail="": seen.append((label, done, total)))
    assert seen[0] == ("fetching", 6, 6)


def test_a_local_file_comes_before_an_address(
    tree: Path, faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree.parent)
    os.rename(tree, tree.parent / "s3::pets")  # noqa: PTH104
    assert load_images("s3::pets").images.class_names == ("cat", "dog")


def test_addresses_are_told_from_paths_and_taken_apart() -> None:
    assert all(map(is_address, ("s3://b/x", "zip://a::b.zip", "simplecache::s3://b")))
    assert not any(map(is_address, ("/a/b", "a:b", "quickdraw:cat,dog", "C://x")))
    assert [local_name(url) for url in ("s3://b/x/", "s3://b", "memory://", "https://h/a.zip?x=1/2")] == [
        "x",
        "b",
        "memory",
        "a.zip",
    ]
    assert [parent_url(url) for url in ("s3://b/x/l.csv", "memory://l.csv", "https://h/d/l.csv?q=/")] == [
        "s3://b/x",
        "memory://",
        "https://h/d",
    ]
    assert [join_url("s3://b/x", name) for name in ("a.png", "../a.png")] == [
        "s3://b/x/a.png",
        "s3://b/a.png",
    ]
    assert join_url("s3://b/x", "../../c/a.png") is join_url("s3://b/x", "/a.png") is None
    assert join_url("memory://", "cat/0.png") == "memory://cat/0.png"
