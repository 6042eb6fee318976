"""ZIP and tar archives as sources."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lightfast.base.errors import DataError
from lightfast.data.ingest import load_images, load_splits
from lightfast.data.sources import archives
from lightfast.data.sources.archives import safe_parts, unpack


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTFAST_CACHE", str(tmp_path / "cache"))


def packed(tree: Path, ending: str, top: str = ".") -> Path:
    """`tree` in an archive beside it, under the folder `top` in it."""
    path = tree.parent / f"pile{ending}"
    if ending == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(tree.rglob("*")):
                archive.write(file, f"{top}/{file.relative_to(tree)}")
    else:
        mode = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}[
            ending
        ]
        with tarfile.open(path, mode) as archive:
            archive.add(tree, top)
    return path


def entry(tree: Path, name: str, content: bytes) -> Path:
    """A ZIP of `tree` with one more member."""
    path = packed(tree, ".zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, content)
    return path


STEPS = st.sampled_from(["a", "b", "é", "..", ".", "/", "/", "\\", "\0"])


def _pack(path: Path, names: list[str]) -> list[str]:
    """Files NAME.png in an archive, their names as they are; gives the names that the format can hold."""
    if path.suffix == ".zip":
        names = [name for name in names if "\0" not in name]
        with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name in names:
                archive.writestr(f"{name}.png", b"x")
        return names
    names = [name.replace("\0", "").replace("\\", "/") for name in names]
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(f"{name}.png"), io.BytesIO())
    return names


def png(tree: Path) -> bytes:
    return (tree / "cat" / "0.png").read_bytes()


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"])
@pytest.mark.parametrize("top", [".", "pets"])
def test_an_archive_is_read_as_the_folder_that_was_packed(tree: Path, ending: str, top: str) -> None:
    found, wanted = load_images(packed(tree, ending, top)).images, load_images(tree).images
    assert found.ids == wanted.ids
    np.testing.assert_array_equal(found.images, wanted.images)
    assert load_images(str(packed(tree, ending, top))).unreadable == ()


def test_the_name_is_that_of_the_archive(tree: Path) -> None:
    assert load_images(packed(tree, ".tar.gz")).images.name == "pile"


def test_it_is_unpacked_once_and_again_when_it_has_changed(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(tree, ".zip")
    calls: list[Path] = []

    def counted(archive: Path, *rest: Any, **more: Any) -> archives.Unpacked:
        calls.append(archive)
        return archives.unpack(archive, *rest, **more)

    monkeypatch.setattr("lightfast.data.sources.resolve.unpack", counted)
    assert len(load_images(path).images) == len(load_images(path).images) == 6
    assert len(calls) == 1
    shutil.copy(tree / "cat" / "0.png", tree / "cat" / "9.png")
    assert len(load_images(packed(tree, ".zip")).images) == 7
    assert len(calls) == 2
    assert len(list((tmp_path / "cache" / "sources").glob("*/*"))) == 1


def test_broken_pictures_are_named_by_the_archive(tree: Path) -> None:
    (tree / "cat" / "empty.png").touch()
    path = packed(tree, ".zip")
    assert [(one.path, one.reason) for one in load_images(path).unreadable] == [
        (f"{path}/cat/empty.png", "empty file")
    ]


def test_errors_name_the_archive_and_not_the_cache(tree: Path) -> None:
    (tree / "bird").mkdir()
    path = packed(tree, ".zip")
    with pytest.raises(DataError, match="empty class") as caught:
        load_images(path)
    assert f"{path}/bird" in str(caught.value)
    assert "cache" not in str(caught.value)


@pytest.mark.parametrize("name", ["../evil.png", "cat/../../evil.png", "/tmp/evil.png"])
def test_names_that_lead_out_are_not_written_and_listed(tree: Path, tmp_path: Path, name: str) -> None:
    result = load_images(entry(tree, name, png(tree)))
    assert len(result.images) == 6
    assert [one.reason for one in result.unreadable] == [
        "its name leads out of the archive, or no file can have it"
    ]
    assert name in result.unreadable[0].path
    assert not list(tmp_path.rglob("evil.png"))


def test_names_in_tar_that_lead_out_are_not_written_either(tree: Path, tmp_path: Path) -> None:
    path = packed(tree, ".tar")
    with tarfile.open(path, "a") as archive:
        for name in ("../evil.png", "/evil.png"):
            info = tarfile.TarInfo(name)
            info.size = len(png(tree))
            archive.addfile(info, io.BytesIO(png(tree)))
    assert len(load_images(path).unreadable) == 2
    assert not list(tmp_path.rglob("evil.png"))


def test_steps_of_names() -> None:
    assert safe_parts("./a//b.png") == ("a", "b.png")
    assert [safe_parts(name) for name in ("", "/", "/a", "a/../b", "..", "a\0b")] == [None] * 6


def test_a_damaged_member_is_named_with_the_reason(tree: Path) -> None:
    path = packed(tree, ".zip")
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("cat/1.png")
    content[info.header_offset + 60] ^= 0xFF
    path.write_bytes(content)
    result = load_images(path)
    assert len(result.images) == 5
    assert result.unreadable[0].path == f"{path}/cat/1.png"
    assert result.unreadable[0].reason.startswith("damaged in the archive (")


def test_encrypted_members_are_named_and_a_class_of_them_does_not_vanish(tree: Path) -> None:
    path = packed(tree, ".zip")
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := content.find(mark, start + 1)) >= 0:
            if b"dog/" in content[start : start + 60]:
                content[start + offset] |= 1
    path.write_bytes(content)
    with pytest.raises(
        DataError,
        match=r"class 'dog': none of its pictures could be read.*dog/0.png: encrypted in the archive",
    ):
        load_images(path)


def test_links_in_an_archive_become_copies_and_never_lead_out(tree: Path) -> None:
    (tree / "cat" / "hard.png").hardlink_to(tree / "cat" / "0.png")
    (tree / "cat" / "soft.png").symlink_to("../dog/1.png")
    (tree / "cat" / "out.png").symlink_to("/etc/hostname")
    (tree / "cat" / "up.png").symlink_to("../../../x.png")
    path = packed(tree, ".tar")
    result = load_images(path)
    assert {"cat/hard.png", "cat/soft.png"} <= set(result.images.ids)
    assert {Path(one.path).name: one.reason for one in result.unreadable} == dict.fromkeys(
        ("out.png", "up.png"), "a link to a file that is not in the archive"
    )


def test_a_pipe_in_an_archive_is_named(tree: Path) -> None:
    os.mkfifo(tree / "cat" / "pipe.png")
    assert [one.reason for one in load_images(packed(tree, ".tar")).unreadable] == [
        "not a file but a named pipe"
    ]


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz"])
def test_an_archive_that_ends_early_is_refused_by_name(tree: Path, ending: str) -> None:
    path = packed(tree, ending)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(
        DataError, match=r"is not a whole ZIP archive|ends early|is not a tar archive"
    ) as caught:
        load_images(path)
    assert str(caught.value).startswith(f"{path} ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tgz"])
@pytest.mark.parametrize("content", [b"", b"no archive at all" * 100])
def test_other_bytes_are_no_archive(tmp_path: Path, ending: str, content: bytes) -> None:
    (tmp_path / f"x{ending}").write_bytes(content)
    with pytest.raises(DataError, match="is not a"):
        load_images(tmp_path / f"x{ending}")


@pytest.mark.parametrize("ending", [".zip", ".tgz"])
def test_an_archive_that_grows_without_bound_is_refused_before_it_fills_the_disk(
    tree: Path, ending: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(archives, "_SMALL", 2**20)
    (tree / "cat" / "bomb.png").write_bytes(bytes(8 * 2**20))
    path = packed(tree, ending)
    with pytest.raises(DataError, match=r"would grow from .* MiB \(a decompression bomb\?\)"):
        load_images(path)
    assert not list((tmp_path / "cache").rglob("*.png"))


def test_what_is_no_picture_is_left_out_with_a_note(tree: Path) -> None:
    (tree / "readme.md").write_text("hello")
    (tree / ".hidden").write_text("x")
    assert (
        f"{tree.parent}/pile.tar: 1 file(s) in it are neither pictures nor tables and were left out (first: "
        "readme.md)" in load_images(packed(tree, ".tar")).notes
    )


def test_rubbish_of_macs_is_passed_over(tree: Path) -> None:
    assert load_images(entry(tree, "__MACOSX/cat/._0.png", b"x")).unreadable == ()


def test_names_with_backslashes_and_in_utf8_without_the_mark_are_read(tmp_path: Path, tree: Path) -> None:
    path = tmp_path / "odd.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("cat\\0.png", "d_g/0.png"):
            archive.writestr(name, png(tree))
    # As old programs write it: the bytes of UTF-8, and no flag that says so.
    path.write_bytes(path.read_bytes().replace(b"d_g/0.png", "ö/0.png".encode().rjust(9, b"d")))
    assert load_images(path).images.class_names == ("cat", "dö")


def test_names_that_are_not_utf8_are_kept(tree: Path, picture: Callable[..., Path]) -> None:
    picture(tree / "cat" / os.fsdecode(b"caf\xe9.png"))
    assert "cat/caf\\xe9.png" in load_images(packed(tree, ".tar")).images.ids


def test_a_folder_and_a_table_in_an_archive_are_named_by_address(tree: Path) -> None:
    (tree / "few.csv").write_text(
        "path,label\ncat/0.png,a\n../pets/dog/0.png,b\n../../../etc/x.png,b\ndog/gone.png,b\n"
    )
    path = packed(tree, ".zip", "pets")
    loaded = load_splits(f"zip://pets/few.csv::{path}")
    assert loaded.train.ids == ("cat/0.png", "../pets/dog/0.png")
    assert {one.reason for one in loaded.unreadable} == {
        "it leads out of the place of its table",
        "no such file",
    }
    assert "../../../etc/x.png" in {one.path for one in loaded.unreadable}
    assert load_images(f"zip://pets::{path}").images.ids == load_images(tree).images.ids


def test_a_table_may_name_pictures_in_archives_beside_it(tree: Path) -> None:
    packed(tree, ".zip")
    (tree.parent / "list.csv").write_text(
        "path,label\nzip://cat/0.png::pile.zip,a\nzip://dog/0.png::pile.zip,b\nzip://bird.png::pile.zip,b\n"
    )
    result = load_images(tree.parent / "list.csv")
    assert result.images.ids == ("zip://cat/0.png::pile.zip", "zip://dog/0.png::pile.zip")
    assert result.unreadable[0].reason.startswith("no 'bird.png' in ")


def test_an_archive_in_an_archive_is_read(tree: Path, tmp_path: Path) -> None:
    inner = packed(tree, ".zip")
    with tarfile.open(tmp_path / "outer.tar", "w") as archive:
        archive.add(inner, "deep/pile.zip")
    address = f"zip://cat::tar://deep/pile.zip::{tmp_path}/outer.tar"
    with pytest.raises(DataError, match="3 pictures but no class folders") as caught:
        load_images(address)
    assert address in str(caught.value)


def test_an_archive_in_an_archive_is_a_source_too(tree: Path, tmp_path: Path) -> None:
    inner = packed(tree, ".zip")
    with tarfile.open(tmp_path / "outer.tar", "w") as archive:
        archive.add(inner, "deep/pile.zip")
    images = load_images(f"tar://deep/pile.zip::{tmp_path}/outer.tar").images
    assert (images.ids, images.name) == (load_images(tree).images.ids, "pile")


def test_a_header_that_is_not_the_text_it_says_it_is_is_a_damaged_member(tree: Path) -> None:
    path = entry(tree, "cat/ö.png", png(tree))
    path.write_bytes(path.read_bytes().replace("ö".encode(), b"\xff\xb6", 1))
    assert [one.reason[:23] for one in load_images(path).unreadable] == ["damaged in the archive "]


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
@settings(max_examples=50)
@example(names=["a/../../b", "/b", "a/../b"])
@given(names=st.lists(st.lists(STEPS, min_size=1, max_size=6).map("".join), max_size=8))
def test_no_name_leads_out_of_the_folder_and_no_picture_is_lost(ending: str, names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        path, folder = Path(place, f"x{ending}"), Path(place, "a", "b", "c")
        written = {safe_parts(f"{name}.png".replace("\\", "/")) for name in _pack(path, names)}
        result = unpack(path, folder, "x", is_zip=ending == ".zip")
        files = {file.relative_to(folder).parts for file in folder.rglob("*") if file.is_file()}
        assert {file for file in Path(place).rglob("*") if file.is_file()} == {
            path,
            *(folder.joinpath(*parts) for parts in files),
        }
        lost = written - files - {None} - {tuple(name.split("/")) for name in result.unsafe}
        assert all(any(part.startswith(".") for part in parts) for parts in lost)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("zip://pets", "names no archive"),
        ("zip://cat::nowhere.zip", "no such file: nowhere.zip"),
        ("zip://bird::{path}", "no 'bird' in"),
        ("zip://../x::{path}", "no '../x' in"),
    ],
)
def test_an_address_into_an_archive_that_leads_nowhere_is_said(
    tree: Path, address: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load_images(address.format(path=packed(tree, ".zip")))


def test_an_archive_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        load_images(str(tmp_path / "gone.zip"))


def test_progress_is_reported(tree: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    load_images(
        packed(tree, ".zip"), report=lambda label, done, total, detail="": seen.append((label, done, total))
    )
    assert seen[0] == ("unpacking", 8, 8)
