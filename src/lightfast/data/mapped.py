"""Pictures on the disk that pass for an array in memory: memory-mapped,
with little of them resident at any time.
"""

from __future__ import annotations

import errno
import math
import mmap
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import StorageError

LIMIT = 2**30
"""Bytes: larger arrays of pictures are kept on the disk where they come from there."""
_RESIDENT = 2**27
"""Bytes of a mapping that may have been read before its pages are given back."""
_PLAIN = 2**26
"""Bytes: smaller slices are handed out as plain arrays in memory, which may be written to."""
_CHUNK = 2**25
_MARGIN = 2**28
"""Bytes that are left free on every disk."""
_FULL = (errno.ENOSPC, errno.EDQUOT)


def cache_folder() -> Path:
    """Where decoded pictures are kept: `LIGHTFAST_CACHE`/pictures,
    else lightfast/pictures in the user's cache folder.
    """
    told = os.environ.get("LIGHTFAST_CACHE")
    if told:
        return Path(told).expanduser().absolute() / "pictures"
    from platformdirs import user_cache_path

    return user_cache_path("lightfast") / "pictures"


class _Backing:
    """The open file behind an array and all its views: it stays open as long as one of them lives,
    and what was read of it is counted.
    """

    def __init__(self, handle: int, *, counted: bool) -> None:
        self.handle = handle
        self.counted = counted and hasattr(mmap, "MADV_DONTNEED")
        self.read = 0
        weakref.finalize(self, os.close, handle)

    @property
    def path(self) -> str | None:
        """A name by which other processes open the file as long as this one has it open, deleted or not;
        None without /proc.
        """
        path = Path(f"/proc/{os.getpid()}/fd/{self.handle}")
        return str(path) if path.exists() else None

    def count(self, nbytes: int, mapping: mmap.mmap) -> None:
        """Give the pages back after `_RESIDENT` bytes.

        What is read again comes from the system's file cache, or from the disk.
        """
        if not self.counted:
            return
        self.read += nbytes
        if self.read > _RESIDENT:
            mapping.madvise(mmap.MADV_DONTNEED)
            self.read = nbytes


class StoredArray(np.memmap[Any, Any]):
    """uint8 (N, H, W, C) in a file, read-only. Reading rows of a large one keeps few of its pages resident.

    Rows are read into plain arrays in memory, slices of 64 MiB and more are views. Pickled, it is a name:
    processes started by this one open the same file.
    """

    hashes: tuple[str, ...] | None
    """`content_hashes` of its rows where they are known."""
    _backing: _Backing | None
    _mmap: mmap.mmap | None

    def __array_finalize__(self, obj: Any) -> None:
        super().__array_finalize__(obj)
        self.hashes = None
        self._backing = getattr(obj, "_backing", None) if self._mmap is not None else None

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return array[()] if return_scalar else np.asarray(array)

    def __getitem__(self, index: Any) -> Any:
        rows = self._rows(index)
        if rows is not None:
            return self._read(rows)[0] if isinstance(index, int | np.integer) else self._read(rows)
        part = super().__getitem__(index)
        if not isinstance(part, StoredArray):
            return part
        if self._backing is not None and self._mmap is not None:
            self._backing.count(part.nbytes, self._mmap)
        return np.asarray(part) if part._mmap is None else part

    def __reduce__(self) -> Any:
        path = self._backing.path if self._backing is not None else None
        if path is None or not self.flags.c_contiguous:
            return np.array(self).__reduce__()
        return _reopened, (path, self.shape, self._first_byte())

    def _rows(self, index: Any) -> range | NDArray[np.int64] | None:
        """The row numbers that `index` chooses, where these are to be read without the mapping
        (see `_read`).
        """
        if self._backing is None or self.ndim < 2 or not self.flags.c_contiguous:
            return None
        count = len(self)
        if isinstance(index, slice):
            chosen = range(*index.indices(count))
            return chosen if 0 < len(chosen) * math.prod(self.shape[1:]) < _PLAIN else None
        if isinstance(index, int | np.integer) and not isinstance(index, bool):
            return range(index % count, index % count + 1) if -count <= index < count else None
        rows = np.asarray(index) if isinstance(index, list | np.ndarray) else np.empty(())
        if (
            rows.ndim != 1
            or rows.dtype.kind not in "iu"
            or not len(rows)
            or rows.min() < -count
            or rows.max() >= count
        ):
            return None
        return rows.astype(np.int64) % count

    def _read(self, rows: range | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Rows as an array in memory.

        Mapped, every one of them would bring up to 2 MiB around it into memory.
        """
        size, first = math.prod(self.shape[1:]), self._first_byte()
        read = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)
        if isinstance(rows, range) and rows.step == 1:
            self._fill(read, first + rows.start * size)
        else:
            for at, row in enumerate(rows):
                self._fill(read[at], first + int(row) * size)
        return read

    def _fill(self, place: NDArray[np.uint8], offset: int) -> None:
        assert self._backing is not None
        buffer = place.data.cast("B")
        while buffer:
            count = os.preadv(self._backing.handle, [buffer], offset)
            if not count:
                raise OSError(errno.EIO, "the file of decoded pictures was cut off while in use")
            buffer, offset = buffer[count:], offset + count

    def _first_byte(self) -> int:
        """Where in the file the first element lies."""
        start = np.frombuffer(self._mmap or b"", np.uint8).__array_interface__["data"][0]
        # Mappings begin at a whole page.
        page = self.offset - self.offset % mmap.ALLOCATIONGRANULARITY
        return page + self.__array_interface__["data"][0] - start


def _reopened(path: str, shape: tuple[int, ...], offset: int) -> StoredArray:
    return mapped(Path(path).open("rb"), shape, offset)


def mapped(stream: IO[bytes], shape: tuple[int, ...], offset: int = 0) -> StoredArray:
    """The uint8 array of `shape` that begins at byte `offset` of an open file.

    `stream` is closed; the array has a handle of its own.
    """
    with stream:
        # NumPy's annotations forget the class that is made.
        array: Any = StoredArray(stream, np.uint8, "r", offset, shape)
        array._backing = _Backing(os.dup(stream.fileno()), counted=array.nbytes > LIMIT // 4)
    return array


def taken(images: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """`images[rows]`. Rows in a row of a StoredArray are a view; many rows of one above LIMIT go to a file
    without a name.

    Raises StorageError when no disk has room for them.
    """
    if not isinstance(images, StoredArray) or images.nbytes <= LIMIT or not len(rows):
        return images[rows]
    first = int(rows[0])
    if (
        first >= 0
        and np.array_equal(rows, np.arange(first, first + len(rows)))
        and first + len(rows) <= len(images)
    ):
        return images[first : first + len(rows)]
    if len(rows) * images[0].nbytes <= LIMIT // 4:
        return images[rows]
    step = _rows_a_chunk(images)
    return spilled(
        (images[rows[start : start + step]] for start in range(0, len(rows), step)),
        (len(rows), *images.shape[1:]),
    )


def joined(parts: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """`np.concatenate(parts)`; above LIMIT, where a part lies on the disk, in a file without a name
    (else StorageError: no room).
    """
    if sum(part.nbytes for part in parts) <= LIMIT or not any(
        isinstance(part, StoredArray) for part in parts
    ):
        return np.concatenate(parts)

    def chunks() -> Iterator[NDArray[np.uint8]]:
        for part in parts:
            step = _rows_a_chunk(part)
            yield from (part[start : start + step] for start in range(0, len(part), step))

    return spilled(chunks(), (sum(map(len, parts)), *parts[0].shape[1:]))


def spilled(chunks: Iterator[NDArray[np.uint8]], shape: tuple[int, ...]) -> StoredArray:
    """The rows of all chunks, one after the other, in a file without a name:
    it vanishes with the last array that uses it.
    """
    with unnamed_file(math.prod(shape)) as stream:
        try:
            for chunk in chunks:
                stream.write(np.ascontiguousarray(chunk).data)
            stream.flush()
        except OSError as error:
            raise no_room(cache_folder(), math.prod(shape), error) from error
        return mapped(stream, shape)


def unnamed_file(nbytes: int) -> IO[bytes]:
    """A new file without a name, in the cache folder or else in the system's folder for temporary files;
    StorageError: neither has room.
    """
    first: OSError | None = None
    for folder in (cache_folder(), Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            require_room(folder, nbytes)
            return tempfile.TemporaryFile(dir=folder)
        except OSError as error:
            first = first or error
    raise no_room(cache_folder(), nbytes, first)


def require_room(folder: Path, nbytes: int) -> None:
    """Raise OSError unless the disk of `folder` has room for so many bytes."""
    free = shutil.disk_usage(folder).free
    if free < nbytes + _MARGIN:
        raise OSError(None, f"the disk has {gigabytes(free)} free")


def no_room(folder: Path, nbytes: int, error: OSError | None) -> StorageError:
    """What to tell when `nbytes` of pictures found no place."""
    return StorageError(
        f"cannot put {gigabytes(nbytes)} of decoded pictures into {folder}: {said(error)}",
        cure="Set LIGHTFAST_CACHE to a folder with room, or give a smaller image_size.",
    )


def said(error: OSError | None) -> str:
    """Why a file could not be written, in a few words."""
    if error is None:
        return "no folder to write to"
    if error.errno is None:
        return error.strerror or str(error)
    return "the disk is full" if error.errno in _FULL else (error.strerror or str(error)).lower()


def gigabytes(nbytes: float) -> str:
    """A size for people, such as 1.5 GB."""
    return f"{nbytes / 1e9:.1f} GB"


def _rows_a_chunk(images: NDArray[np.uint8]) -> int:
    return max(1, _CHUNK // max(1, math.prod(images.shape[1:])))
