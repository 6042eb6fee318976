"""Pictures on the disk that pass for an array in memory: memory-mapped,
with little of them resident at any time.
"""

from __future__ import annotations

import contextlib
import errno
import math
import mmap
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import StorageError
from lightfast.base.folders import pictures_folder

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
_NAMING = threading.Lock()
Made = TypeVar("Made")


class _OpenFile:
    """The file behind an array and all its views: it stays open as long as one of them lives,
    and what was read of it is counted.
    """

    def __init__(self, stream: IO[bytes], array: NDArray[Any], offset: int) -> None:
        self.handle = os.dup(stream.fileno())
        weakref.finalize(self, os.close, self.handle)
        self.path = Path(stream.name).absolute() if isinstance(stream.name, str | Path) else None
        self.status = os.fstat(self.handle)
        self.start = array.ctypes.data - offset
        self.counted = array.nbytes > LIMIT // 4 and hasattr(mmap, "MADV_DONTNEED")
        self.read = 0

    def count(self, nbytes: int, mapping: mmap.mmap) -> None:
        """Give the pages back after `_RESIDENT` bytes.

        What is read again comes from the system's file cache, or from the disk.
        """
        self.read += nbytes
        if self.counted and self.read > _RESIDENT:
            mapping.madvise(mmap.MADV_DONTNEED)
            self.read = nbytes

    def fill(self, place: NDArray[Any], offset: int) -> None:
        """Read the bytes from `offset` on into `place`."""
        buffer = place.data.cast("B")
        while buffer:
            count = os.preadv(self.handle, [buffer], offset)
            if not count:
                raise OSError(errno.EIO, "the file of decoded pictures was cut off while in use")
            buffer, offset = buffer[count:], offset + count

    def require_path(self) -> str:
        """A path at which other processes find the file as long as this one has it open.

        Raises OSError where it has none and none can be made.
        """
        with _NAMING:
            with contextlib.suppress(OSError):
                if self.path is not None and os.path.samestat(self.path.stat(), self.status):
                    return str(self.path)
            self.path = _in_a_folder(self._new_path)
            self.status = self.path.stat()
            return str(self.path)

    def _new_path(self, folder: Path) -> Path:
        folder = part_folder(folder, "0" * 32)
        weakref.finalize(self, _remove_own, folder, os.getpid())
        path = folder / "pictures"
        try:
            # Only with a folder given, though it is not needed, does Python follow the link.
            os.link(f"/proc/self/fd/{self.handle}", path, src_dir_fd=self.handle)
        except OSError:
            require_free_space(folder, self.status.st_size)
            with path.open("wb") as stream:
                while chunk := os.pread(self.handle, _CHUNK, stream.tell()):
                    stream.write(chunk)
        return path


def _remove_own(folder: Path, process: int) -> None:
    # A forked child has the same arrays, but not the right to end them.
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


def part_folder(folder: Path, key: str) -> Path:
    """A new folder in `folder`, whose name says to later starts that it is unfinished or borrowed:
    what is a day old is removed.
    """
    return Path(tempfile.mkdtemp(prefix=f".{key}.", suffix=".part", dir=folder))


class MappedArray(np.memmap[Any, Any]):
    """uint8 (N, H, W, C) in a file, read-only. Reading rows of a large one keeps few of its pages resident.

    Rows are read into plain arrays in memory, slices of 64 MiB and more are views. Pickled, it is a path and
    the range of bytes there: other processes, on other machines too, open the same file as long as this one
    has it open, and any time if it is one of the cache folder.
    """

    hashes: tuple[str, ...] | None
    """`content_hashes` of its rows where they are known."""
    _file: _OpenFile | None
    _mmap: mmap.mmap | None

    def __array_finalize__(self, obj: Any) -> None:
        super().__array_finalize__(obj)
        self.hashes = None
        self._file = getattr(obj, "_file", None) if self._mmap is not None else None

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return array[()] if return_scalar else np.asarray(array)

    def __getitem__(self, index: Any) -> Any:
        file = self._file
        rows = None if file is None else self._rows(index)
        if file is not None and rows is not None:
            read = self._read(file, rows)
            return read[0] if isinstance(index, int | np.integer) else read
        part = super().__getitem__(index)
        if not isinstance(part, MappedArray):
            return part
        if file is None or part._mmap is None:
            return np.asarray(part)
        file.count(part.nbytes, part._mmap)
        return part

    def __reduce__(self) -> Any:
        if self._file is not None and self.flags.c_contiguous:
            with contextlib.suppress(OSError):
                path = self._file.require_path()
                return map_file, (path, self.shape, self._offset(self._file), self.dtype.str)
        return np.array(self).__reduce__()

    def _rows(self, index: Any) -> range | NDArray[np.int64] | None:
        """The row numbers that `index` chooses, where these are to be read without the mapping
        (see `_read`).
        """
        if self.ndim < 2 or not self.size or not self.flags.c_contiguous:
            return None
        count = len(self)
        if isinstance(index, slice):
            chosen = range(*index.indices(count))
            return chosen if 0 < len(chosen) * self.nbytes // count < _PLAIN else None
        if isinstance(index, int | np.integer) and not isinstance(index, bool):
            return range(index % count, index % count + 1) if -count <= index < count else None
        return _whole_rows(index, count) if isinstance(index, list | np.ndarray) else None

    def _offset(self, file: _OpenFile) -> int:
        """Where in the file the first element lies."""
        return self.__array_interface__["data"][0] - file.start

    def _read(self, file: _OpenFile, rows: range | NDArray[np.int64]) -> NDArray[Any]:
        """Rows as an array in memory.

        Mapped, every one of them would bring up to 2 MiB around it into memory.
        """
        read = np.empty((len(rows), *self.shape[1:]), self.dtype)
        size, first = self.nbytes // len(self), self._offset(file)
        together = rows.step == 1 if isinstance(rows, range) else _is_range(rows)
        places: Any = [read] if together else read
        for place, row in zip(places, rows, strict=False):
            file.fill(place, first + int(row) * size)
        return read


def map_file(
    file: IO[bytes] | str | Path, shape: tuple[int, ...], offset: int = 0, dtype: str = "|u1"
) -> MappedArray:
    """The array of `shape` that begins at byte `offset` of a file.

    An open file is closed; the array has a handle of its own.
    """
    with Path(file).open("rb") if isinstance(file, str | Path) else file as stream:
        # NumPy's annotations forget the class that is made.
        array: Any = MappedArray(stream, np.dtype(dtype), "r", offset, shape)
        array._file = _OpenFile(stream, array, offset)
    return array


def take_rows(images: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """`images[rows]`. A range of rows of a MappedArray is a view; many rows of one above LIMIT go to a
    temporary file.

    Raises StorageError when no disk has room for them.
    """
    if not isinstance(images, MappedArray) or images.nbytes <= LIMIT or not len(rows):
        return images[rows]
    if rows[0] >= 0 and rows[-1] < len(images) and _is_range(rows):
        return images[rows[0] : rows[-1] + 1]
    if len(rows) * images[0].nbytes <= LIMIT // 4:
        return images[rows]
    chunks = (images[rows[chunk]] for chunk in _chunks(len(rows), images))
    return write_temporary(chunks, (len(rows), *images.shape[1:]))


def concatenate_rows(parts: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """`np.concatenate(parts)`; above LIMIT, where a part lies on the disk, in a temporary file
    (else StorageError: no room).
    """
    mapped = any(isinstance(part, MappedArray) for part in parts)
    if not mapped or sum(part.nbytes for part in parts) <= LIMIT:
        return np.concatenate(parts)
    chunks = (part[chunk] for part in parts for chunk in _chunks(len(part), part))
    return write_temporary(chunks, (sum(map(len, parts)), *parts[0].shape[1:]))


def write_temporary(chunks: Iterator[NDArray[np.uint8]], shape: tuple[int, ...]) -> MappedArray:
    """The rows of all chunks, one after the other, in a temporary file:
    it vanishes with the last array that uses it.
    """
    with temporary_file(math.prod(shape)) as stream:
        for chunk in chunks:
            stream.write(np.ascontiguousarray(chunk).data)
        stream.flush()
        return map_file(stream, shape)


@contextlib.contextmanager
def temporary_file(nbytes: int) -> Iterator[IO[bytes]]:
    """A new file without a name, in the cache folder or else in the system's folder for temporary files.

    Raises StorageError when neither has room, or none any more while the file is written.
    """
    try:
        with _in_a_folder(lambda folder: _open_temporary(folder, nbytes)) as stream:
            yield stream
    except OSError as error:
        raise StorageError(
            f"cannot put {format_gigabytes(nbytes)} of decoded pictures into {pictures_folder()}: "
            f"{storage_failure_text(error)}",
            cure="Set LIGHTFAST_CACHE to a folder with room, or give a smaller `image_size`.",
        ) from error


def _open_temporary(folder: Path, nbytes: int) -> IO[bytes]:
    require_free_space(folder, nbytes)
    with contextlib.suppress(AttributeError, OSError):
        # As tempfile does it, but without O_EXCL: it may be given a name later.
        return os.fdopen(os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600), "w+b")
    return tempfile.TemporaryFile(dir=folder)


def _in_a_folder(make: Callable[[Path], Made]) -> Made:
    """What `make` makes in the cache folder or else in the system's folder for temporary files.

    Raises the first OSError where it can in neither.
    """
    errors: list[OSError] = []
    for folder in (pictures_folder(), Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return make(folder)
        except OSError as error:
            errors.append(error)
    raise errors[0]


def require_free_space(folder: Path, nbytes: int) -> None:
    """Raise OSError unless the disk of `folder` has room for so many bytes."""
    free = shutil.disk_usage(folder).free
    if free < nbytes + _MARGIN:
        raise OSError(None, f"the disk has {format_gigabytes(free)} free")


def storage_failure_text(error: OSError) -> str:
    """Why a file could not be written, in a few words."""
    if error.errno is None:
        return error.strerror or str(error)
    return "the disk is full" if error.errno in _FULL else (error.strerror or str(error)).lower()


def format_gigabytes(nbytes: float) -> str:
    """A size for people, such as 1.5 GB."""
    return f"{nbytes / 1e9:.1f} GB"


def _whole_rows(index: Any, count: int) -> NDArray[np.int64] | None:
    """0..count-1 of a list or array of row numbers; None where it is something else."""
    rows = np.asarray(index)
    if rows.ndim != 1 or rows.dtype.kind not in "iu" or not rows.size:
        return None
    return rows.astype(np.int64) % count if -count <= rows.min() and rows.max() < count else None


def _is_range(rows: NDArray[np.int64]) -> bool:
    """Whether each row follows the one before."""
    return bool((np.diff(rows) == 1).all())


def _chunks(count: int, images: NDArray[np.uint8]) -> Iterator[slice]:
    step = max(1, _CHUNK // max(1, math.prod(images.shape[1:])))
    return (slice(start, start + step) for start in range(0, count, step))
