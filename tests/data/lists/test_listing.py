"""Pictures to predict: listed, not opened, and nothing dropped without a word."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.data.lists.listing import picture_entries


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTFAST_CACHE", str(tmp_path / "cache"))


def test_files_folders_and_tables_are_listed_in_the_order_given(tree: Path) -> None:
    (tree / "list.csv").write_text("path\ncat/1.png\ncat/2.png\ncat/1.png\n")
    single = str(tree / "cat" / "0.png")
    listing = picture_entries([str(tree / "list.csv"), single, str(tree / "dog")])
    assert [one.id for one in listing.entries] == [
        "cat/1.png",
        "cat/2.png",
        single,
        "0.png",
        "1.png",
        "2.png",
    ]
    assert listing.entries[1].path == tree / "cat" / "2.png"
    assert (listing.unreadable, listing.notes) == ((), ())


def test_nothing_in_a_folder_is_dropped_without_a_word(tree: Path) -> None:
    os.mkfifo(tree / "pipe.png")
    (tree / "gone.jpg").symlink_to("nowhere.jpg")
    (tree / "notes.txt").touch()
    (tree / "again").symlink_to(tree)
    (tree / "hollow.png").mkdir()
    listing = picture_entries([str(tree)])
    assert {"gone.jpg", "pipe.png"} <= {one.id for one in listing.entries}
    assert [(one.path, one.reason) for one in listing.unreadable] == [
        (f"{tree}/hollow.png", "it is a folder")
    ]
    assert [note.partition(" (first")[0] for note in listing.notes] == [
        "1 file(s) have no ending of a picture and were left out",
        "1 folder(s) are links to what is read already and were not followed",
    ]


def test_a_closed_folder_is_unreadable(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("dog"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert [(one.path, one.reason) for one in picture_entries([str(tree)]).unreadable] == [
        (f"{tree}/dog", "permission denied")
    ]
    with pytest.raises(
        DataError, match=r"holds no picture files: \S+dog cannot be read \(permission denied\)"
    ):
        picture_entries([str(tree / "dog")])


def test_pipes_and_broken_links_may_be_named_themselves(tree: Path) -> None:
    os.mkfifo(tree / "pipe.png")
    (tree / "gone.jpg").symlink_to("nowhere.jpg")
    assert len(picture_entries([str(tree / "pipe.png"), str(tree / "gone.jpg")]).entries) == 2


def test_nothing_is_decoded(tree: Path) -> None:
    (tree / "cat" / "0.png").write_bytes(b"no picture")
    assert len(picture_entries([str(tree)]).entries) == 6


def test_archives_and_addresses_are_listed_under_the_user_s_names(tree: Path) -> None:
    import shutil

    import fsspec

    (tree / "cat" / "bad.png").touch()
    archive = shutil.make_archive(str(tree.parent / "pile"), "zip", tree)
    fsspec.filesystem("memory").pipe_file("/listing/x.png", b"x")
    listing = picture_entries([archive, "memory://listing/x.png"])
    assert [one.id for one in listing.entries] == [
        "cat/0.png",
        "cat/1.png",
        "cat/2.png",
        "cat/bad.png",
        "dog/0.png",
        "dog/1.png",
        "dog/2.png",
        "memory://listing/x.png",
    ]
    assert listing.entries[-1].path.read_bytes() == b"x"
    assert [listing.resolver.display_text(str(one.path)) for one in listing.entries[-2:]] == [
        f"{archive}/dog/2.png",
        "memory://listing/x.png",
    ]


def test_what_could_not_be_unpacked_is_unreadable_and_no_entry(tree: Path) -> None:
    import tarfile

    os.mkfifo(tree / "cat" / "pipe.png")
    with tarfile.open(tree.parent / "pile.tar", "w") as archive:
        archive.add(tree, "pets")
    listing = picture_entries([f"{tree.parent}/pile.tar"])
    assert len(listing.entries) == 6
    assert [(one.path, one.reason) for one in listing.unreadable] == [
        (f"{tree.parent}/pile.tar/pets/cat/pipe.png", "not a file but a named pipe")
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.png", "no such file or folder: nowhere.png"),
        ("set.npz", "holds an array and no picture files"),
        ("empty", "empty holds no picture files"),
        ("x" * 300, "no such file or folder"),
    ],
)
def test_what_cannot_be_listed_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "set.npz", images=np.zeros((1, 2, 2), np.uint8))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=message):
        picture_entries([name])


def test_no_paths_are_said() -> None:
    with pytest.raises(DataError, match="no pictures named"):
        picture_entries([])
