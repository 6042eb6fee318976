"""Folders of class folders."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightfast.base.errors import DataError
from lightfast.data.dataset import ImageSpec
from lightfast.data.decode.decode import decode_file
from lightfast.data.lists.class_folders import load_class_folders


def test_labels_come_from_the_folder_names_and_ids_from_the_paths(tree: Path) -> None:
    images = load_class_folders(tree).train
    assert images.class_names == ("cat", "dog")
    assert images.labels is not None
    assert images.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert images.ids[4] == "dog/1.png"
    np.testing.assert_array_equal(images.images[4], decode_file(tree / "dog" / "1.png"))


def test_pictures_below_a_class_folder_belong_to_it(tree: Path, picture: Callable[..., Path]) -> None:
    picture(tree / "cat" / "2024" / "may" / "x.PNG", 99)
    assert "cat/2024/may/x.PNG" in load_class_folders(tree).train.ids


def test_classes_named_by_numbers_are_in_the_order_of_the_numbers(
    tmp_path: Path, picture: Callable[..., Path]
) -> None:
    for number in (10, 9, 2):
        picture(tmp_path / str(number) / "a.png", number)
    assert load_class_folders(tmp_path).train.class_names == ("2", "9", "10")


def test_official_parts_are_kept_apart(tree: Path, tmp_path: Path) -> None:
    for part in ("train", "Validation", "test"):
        shutil.copytree(tree, tmp_path / "parted" / part)
    loaded = load_class_folders(tmp_path / "parted")
    assert {name: len(images) for name, images in loaded.parts.items()} == {"train": 6, "val": 6, "test": 6}
    assert loaded.part("test").ids[0] == "test/cat/0.png"
    assert len(loaded.part("all")) == 18


def test_a_class_may_be_called_train(tree: Path, picture: Callable[..., Path]) -> None:
    picture(tree / "train" / "a.png", 50)
    assert load_class_folders(tree).train.class_names == ("cat", "dog", "train")


def test_a_test_class_that_training_does_not_know_is_refused(
    tree: Path, tmp_path: Path, picture: Callable[..., Path]
) -> None:
    shutil.copytree(tree, tmp_path / "parted" / "train")
    picture(tmp_path / "parted" / "test" / "bird" / "a.png")
    with pytest.raises(DataError, match="class 'bird' is not among the training classes"):
        load_class_folders(tmp_path / "parted")


def test_a_class_missing_from_the_test_part_is_noted(tree: Path, tmp_path: Path) -> None:
    shutil.copytree(tree, tmp_path / "parted" / "train")
    shutil.copytree(tree / "cat", tmp_path / "parted" / "test" / "cat")
    assert "the test part has no picture of: dog" in load_class_folders(tmp_path / "parted").notes


def test_only_a_test_part_is_refused(tree: Path, tmp_path: Path) -> None:
    shutil.copytree(tree, tmp_path / "parted" / "test")
    with pytest.raises(DataError, match="no train/"):
        load_class_folders(tmp_path / "parted")


def test_broken_files_are_named_and_counted_and_the_rest_is_read(tree: Path) -> None:
    (tree / "cat" / "empty.jpg").touch()
    whole = (tree / "dog" / "0.png").read_bytes()
    (tree / "dog" / "half.png").write_bytes(whole[: len(whole) // 2])
    (tree / "dog" / "text.png").write_text("hello")
    loaded = load_class_folders(tree)
    assert {Path(one.path).name: one.reason.split(" (")[0] for one in loaded.unreadable} == {
        "empty.jpg": "empty file",
        "half.png": "truncated",
        "text.png": "not a picture",
    }
    assert len(loaded.train) == 6
    assert not any("half" in one for one in loaded.train.ids)


def test_nothing_readable_is_an_error(tree: Path) -> None:
    for path in tree.rglob("*.png"):
        path.write_text("no picture")
    with pytest.raises(DataError, match="none of the 6 files could be read"):
        load_class_folders(tree)


def test_a_class_without_a_readable_picture_is_an_error(tree: Path) -> None:
    for path in (tree / "cat").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"class 'cat': none of its pictures could be read.*empty file"):
        load_class_folders(tree)


def test_mixed_sizes_get_the_median_shorter_side_and_a_note(tree: Path, picture: Callable[..., Path]) -> None:
    picture(tree / "cat" / "wide.png", 5, size=(20, 80))
    loaded = load_class_folders(tree)
    assert loaded.train.image_shape == (10, 10, 3)
    assert "sizes differ (2 sizes among 7 pictures of pets): resized to 10x10" in loaded.notes[0]
    assert loaded.sizes == {"12x10": 6, "20x80": 1}


def test_the_common_size_is_at_most_96(tmp_path: Path, picture: Callable[..., Path]) -> None:
    for index, side in enumerate((120, 130, 140)):
        picture(tmp_path / ("a" if index else "b") / f"{index}.png", size=(side, side))
    assert load_class_folders(tmp_path).train.image_shape == (96, 96, 3)


def test_a_wanted_size_is_kept_to(tree: Path) -> None:
    loaded = load_class_folders(tree, ImageSpec(image_size=(8, 6), channels=1))
    assert loaded.train.image_shape == (8, 6, 1)
    assert "6 of 6 pictures resized to 8x6" in loaded.notes[0]


def test_all_grey_stays_grey_and_mixed_becomes_rgb_with_a_note(
    tmp_path: Path, picture: Callable[..., Path]
) -> None:
    for name in ("a", "b"):
        picture(tmp_path / name / "1.png", channels=1)
    assert load_class_folders(tmp_path).train.image_shape[2] == 1
    picture(tmp_path / "b" / "2.png")
    loaded = load_class_folders(tmp_path)
    assert loaded.train.image_shape[2] == 3
    assert loaded.notes == ("2 of 3 pictures are grey, the others coloured: all made RGB",)


def test_other_files_are_counted_in_a_note(tree: Path, picture: Callable[..., Path]) -> None:
    (tree / "images.csv").touch()
    (tree / "cat" / "notes.txt").touch()
    (tree / "cat" / ".hidden.png").touch()
    picture(tree / "loose.png")
    loose, others = load_class_folders(tree).notes
    assert loose.startswith("1 file(s) stand outside the class folders")
    assert others.startswith("2 file(s) have no ending of a picture")


@pytest.mark.parametrize("twin", ["Cat", "cat ", "CAT_"])
def test_two_classes_spelled_alike_are_refused_by_name(
    tree: Path, picture: Callable[..., Path], twin: str
) -> None:
    picture(tree / twin / "a.png")
    with pytest.raises(DataError, match="spelled alike") as caught:
        load_class_folders(tree)
    assert repr(twin) in str(caught.value)
    assert "'cat'" in str(caught.value)


def test_empty_class_folders_are_named(tree: Path) -> None:
    (tree / "bird").mkdir()
    (tree / "cow").mkdir()
    with pytest.raises(DataError, match=r"empty class: no picture in .*bird, .*cow"):
        load_class_folders(tree)


def test_one_class_is_refused(tree: Path) -> None:
    shutil.rmtree(tree / "dog")
    with pytest.raises(DataError, match=r"one class only \(cat\)"):
        load_class_folders(tree)


def test_pictures_without_class_folders_are_refused(tree: Path) -> None:
    with pytest.raises(DataError, match=r"3 pictures but no class folders.*manifest"):
        load_class_folders(tree / "cat")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no class folders"):
        load_class_folders(tmp_path)


def test_a_dangling_link_is_unreadable(tree: Path) -> None:
    (tree / "cat" / "link.png").symlink_to(tree / "gone.png")
    assert [one.reason for one in load_class_folders(tree).unreadable] == [
        "a link to a file that is not there"
    ]


def test_odd_metadata_warns_nobody(tree: Path) -> None:
    # Pillow warns about palettes with byte transparency; the house turns warnings into errors.
    image = Image.new("P", (10, 12))
    image.save(tree / "cat" / "p.png", transparency=bytes([0] * 256))
    assert len(load_class_folders(tree).train) == 7


def test_an_empty_val_part_is_refused_with_its_cure(tree: Path, tmp_path: Path) -> None:
    shutil.copytree(tree, tmp_path / "parts" / "train")
    (tmp_path / "parts" / "val").mkdir()
    with pytest.raises(
        DataError, match=r"val has no class folders.*or remove it: a val part is then split off train"
    ):
        load_class_folders(tmp_path / "parts")


@pytest.mark.parametrize(
    "albums", [("2019", "2020"), ("2021-03", "2021-04-17"), ("100CANON", "101_PANA"), ("2019", "100MSDCF")]
)
def test_classes_called_as_albums_are_said_with_the_folders_that_may_be_meant(
    tmp_path: Path, picture: Callable[..., Path], albums: tuple[str, str]
) -> None:
    for album in albums:
        for name in ("cat", "dog"):
            picture(tmp_path / album / name / "a.png", 9)
    (note,) = load_class_folders(tmp_path).notes
    assert f"by dates or by a camera: {', '.join(f'{one}/' for one in sorted(albums))}" in note
    assert "where cat/, dog/ are the classes, give a manifest (path,label)" in note


@pytest.mark.parametrize("names", [("2019", "cat"), ("0001", "0002"), ("10000001", "10000002")])
def test_names_that_are_no_albums_are_not_doubted(
    tmp_path: Path, picture: Callable[..., Path], names: tuple[str, str]
) -> None:
    for name in names:
        picture(tmp_path / name / "a.png", 9)
    assert load_class_folders(tmp_path).notes == ()


def test_albums_that_a_run_knows_as_classes_are_not_doubted(
    tmp_path: Path, picture: Callable[..., Path]
) -> None:
    for name in ("2019", "2020"):
        picture(tmp_path / name / "a.png", 9)
    assert load_class_folders(tmp_path, known=("2019", "2020")).notes == ()
