"""Writing data sets: what is read back is what was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightfast.base.errors import DataError, StorageError
from lightfast.data import export
from lightfast.data.dataset import LoadedData
from lightfast.data.export import save_folder, save_npz
from lightfast.data.images import ImageSet
from lightfast.data.lists.arrays import load_npz
from lightfast.data.lists.class_folders import load_class_folders


def test_an_npz_comes_back_the_same(tmp_path: Path, made: Any) -> None:
    images = made([0, 1, 2, 0])
    again = load_npz(save_npz(tmp_path / "deep" / "a.npz", images)).train
    np.testing.assert_array_equal(again.images, images.images)
    np.testing.assert_array_equal(again.require_labels(), images.require_labels())
    assert again.class_names == images.class_names


def test_official_parts_come_back_apart(tmp_path: Path, made: Any) -> None:
    data = LoadedData(train=made([0, 1, 0]), val=made([0, 1], [5, 6]), test=made([1, 0], [8, 9]))
    again = load_npz(save_npz(tmp_path / "a.npz", data))
    for name, images in data.parts.items():
        np.testing.assert_array_equal(again.part(name).images, images.images)  # type: ignore[arg-type]


def test_a_picture_tree_comes_back_the_same(tmp_path: Path, made: Any) -> None:
    images = made([1, 0, 1, 0])
    again = load_class_folders(save_folder(tmp_path / "tree", images)).train
    assert dict(zip(again.content_hashes, again.require_labels().tolist(), strict=True)) == dict(
        zip(images.content_hashes, images.require_labels().tolist(), strict=True)
    )
    assert again.ids[0] == "class0/1-1.png"


def test_rgb_pictures_are_written_exactly(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3), dtype=np.uint8)
    images = ImageSet(images=pixels, labels=np.array([0, 1]), class_names=("a", "b"))
    np.testing.assert_array_equal(
        load_class_folders(save_folder(tmp_path / "tree", images)).train.images, pixels
    )


def test_a_folder_with_content_is_left_alone(tree: Path, made: Any) -> None:
    before = sorted(tree.rglob("*"))
    with pytest.raises(DataError, match="holds something already"):
        save_folder(tree, made([0, 1]))
    assert sorted(tree.rglob("*")) == before


@pytest.mark.parametrize("name", ["a/b", "..", " ", "a\0b"])
def test_a_class_name_that_cannot_name_a_folder_is_refused(tmp_path: Path, made: Any, name: str) -> None:
    with pytest.raises(DataError, match="cannot name a folder"):
        save_folder(tmp_path / "tree", made([0, 1], names=("good", name)))


def test_a_failure_half_way_leaves_nothing(
    tmp_path: Path, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(picture: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "png", full)
    with pytest.raises(StorageError, match="the disk is full"):
        save_folder(tmp_path / "tree", made([0, 1]))
    assert list(tmp_path.iterdir()) == []
