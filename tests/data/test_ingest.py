"""Any source by its path or name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightfast.base.errors import DataError, UnknownName
from lightfast.data.dataset import LoadedData
from lightfast.data.export import save_npz
from lightfast.data.ingest import load_images, load_splits


def test_a_folder_a_manifest_and_an_npz_are_read(tree: Path, made: Any) -> None:
    (tree.parent / "list.csv").write_text("path,label\npets/cat/0.png,cat\npets/dog/0.png,dog\n")
    save_npz(tree.parent / "set.npz", made([0, 1, 0]))
    assert [
        len(load_images(source).images)
        for source in (tree, str(tree.parent / "list.csv"), tree.parent / "set.npz")
    ] == [6, 2, 3]


def test_a_name_is_read_from_the_data_folder(tmp_path: Path, made: Any) -> None:
    save_npz(tmp_path / "mine.npz", made([0, 1, 0]))
    assert load_images("mine", data_folder=tmp_path).images.name == "mine"


def test_parts_are_given_on_request(tmp_path: Path, made: Any) -> None:
    save_npz(tmp_path / "mine.npz", LoadedData(train=made([0, 1, 0]), test=made([1, 0], [8, 9])))
    path = tmp_path / "mine.npz"
    assert [len(load_images(path, part=part).images) for part in ("train", "test", "all")] == [3, 2, 5]
    assert load_images(path).images.ids == (
        "mine/train/0",
        "mine/train/1",
        "mine/train/2",
        "mine/test/0",
        "mine/test/1",
    )
    assert load_images(path).images.name == "mine"


def test_a_part_that_is_not_there_is_said(tmp_path: Path, made: Any) -> None:
    save_npz(tmp_path / "mine.npz", made([0, 1, 0]))
    with pytest.raises(DataError, match=r"no official test part.*It has: train"):
        load_images(tmp_path / "mine.npz", part="test")
    with pytest.raises(UnknownName, match=r"unknown part 'tets'. Did you mean test"):
        load_images(tmp_path / "mine.npz", part="tets")  # type: ignore[arg-type]


def test_broken_files_and_notes_are_handed_on(tree: Path) -> None:
    (tree / "cat" / "empty.png").touch()
    result = load_images(tree, image_size=(6, 6), channels=1)
    assert result.images.image_shape == (6, 6, 1)
    assert [one.reason for one in result.unreadable] == ["empty file"]
    assert "resized to 6x6" in result.notes[0]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere/at/all", "no such file or folder: nowhere/at/all"),
        ("missing.csv", "no such file or folder: missing.csv"),
        ("mnist-5", "no data set of that name. Did you mean mnist-5k"),
    ],
)
def test_a_source_that_is_not_there_is_said(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_images(source, data_folder=tmp_path)


def test_a_file_of_another_kind_is_said(tmp_path: Path) -> None:
    (tmp_path / "data.txt").touch()
    with pytest.raises(DataError, match=r"expected a folder, .npz, .csv.*got a file ending in .txt"):
        load_images(tmp_path / "data.txt")


@pytest.mark.parametrize("wrong", [{"image_size": (0, 5)}, {"channels": 2}])
def test_impossible_wishes_are_refused(tree: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="expected"):
        load_images(tree, **wrong)


def test_progress_is_reported(tree: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    load_images(tree, report=lambda label, done, total, detail="": seen.append((label, done, total)))
    assert seen == [("looking", 6, 6), ("reading", 6, 6)]


def test_mnist_has_its_official_parts(data_folder: Path) -> None:
    if not (data_folder / "mnist.npz").is_file():
        pytest.skip("mnist.npz is not in LIGHTFAST_DATA")
    loaded = load_splits("mnist", data_folder=data_folder)
    assert np.bincount(loaded.part("test").require_labels()).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]
    assert len(loaded.train) == 60_000


def test_real_photographs_of_many_sizes_are_read(data_folder: Path) -> None:
    folder = data_folder / "caltech20"
    if not folder.is_dir():
        pytest.skip("caltech20 is not in LIGHTFAST_DATA")
    result = load_images(folder, image_size=(32, 32))
    assert len(result.images) + len(result.unreadable) == sum(
        path.suffix == ".jpg" for path in folder.rglob("*")
    )
    assert result.images.num_classes == 20
