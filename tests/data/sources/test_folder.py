"""What lies below a folder: the system's own, links, files without an ending."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from lightfast.data.ingest import load_images, load_splits
from lightfast.data.lists.listing import picture_entries
from lightfast.data.sources.folder import find_files, may_be_picture

SYSTEM = [
    "cat/@eaDir/0.png/SYNOPHOTO_THUMB_M.png",
    "@eaDir/0.png",
    "#recycle/old.png",
    "#snapshot/daily/cat/0.png",
    "@Recycle/0.png",
    "$RECYCLE.BIN/S-1-5/0.png",
    "System Volume Information/0.png",
    "lost+found/0.png",
    "__MACOSX/cat/._0.png",
    "cat/._0.png",
    ".Trash-1000/files/0.png",
    ".thumbnails/0.png",
    "cat/.@__thumb/0.png",
    "Lightroom Previews.lrdata/A/0.png",
    "Lightroom Library.lrlibrary/x/0.png",
    "dog/Thumbs.db",
    "dog/desktop.ini",
]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTFAST_CACHE", str(tmp_path / "cache"))


def with_system(tree: Path) -> Path:
    for number, name in enumerate(SYSTEM):
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Whole pictures: they would be read if they were not passed over.
        path.write_bytes((tree / "cat" / f"{number % 3}.png").read_bytes())
    return tree


def system_notes(notes: tuple[str, ...]) -> list[str]:
    return [note for note in notes if "of the system (thumbnails, waste baskets) were passed over" in note]


def test_the_system_s_own_is_passed_over_and_one_note_counts_it(tree: Path) -> None:
    loaded = load_splits(with_system(tree))
    assert loaded.train.class_names == ("cat", "dog")
    assert len(loaded.train) == 6
    (note,) = system_notes(loaded.notes)
    assert note.startswith(f"{len(SYSTEM)} file(s) and folder(s)")
    listing = picture_entries([str(tree)])
    assert len(listing.entries) == 6
    assert system_notes(listing.notes) == [note]


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_in_archives_too(tree: Path, form: str) -> None:
    archive = shutil.make_archive(str(tree.parent / "pile"), form, with_system(tree))
    given = load_images(archive)
    assert len(given.images) == 6
    (note,) = system_notes(given.notes)
    assert note.startswith(f"{archive}: {len(SYSTEM)} file(s) and folder(s)")
    assert len(picture_entries([archive]).entries) == 6


def test_elsewhere_too(tree: Path) -> None:
    with_system(tree)
    system = fsspec.filesystem("memory")
    for path in filter(Path.is_file, tree.rglob("*")):
        system.pipe_file(f"/nas/{path.relative_to(tree).as_posix()}", path.read_bytes())
    given = load_images("memory://nas")
    assert len(given.images) == 6
    (note,) = system_notes(given.notes)
    assert note.startswith(f"memory://nas: {len(SYSTEM)} file(s) and folder(s)")


def test_of_a_photos_library_the_originals_are_read(tree: Path) -> None:
    library = tree.parent / "My.photoslibrary"
    shutil.copytree(tree, library / "originals")
    shutil.copytree(tree, library / "resources" / "derivatives")
    for root in (library, library.parent):
        ids = [one.id for one in picture_entries([str(root)]).entries if "photoslibrary" in str(one.path)]
        assert len(ids) == 6
        assert all("originals" in one for one in ids)


@pytest.mark.parametrize("name", ["recycled", "thumbnails", "trash", "lost", "system", "thumb"])
def test_classes_may_be_called_nearly_so(tree: Path, name: str) -> None:
    shutil.copytree(tree / "cat", tree / name)
    assert load_splits(tree).train.class_names == ("cat", "dog", name) or name < "dog"
    assert name in load_splits(tree).train.class_names


def test_links_are_followed_once_by_every_verb(tree: Path) -> None:
    library = tree.parent / "library"
    library.mkdir()
    for name in ("cat", "dog"):
        (library / name).symlink_to(tree / name)
    (library / "more").mkdir()
    (library / "more" / "again").symlink_to(tree / "dog")
    (tree / "dog" / "up").symlink_to(library)
    listing = picture_entries([str(library)])
    assert [one.id for one in listing.entries] == [
        f"{kind}/{n}.png" for kind in ("cat", "dog") for n in range(3)
    ]
    assert [note.partition(" (first")[0] for note in listing.notes] == [
        "2 folder(s) are links and were followed",
        "2 folder(s) are links to what is read already and were not followed",
    ]
    shutil.rmtree(library / "more")
    loaded = load_splits(library)
    assert (len(loaded.train), loaded.train.class_names) == (6, ("cat", "dog"))


def test_own_folders_come_before_links_to_them(tree: Path) -> None:
    (tree / "0-first").symlink_to("dog")
    found = find_files(tree)
    assert found.again == [tree / "0-first"]
    assert len([path for path in found.pictures if path.parent == tree / "dog"]) == 3


OPEN = [
    "IMG_0001",
    "photo.jpg_large",
    "photo.JPG?size=m",
    "photo.jpg:large",
    "scan.0001",
    "St. Peter",
    "a.jpeg~",
]


@pytest.mark.parametrize("name", OPEN)
def test_a_name_without_an_ending_is_read_by_its_content(tree: Path, name: str) -> None:
    assert may_be_picture(name)
    (tree / "cat" / "0.png").rename(tree / "cat" / name)
    (tree / "cat" / "README").write_text("BMW and more")
    loaded = load_splits(tree)
    assert f"cat/{name}" in loaded.train.ids
    assert len(loaded.train) == 6
    read = f"1 file(s) have no ending of a picture and were read by their content (first: {tree}/cat/{name})"
    out = f"1 file(s) have no ending of a picture and were left out (first: {tree}/cat/README)"
    assert {read, out} <= set(loaded.notes)
    assert {read, out} <= set(picture_entries([str(tree)]).notes)


def test_in_archives_names_without_an_ending_are_read_too(tree: Path) -> None:
    (tree / "cat" / "0.png").rename(tree / "cat" / "IMG_0001")
    archive = shutil.make_archive(str(tree.parent / "pile"), "zip", tree)
    assert "cat/IMG_0001" in load_images(archive).images.ids


@pytest.mark.parametrize("name", ["a.xmp", "a.CR2", "a.json", "notes.txt", "a.jpg.json", "film.mp4", "x.7z"])
def test_other_endings_say_what_a_file_is(tree: Path, name: str) -> None:
    # With the first bytes of a picture: a raw file begins as a TIFF does.
    (tree / "cat" / name).write_bytes((tree / "cat" / "0.png").read_bytes())
    assert not may_be_picture(name)
    assert find_files(tree).others == [tree / "cat" / name]


def test_backups_that_programs_keep_are_no_pictures(tree: Path) -> None:
    for name in ("0.png_original", "1.png~"):
        shutil.copy(tree / "cat" / "0.png", tree / "cat" / name)
    assert len(find_files(tree).pictures) == 6


def test_a_class_of_files_that_are_no_pictures_says_so_and_the_cure_works(
    tree: Path, picture: Callable[..., Path]
) -> None:
    from lightfast.base.errors import DataError

    picture(tree / "bee" / "0.png", 77).rename(tree / "bee" / "0.dat")
    with pytest.raises(DataError, match=r"1 file\(s\) there are none by their endings.*bee/0\.dat"):
        load_splits(tree)
    (tree / "bee" / "0.dat").rename(tree / "bee" / "0.jpg")
    assert load_splits(tree).train.class_names == ("bee", "cat", "dog")


def test_a_pipe_without_an_ending_is_not_opened(tree: Path) -> None:
    os.mkfifo(tree / "cat" / "pipe")
    assert find_files(tree).others == [tree / "cat" / "pipe"]
