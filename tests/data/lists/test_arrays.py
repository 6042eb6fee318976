"""Canonical .npz files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.data.dataset import ImageSpec
from lightfast.data.lists.arrays import load_npz

IMAGES = np.random.default_rng(1).integers(0, 256, (6, 5, 4), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def npz(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


def test_images_and_labels_without_names_are_named_by_their_numbers(tmp_path: Path) -> None:
    loaded = load_npz(npz(tmp_path, images=IMAGES, labels=LABELS))
    assert loaded.test is None
    assert loaded.train.class_names == ("0", "1", "2")
    np.testing.assert_array_equal(loaded.train.images[..., 0], IMAGES)
    assert loaded.train.ids[5] == "data/5"


def test_official_parts_share_class_names(tmp_path: Path) -> None:
    train, test = (
        {"train_images": IMAGES, "train_labels": LABELS},
        {"test_images": IMAGES[:2], "test_labels": LABELS[:2]},
    )
    path = npz(tmp_path, **train, **test, class_names=np.array(["a", "b", "c"]))
    loaded = load_npz(path)
    assert loaded.part("test").class_names == ("a", "b", "c")
    assert loaded.part("all").require_labels().tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert "test has no picture of: c" in loaded.notes


def test_arrays_that_nobody_asked_for_are_noted(tmp_path: Path) -> None:
    assert load_npz(npz(tmp_path, images=IMAGES, labels=LABELS, source=LABELS)).notes == (
        "arrays left out: source",
    )


def test_a_wanted_shape_is_met_and_noted(tmp_path: Path) -> None:
    loaded = load_npz(npz(tmp_path, images=IMAGES, labels=LABELS), ImageSpec(image_size=(8, 8), channels=3))
    assert loaded.train.image_shape == (8, 8, 3)
    assert loaded.notes == ("pictures of 5x4x1 made into 8x8x3",)
    assert loaded.train.history[-1]["verb"] == "resize"


def test_letters_that_differ_in_case_only_are_two_classes(tmp_path: Path) -> None:
    path = npz(tmp_path, images=IMAGES, labels=LABELS, class_names=np.array(["A", "a", "B"]))
    assert load_npz(path).train.class_names == ("A", "a", "B")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": IMAGES / 255, "labels": LABELS}, "expected a uint8 array .*got float64 array"),
        ({"images": np.full((6, 5, 4), np.nan), "labels": LABELS}, "NaN"),
        ({"images": IMAGES.astype(np.int64), "labels": LABELS}, "got int64 array"),
        ({"images": IMAGES[None], "labels": LABELS}, r"expected shape \(N, H, W\).*got \(1, 6, 5, 4\)"),
        ({"images": IMAGES, "labels": LABELS[:4]}, r"labels: expected shape \(6,\).*got \(4,\)"),
        ({"images": IMAGES, "labels": LABELS + 0.5}, "labels: expected whole numbers, got float64"),
        ({"images": IMAGES, "labels": LABELS - 1}, "label -1"),
        ({"images": IMAGES}, "no array 'labels'.*got images"),
        ({"train_images": IMAGES}, "no array 'train_labels'"),
        ({"pictures": IMAGES}, "no array 'images'"),
        (
            {"images": IMAGES, "labels": LABELS, "class_names": np.array(["a", "b"])},
            "expected at least 3 names .*got 2 names",
        ),
        (
            {"images": IMAGES, "labels": LABELS, "class_names": np.array(["Cat", "cat ", "dog"])},
            "spelled alike: 'Cat' and 'cat '",
        ),
        ({"images": IMAGES, "labels": LABELS * 0}, "one class only"),
        (
            {"images": IMAGES[:1], "labels": LABELS[:1], "class_names": np.array(["a", "b"])},
            r"holds 1 picture\(s\)",
        ),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_npz(npz(tmp_path, **arrays))


def test_the_names_of_keras_are_read_and_said(tmp_path: Path) -> None:
    arrays = {"x_train": IMAGES, "y_train": LABELS[:, None], "x_test": IMAGES[:3], "y_test": LABELS[:3, None]}
    loaded = load_npz(npz(tmp_path, **arrays))
    assert {name: len(one) for name, one in loaded.parts.items()} == {"train": 6, "test": 3}
    assert loaded.train.require_labels().tolist() == LABELS.tolist()
    assert "x_train as train_images" in loaded.notes[0]
    assert "train: labels of shape (N, 1) were read as (N,)" in loaded.notes


def test_labels_from_1_are_the_names_in_their_order(tmp_path: Path) -> None:
    names = np.array(["a", "b", "c"])
    loaded = load_npz(npz(tmp_path, images=IMAGES, labels=LABELS + 1, class_names=names))
    assert loaded.train.require_labels().tolist() == LABELS.tolist()
    assert loaded.notes == ("labels begin with 1: 'a' is the class of label 1, 'c' that of 3",)


@pytest.mark.parametrize("values", [(1, 2, 3), (0, 5, 9)])
def test_without_names_classes_are_the_numbers_that_occur(tmp_path: Path, values: tuple[int, ...]) -> None:
    loaded = load_npz(npz(tmp_path, images=IMAGES, labels=np.array(values)[LABELS]))
    assert loaded.train.class_names == tuple(map(str, values))
    assert loaded.train.require_labels().tolist() == LABELS.tolist()
    assert "classes are called so" in loaded.notes[0]


def test_the_cure_for_labels_with_gaps_is_right(tmp_path: Path) -> None:
    labels, names = np.array([2, 5, 9])[LABELS], np.array(["a", "b", "c"])
    with pytest.raises(DataError, match=r"numpy\.unique") as caught:
        load_npz(npz(tmp_path, images=IMAGES, labels=labels, class_names=names))
    told = caught.value.cure.removeprefix("Write ").partition(" where")[0].removeprefix("labels = ")
    assert told == "numpy.unique(labels, return_inverse=True)[1]"
    mended = np.unique(labels, return_inverse=True)[1]
    loaded = load_npz(npz(tmp_path, images=IMAGES, labels=mended, class_names=names))
    assert loaded.train.require_labels().tolist() == LABELS.tolist()


@pytest.mark.parametrize("dtype", ["U3", "S3"])
def test_texts_are_class_names(tmp_path: Path, dtype: str) -> None:
    labels = np.array(["ant", "bee", "cat"], dtype)[LABELS]
    loaded = load_npz(npz(tmp_path, images=IMAGES, labels=labels))
    assert (loaded.train.class_names, loaded.train.require_labels().tolist()) == (
        ("ant", "bee", "cat"),
        LABELS.tolist(),
    )
    with pytest.raises(DataError, match=r"label 'cat'.*leave class_names out"):
        load_npz(npz(tmp_path, images=IMAGES, labels=labels, class_names=np.array(["ant", "bee"])))


def test_whole_floats_are_numbers(tmp_path: Path) -> None:
    assert load_npz(npz(tmp_path, images=IMAGES, labels=LABELS * 1.0)).train.class_names == ("0", "1", "2")


class Trap:
    """Unpickling it would leave a file behind."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.target), "w"))


def test_pickled_content_is_refused_and_not_run(tmp_path: Path) -> None:
    names = np.empty(1, dtype=object)
    names[0] = Trap(tmp_path / "sprung")
    with pytest.raises(DataError, match="pickled Python objects, which are never loaded"):
        load_npz(npz(tmp_path, images=IMAGES, labels=LABELS, class_names=names))
    assert not (tmp_path / "sprung").exists()


def test_a_damaged_archive_is_said(tmp_path: Path) -> None:
    path = npz(tmp_path, images=IMAGES, labels=LABELS)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match="not a whole"):
        load_npz(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="not a whole"):
        load_npz(path)


def test_a_single_array_is_said(tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", IMAGES)
    (tmp_path / "data.npy").rename(tmp_path / "data.npz")
    with pytest.raises(DataError, match="holds one array"):
        load_npz(tmp_path / "data.npz")
