"""Features of a library's pictures in plain files, a folder a network: appended, brought to the disk, and
only then counted in the table `embeddings`, so that a stop at any moment leaves nothing half written that is
read.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from lightfast.base.errors import DataError
from lightfast.base.files import load_json, make_folder, storage_errors, write_json
from lightfast.library.library import Library
from lightfast.library.schema import embeddings

CLASSES_KEPT = 20
"""Of the probabilities that a backbone gives its own classes: the largest."""
REDUCED_FOLDER = "reduced"
"""Below the folder of a network: what is made of its features for searches."""
_FORMAT_FILE, _LOCK = "features.json", "lock"
_IDS, _VECTORS, _CLASSES, _PROBS = "assets.i64", "vectors.f16", "classes.u16", "class_probs.f16"


@dataclass(frozen=True)
class FeatureFormat:
    """How the features of one network were made, so that those of a new picture can be made alike.

    Attributes:
        source: names network and weights (`Embedder.source`).
        width: features a picture, D.
        image_size: (H, W) in pixels at which pictures were read.
        channels: 1 or 3.
        run: of the classifier whose network it is; None: a published backbone.
        classes: whether the backbone's own classes are kept beside the features.
    """

    source: str
    width: int
    image_size: tuple[int, int]
    channels: int = 3
    run: str | None = None
    classes: bool = False


@dataclass(frozen=True, eq=False)
class FeatureFile:
    """The features of one network for N pictures, mapped into memory: a picture's row never changes.

    Attributes:
        format: how they were made.
        folder: where they lie.
        asset_ids: int64 (N,), whose picture each row is.
        vectors: float16 (N, D).
        classes: uint16 (N, 20), the twenty most probable classes of the backbone, the first first; None where
            the network has none.
        class_probs: float16 (N, 20), their probabilities.
    """

    format: FeatureFormat
    folder: Path
    asset_ids: NDArray[np.int64]
    vectors: NDArray[np.float16]
    classes: NDArray[np.uint16] | None = None
    class_probs: NDArray[np.float16] | None = None

    def __len__(self) -> int:
        return len(self.asset_ids)

    def rows_of(self, asset_ids: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """int64 (M,): the row of each asset, −1 where it has no features."""
        wanted = np.asarray(asset_ids, dtype=np.int64)
        if not len(self) or not len(wanted):
            return np.full(len(wanted), -1, np.int64)
        ids, order = self._sorted
        at = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
        return np.where(ids[at] == wanted, at if order is None else order[at], -1)

    def read(self, asset_ids: Sequence[int] | NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray]:
        """(those of the assets that have features, in the order given, int64 (M,); their features float32
        (M, D)).
        """
        wanted, rows = np.asarray(asset_ids, dtype=np.int64), self.rows_of(asset_ids)
        there = rows >= 0
        return wanted[there], np.asarray(self.vectors[rows[there]], dtype=np.float32)

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
        """(ids rising, the row of each or None where rows rise with the ids, as they nearly always do)."""
        ids = np.asarray(self.asset_ids)
        if bool((np.diff(ids) > 0).all()):
            return ids, None
        order = np.argsort(ids, kind="stable")
        return ids[order], order


def sources_of(library: Library) -> tuple[str, ...]:
    """The networks whose features the library keeps, by name."""
    kept = sorted(library.features.glob(f"*/{_FORMAT_FILE}"))
    return tuple(str(load_json(path)["source"]) for path in kept)


def open_features(library: Library, connection: Connection, source: str) -> FeatureFile:
    """The features that one network made, as far as the transaction of `connection` knows them.

    Raises DataError where there are none, and where files are shorter than the database says.
    """
    folder = _folder(library, source)
    count = counted_rows(connection, source)
    if not count or not (folder / _FORMAT_FILE).is_file():
        raise DataError(
            f"the library has no features by {source}",
            cure=f"Make them: the job `embed`, or lightfast library embed {library.folder}.",
        )
    known = _read_format(folder)
    if _whole_rows(folder, known) < count:
        raise DataError(
            f"files in {folder} are shorter than the database says",
            cure=f"lightfast library embed {library.folder} makes again what is lost.",
        )
    arrays: list[Any] = [
        np.memmap(folder / name, dtype=dtype, mode="r", shape=(count, *shape))
        for name, dtype, shape in _columns(known)
    ]
    return FeatureFile(known, folder, *arrays)


def counted_rows(connection: Connection, source: str) -> int:
    """Rows of the files of `source` that the database counts; by the index, whatever their number."""
    last = connection.execute(
        select(func.max(embeddings.c.row)).where(embeddings.c.source == source)
    ).scalar()
    return 0 if last is None else int(last) + 1


@dataclass(frozen=True, eq=False)
class FeatureRows:
    """What is to be added for M pictures: `asset_ids`, `vectors` (M, D), and of a backbone `classes` and
    `class_probs` (M, 20), as `largest_classes` gives them.
    """

    asset_ids: Sequence[int]
    vectors: NDArray[np.floating]
    classes: NDArray[np.integer] | None = None
    class_probs: NDArray[np.floating] | None = None


def largest_classes(probs: NDArray[np.floating]) -> tuple[NDArray[np.uint16], NDArray[np.float16]]:
    """Probabilities (M, K), K at least 20 → (the most probable classes (M, 20), their probabilities)."""
    order = np.argsort(-probs, axis=1, kind="stable")[:, :CLASSES_KEPT]
    return order.astype(np.uint16), np.take_along_axis(probs, order, axis=1).astype(np.float16)


def append_features(library: Library, wanted: FeatureFormat, rows: FeatureRows) -> int:
    """Add features of pictures that have none by this network; returns how many were added.

    One process at a time writes a network's files. Rows that the database does not count, left behind by a
    stop, are written over.

    Raises DataError for features of another width, and for numbers that are not finite at half precision.
    """
    folder = make_folder(_folder(library, wanted.source))
    # A feature beyond half precision becomes infinite and is refused below.
    with np.errstate(over="ignore"):
        halves = np.asarray(rows.vectors, dtype=np.float16)
    if not np.isfinite(halves).all():
        raise DataError(
            f"features by {wanted.source}", expected="numbers of half precision", got="larger ones"
        )
    with _alone(folder):
        known = _same_format(folder, wanted)
        start = library.store.act(lambda connection: _first_free(connection, folder, known))
        with library.store.read() as connection:
            new = _new(connection, known.source, rows.asset_ids)
        if not len(new):
            return 0
        content = [np.asarray(rows.asset_ids, np.int64), halves]
        if known.classes:
            content += [np.asarray(rows.classes), np.asarray(rows.class_probs)]
        with storage_errors(folder):
            for (name, dtype, shape), values in zip(_columns(known), content, strict=True):
                _write_at(folder / name, start, np.ascontiguousarray(values[new], dtype), shape)
        ids = [int(rows.asset_ids[at]) for at in new]
        library.store.act(lambda connection: _count(connection, known.source, ids, start))
    return len(ids)


def forget_lost_rows(library: Library, source: str) -> None:
    """Count no longer what the files of `source` have lost (a backup without them, a cut file), so that it is
    made again.
    """
    folder = _folder(library, source)
    if (folder / _FORMAT_FILE).is_file():
        with _alone(folder):
            library.store.act(lambda connection: _first_free(connection, folder, _read_format(folder)))
    else:
        here = delete(embeddings).where(embeddings.c.source == source)
        library.store.act(lambda connection: connection.execute(here))


def _folder(library: Library, source: str) -> Path:
    return library.features / re.sub(r"[^\w.+-]", "_", source)


def _columns(known: FeatureFormat) -> list[tuple[str, type, tuple[int, ...]]]:
    """(file, type, shape of a row) of everything that is kept of a picture."""
    always: list[tuple[str, type, tuple[int, ...]]] = [
        (_IDS, np.int64, ()),
        (_VECTORS, np.float16, (known.width,)),
    ]
    own: list[tuple[str, type, tuple[int, ...]]] = [
        (_CLASSES, np.uint16, (CLASSES_KEPT,)),
        (_PROBS, np.float16, (CLASSES_KEPT,)),
    ]
    return always + own * known.classes


def _row_bytes(dtype: type, shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize


def _whole_rows(folder: Path, known: FeatureFormat) -> int:
    """Rows that every file holds."""
    sizes = [
        ((folder / name).stat().st_size if (folder / name).is_file() else 0) // _row_bytes(dtype, shape)
        for name, dtype, shape in _columns(known)
    ]
    return min(sizes)


def _read_format(folder: Path) -> FeatureFormat:
    said: dict[str, Any] = load_json(folder / _FORMAT_FILE)
    return FeatureFormat(**{**said, "image_size": tuple(said["image_size"])})


def _same_format(folder: Path, wanted: FeatureFormat) -> FeatureFormat:
    if not (folder / _FORMAT_FILE).is_file():
        write_json(folder / _FORMAT_FILE, asdict(wanted))
        return wanted
    known = _read_format(folder)
    if replace(known, run=None) != replace(wanted, run=None):
        raise DataError(
            f"features in {folder} were made otherwise",
            expected=f"{known.width} features of {known.image_size}",
            got=f"{wanted.width} of {wanted.image_size}",
            cure="Move the folder away; then all features are made again.",
        )
    return known


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One writer at a time, of whatever process; the lock ends with the process that holds it."""
    with storage_errors(folder), (folder / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _first_free(connection: Connection, folder: Path, known: FeatureFormat) -> int:
    """The first row that nobody counts; rows that files lost are no longer counted."""
    whole, count = _whole_rows(folder, known), counted_rows(connection, known.source)
    if whole < count:
        lost = (embeddings.c.source == known.source) & (embeddings.c.row >= whole)
        connection.execute(delete(embeddings).where(lost))
        shutil.rmtree(folder / REDUCED_FOLDER, ignore_errors=True)
    return min(whole, count)


def _new(connection: Connection, source: str, asset_ids: Sequence[int]) -> NDArray[np.int64]:
    """Positions of the assets without features, each once."""
    here = embeddings.c.asset_id.in_(list(asset_ids)) & (embeddings.c.source == source)
    seen = set(connection.execute(select(embeddings.c.asset_id).where(here)).scalars())
    first: dict[int, int] = {}
    for at, number in enumerate(asset_ids):
        if number not in seen:
            first.setdefault(number, at)
    return np.array(sorted(first.values()), np.int64)


def _write_at(path: Path, start: int, values: NDArray, shape: tuple[int, ...]) -> None:
    """Write rows from row `start` on, and wait until they are on the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as stream:
            stream.seek(start * _row_bytes(values.dtype.type, shape))
            stream.write(values.tobytes())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _count(connection: Connection, source: str, asset_ids: Iterable[int], start: int) -> None:
    kind = sqlite if connection.dialect.name == "sqlite" else postgresql
    put = kind.insert(embeddings).on_conflict_do_nothing(index_elements=["asset_id", "source"])
    rows = [{"asset_id": number, "source": source, "row": start + at} for at, number in enumerate(asset_ids)]
    connection.execute(put, rows)
