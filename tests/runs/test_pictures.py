"""Pictures for a run, from every kind of source."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightfast.base.errors import CheckpointError, DataError
from lightfast.data.images import ImageSet
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.load import load_checkpoint
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import aligned, load_labelled, load_labelled_or_not, load_pictures


@pytest.fixture(scope="module")
def checkpoint(run: Path) -> Checkpoint:
    """The checkpoint of the blobs."""
    return load_checkpoint(run)


@pytest.fixture
def scans(blobs: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures at different depths."""
    monkeypatch.setenv("LIGHTFAST_CACHE", str(tmp_path / "cache"))
    (tmp_path / "scans" / "deep").mkdir(parents=True)
    Image.fromarray(blobs.images[0, ..., 0]).save(tmp_path / "scans" / "a.png")
    Image.fromarray(blobs.images[1, ..., 0]).save(tmp_path / "scans" / "deep" / "b.png")
    return tmp_path / "scans"


def test_a_flat_folder_drops_nothing_without_a_word(scans: Path, checkpoint: Checkpoint) -> None:
    os.mkfifo(scans / "pipe.png")
    (scans / "gone.jpg").symlink_to("nowhere.jpg")
    (scans / "notes.txt").touch()
    given = load_pictures([str(scans)], checkpoint, RunOptions())
    assert given.images.ids == ("a.png", "deep/b.png")
    assert given.images.labels is None
    assert [(Path(one.path).name, one.reason) for one in given.unreadable] == [
        ("gone.jpg", "a link to a file that is not there"),
        ("pipe.png", "not a file but a named pipe"),
    ]
    assert (
        f"1 file(s) have no ending of a picture and were left out (first: {scans}/notes.txt)" in given.notes
    )


def test_a_table_of_paths_alone_is_enough(scans: Path, checkpoint: Checkpoint) -> None:
    (scans / "list.csv").write_text("path\ndeep/b.png\na.png\n")
    assert load_pictures([str(scans / "list.csv")], checkpoint, RunOptions()).images.ids == (
        "deep/b.png",
        "a.png",
    )


def test_an_archive_is_read_and_its_broken_files_are_named_by_it(scans: Path, checkpoint: Checkpoint) -> None:
    (scans / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    archive = shutil.make_archive(str(scans.parent / "pile"), "gztar", scans)
    given = load_pictures([archive], checkpoint, RunOptions())
    assert given.images.ids == ("a.png", "deep/b.png")
    assert [one.path for one in given.unreadable] == [f"{archive}/torn.png"]


def test_nothing_readable_is_said_under_the_user_s_names(scans: Path, checkpoint: Checkpoint) -> None:
    shutil.rmtree(scans / "deep")
    (scans / "a.png").write_bytes(b"")
    archive = shutil.make_archive(str(scans.parent / "pile"), "zip", scans)
    with pytest.raises(
        DataError, match=rf"none of the 1 files could be read, the first is {archive}/a.png: empty file"
    ):
        load_pictures([archive], checkpoint, RunOptions())


def test_class_folders_and_metadata_in_an_archive_carry_labels(scans: Path, checkpoint: Checkpoint) -> None:
    assert load_labelled_or_not(str(scans), checkpoint, RunOptions()).images.labels is None
    (scans / "metadata.csv").write_text("file_name,label\na.png,left\ndeep/b.png,right\n")
    archive = shutil.make_archive(str(scans.parent / "pile"), "zip", scans)
    for source in (str(scans), archive):
        given = load_labelled_or_not(source, checkpoint, RunOptions())
        assert given.images.require_labels().tolist() == [
            checkpoint.class_names.index(name) for name in ("left", "right")
        ]


def test_tags_are_brought_into_the_order_of_the_run_and_unknown_ones_refused(checkpoint: Checkpoint) -> None:
    tags = np.array([[True, False], [True, True]])
    images = ImageSet(np.zeros((2, 4, 4, 1), np.uint8), class_names=("right", "left"), tags=tags, name="few")
    found, notes = aligned(images, checkpoint)
    assert found.class_names == ("left", "middle", "right")
    assert found.require_tags().tolist() == [[False, False, True], [True, False, True]]
    assert notes == ("few has no pictures of: middle",)
    with pytest.raises(CheckpointError, match="up"):
        aligned(dataclasses.replace(images, class_names=("left", "up")), checkpoint)


def test_one_name_in_two_spellings_of_unicode_is_the_run_s_class(checkpoint: Checkpoint) -> None:
    composed, decomposed = "K\u00e4fer", "Ka\u0308fer"
    # What an earlier version trained kept the spelling of its folders.
    old = checkpoint.replace(class_names=(decomposed, "middle", "right"))
    images = ImageSet(
        np.zeros((2, 4, 4, 1), np.uint8), (composed, "middle", "right"), np.array([0, 2]), name="new"
    )
    found, notes = aligned(images, old)
    assert (found.class_names, found.require_labels().tolist(), notes) == (old.class_names, [0, 2], ())
    turned = dataclasses.replace(images, class_names=("right", composed, "middle"))
    found, notes = aligned(turned, old)
    assert found.require_labels().tolist() == [2, 1]
    assert notes == ("new lists its classes in another order",)
    with pytest.raises(CheckpointError, match="unknown to the checkpoint: up"):
        aligned(dataclasses.replace(images, class_names=(composed, "middle", "up")), old)


def class_folders(blobs: ImageSet, folder: Path, names: tuple[str, ...]) -> Path:
    """Two pictures of each of some classes of the blobs."""
    for name in names:
        (folder / name).mkdir(parents=True)
        label = blobs.class_names.index(name)
        for row in np.flatnonzero(blobs.require_labels() == label)[:2]:
            Image.fromarray(blobs.images[row, ..., 0]).save(folder / name / f"{row}.png")
    return folder


def test_one_class_of_the_run_is_enough_to_score(
    blobs: ImageSet, tmp_path: Path, checkpoint: Checkpoint
) -> None:
    folder = class_folders(blobs, tmp_path / "own", ("right",))
    right = checkpoint.class_names.index("right")
    for source in (folder, folder / "right"):
        given = load_labelled(str(source), checkpoint, RunOptions())
        assert given.images.require_labels().tolist() == [right, right]
        assert f"{given.images.name} has no pictures of: left, middle" in given.notes
    # Where nobody asks for a score, a folder's own name says nothing.
    assert load_labelled_or_not(str(folder / "right"), checkpoint, RunOptions()).images.labels is None
    assert load_labelled_or_not(str(folder), checkpoint, RunOptions()).images.labels is not None


def test_another_class_alone_is_refused(blobs: ImageSet, tmp_path: Path, checkpoint: Checkpoint) -> None:
    folder = class_folders(blobs, tmp_path / "own", ("right",))
    (folder / "right").rename(folder / "up")
    with pytest.raises(CheckpointError, match="unknown to the checkpoint: up"):
        load_labelled(str(folder), checkpoint, RunOptions())


def test_a_file_without_an_ending_may_be_named_itself(scans: Path, checkpoint: Checkpoint) -> None:
    (scans / "a.png").rename(scans / "IMG_0001")
    given = load_labelled_or_not(str(scans / "IMG_0001"), checkpoint, RunOptions())
    assert (len(given.images), given.images.labels) == (1, None)
