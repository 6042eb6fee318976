"""Decoded pictures kept between starts: one memory-mapped array a set of files, under a key of the files and
of what is made of them.

A kept set is a folder `pictures/KEY/` in the cache folder with `pictures.npy`, uint8 (N, H, W, C), and
`facts.json`. Labels, class names and parts are not in it: relabelled pictures are not decoded again. Anything
about a file that changes (path, size, time of change, rights) changes the key.

Environment: LIGHTFAST_CACHE names the cache folder; LIGHTFAST_CACHE_GB is how much decoded pictures may take
there (20): the sets longest not used go first, and 0 keeps nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import math
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import features

from lightfast.base.errors import SettingsError, StorageError
from lightfast.base.progress import Reporter
from lightfast.data.decode import DECODER
from lightfast.data.images import content_hash
from lightfast.data.loaded import Entry, Target, Unreadable
from lightfast.data.reading import Decoded, Plan, RowsInMemory, Seen, decode, look, plan_for
from lightfast.data.stored import (
    LIMIT,
    StoredArray,
    cache_folder,
    gigabytes,
    mapped,
    no_room,
    require_room,
    said,
    unnamed_file,
)
from lightfast.data.stream import stream_pictures

SMALL_FILES, SMALL_BYTES = 2_000, 2**26
"""Sets below both (files; bytes of pixels) are decoded anew at every start: that takes seconds."""
_LAYOUT = 1
_PICTURES, _FACTS = "pictures.npy", "facts.json"
_CHECKED = 16
_ABANDONED = 24 * 3600
"""Seconds after which a half-written set belongs to a process that is gone."""


def read_files(
    entries: Sequence[Entry], target: Target, name: str, report: Reporter
) -> tuple[Decoded, tuple[str, ...]]:
    """(what the files hold, notes on keeping it and on the common size): out of the cache, else decoded, and
    kept when it is large.

    Raises DataError when no file can be read, StorageError when a set above LIMIT finds no place on any disk
    nor in memory.
    """
    folder = cache_folder()
    key = key_of(entries, target)
    found, damage = _found(folder / key, entries)
    if found is not None:
        return found, plan_for(found.shapes, target, name).notes
    seen = look(entries, report)
    plan = plan_for(seen.shapes, target, name)
    count = len(seen.hopeful)
    nbytes = count * math.prod(plan.shape)
    notes = (*plan.notes, *damage)
    if len(entries) < SMALL_FILES and nbytes < SMALL_BYTES:
        return _in_memory(entries, seen, plan, report), notes
    try:
        _make_room(folder, nbytes)
        return _kept(folder / key, entries, seen, plan, report), notes
    except OSError as error:
        note = (
            f"the decoded pictures ({gigabytes(nbytes)}) are not kept for the next start in {folder}: "
            f"{said(error)}"
        )
    return _for_now(entries, seen, plan, report), (*notes, note)


def key_of(entries: Sequence[Entry], target: Target) -> str:
    """The name of a kept set: files in their order (path, size, time of change, rights), target,
    and all that decodes. One stat a file.
    """
    digest = hashlib.blake2b(digest_size=16)
    libraries = [features.version(one) for one in ("jpg", "zlib", "libtiff", "webp", "avif", "jpg_2000")]
    decoders = [
        _LAYOUT,
        DECODER,
        PIL.__version__,
        *libraries,
        importlib.util.find_spec("pillow_heif") is not None,
    ]
    digest.update(json.dumps([decoders, target.image_size, target.channels, target.largest_side]).encode())
    here = os.fspath(Path.cwd())
    for entry in entries:
        try:
            status = entry.path.stat()
            facts = f"{status.st_size} {status.st_mtime_ns} {status.st_mode}"
        except (OSError, ValueError):
            facts = "gone"
        path = os.fspath(entry.path)
        digest.update(
            os.fsencode(path if path.startswith(os.sep) else f"{here}{os.sep}{path}")
            + f"\0{facts}\0".encode()
        )
    return digest.hexdigest()


def _in_memory(entries: Sequence[Entry], seen: Seen, plan: Plan, report: Reporter) -> Decoded:
    rows = RowsInMemory(np.empty((len(seen.hopeful), *plan.shape), dtype=np.uint8))
    return decode(entries, seen, plan, rows, report, hashed=False)


def _for_now(entries: Sequence[Entry], seen: Seen, plan: Plan, report: Reporter) -> Decoded:
    """In memory, or in a file without a name for this process alone."""
    nbytes = len(seen.hopeful) * math.prod(plan.shape)
    if nbytes <= LIMIT:
        return _in_memory(entries, seen, plan, report)
    try:
        stream = unnamed_file(nbytes)
    except StorageError:
        if nbytes > _memory() / 4:
            raise
        return _in_memory(entries, seen, plan, report)
    with stream:
        try:
            return decode(entries, seen, plan, _RowsInFile(stream, plan.shape), report, hashed=True)
        except OSError as error:
            raise no_room(cache_folder(), nbytes, error) from error


def _memory() -> int:
    """Bytes of memory that the machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@dataclass
class _RowsInFile:
    """Rows written one after the other behind a header of NumPy's format; none of them stays in memory."""

    stream: IO[bytes]
    shape: tuple[int, int, int]
    hashes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._write_header()

    def add(self, picture: NDArray[np.uint8], content: str) -> None:
        """One more picture (H, W, C) with its content hash."""
        self.stream.write(np.ascontiguousarray(picture).data)
        self.hashes.append(content)

    def finished(self) -> tuple[StoredArray, tuple[str, ...]]:
        """The rows as an array, and their hashes."""
        # NumPy leaves room in the header for any number of rows.
        offset = self._write_header()
        self.stream.flush()
        return mapped(self.stream, (len(self.hashes), *self.shape), offset), tuple(self.hashes)

    def _write_header(self) -> int:
        self.stream.seek(0)
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(self.hashes), *self.shape)}
        np.lib.format.write_array_header_1_0(self.stream, header)
        return self.stream.tell()


def _kept(place: Path, entries: Sequence[Entry], seen: Seen, plan: Plan, report: Reporter) -> Decoded:
    """Decoded into a folder of its own, which then gets its name: whole or not at all.

    Raises OSError when it cannot be written.
    """
    folder = Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=".part", dir=place.parent))
    try:
        with (folder / _PICTURES).open("w+b") as stream:
            decoded = decode(entries, seen, plan, _RowsInFile(stream, plan.shape), report, hashed=True)
        (folder / _FACTS).write_text(_written(decoded), encoding="utf-8")
        # Where another process has decoded the same meanwhile its set stays, and this one reads from a file
        # that has lost its name.
        with contextlib.suppress(OSError):
            folder.rename(place)
        return decoded
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _written(decoded: Decoded) -> str:
    facts = {
        "shape": list(decoded.images.shape),
        "unreadable": sorted(decoded.unreadable.items()),
        "shapes": [[*shape, number] for shape, number in decoded.shapes.items()],
        "sizes": dict(decoded.sizes),
        "more": dict(decoded.more),
        "hashes": list(decoded.hashes or ()),
    }
    text = json.dumps(facts)
    return json.dumps({"digest": _digest(text), "facts": text})


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _found(place: Path, entries: Sequence[Entry]) -> tuple[Decoded | None, tuple[str, ...]]:
    """(what is kept there, nothing to say), or (None, notes)."""
    if not place.is_dir():
        return None, ()
    try:
        decoded = _loaded(place, entries)
    except (OSError, ValueError, KeyError, TypeError):
        _remove(place)
        return None, ("decoded pictures kept from an earlier start were damaged: decoded again",)
    if _can_be_read_now(decoded, entries):
        _remove(place)
        return None, ()
    with contextlib.suppress(OSError):
        # The time of the last use, by which the oldest goes.
        os.utime(place / _FACTS)
    return decoded, ()


def _loaded(place: Path, entries: Sequence[Entry]) -> Decoded:
    """Raises ValueError, KeyError, TypeError or OSError for anything but a
    whole set that this module wrote.
    """
    outer = json.loads((place / _FACTS).read_text(encoding="utf-8"))
    if _digest(outer["facts"]) != outer["digest"]:
        raise ValueError("facts")
    facts: dict[str, Any] = json.loads(outer["facts"])
    shape = tuple(facts["shape"])
    unreadable = dict(facts["unreadable"])
    good = tuple(index for index in range(len(entries)) if index not in unreadable)
    if not len(good) == shape[0] == len(facts["hashes"]):
        raise ValueError("rows")
    with (place / _PICTURES).open("rb") as stream:
        np.lib.format.read_magic(stream)
        written = np.lib.format.read_array_header_1_0(stream)
        offset = stream.tell()
        if (
            written != (shape, False, np.dtype(np.uint8))
            or offset + math.prod(shape) != os.fstat(stream.fileno()).st_size
        ):
            raise ValueError("pictures")
        images = mapped(stream, shape, offset)
    hashes = tuple(facts["hashes"])
    for row in {round(step * (len(images) - 1) / _CHECKED) for step in range(_CHECKED + 1)}:
        if content_hash(images[row]) != hashes[row]:
            raise ValueError("pixels")
    shapes = Counter(
        {(height, width, channels): number for height, width, channels, number in facts["shapes"]}
    )
    return Decoded(images, good, unreadable, shapes, Counter(facts["sizes"]), Counter(facts["more"]), hashes)


def _can_be_read_now(decoded: Decoded, entries: Sequence[Entry]) -> bool:
    """Whether a file that could not be read can be now, or for another reason cannot:
    rights of a folder change without its files.
    """
    now = stream_pictures((entries[index] for index in decoded.unreadable), None, None)
    reasons = decoded.unreadable.values()
    return any(
        not isinstance(one, Unreadable) or one.reason != why
        for (_, one), why in zip(now, reasons, strict=True)
    )


def _make_room(folder: Path, nbytes: int) -> None:
    """Let the sets go that were longest not used.

    Raises OSError when the new one may not or cannot be kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    limit = _limit()
    if nbytes > limit:
        raise OSError(None, f"more than LIGHTFAST_CACHE_GB={limit / 1e9:g}")
    ages = sorted(
        (_last_use(place), place) for place in folder.iterdir() if place.is_dir() and _is_ours(place)
    )
    sizes = {place: _size(place) for _, place in ages}
    for used, place in ages:
        if place.name.startswith("."):
            if time.time() - used > _ABANDONED:
                shutil.rmtree(place, ignore_errors=True)
                sizes.pop(place)
        elif sum(sizes.values()) + nbytes > limit:
            _remove(place)
            sizes.pop(place)
    require_room(folder, nbytes)


def _limit() -> float:
    told = os.environ.get("LIGHTFAST_CACHE_GB", "20")
    try:
        limit = float(told)
    except ValueError:
        limit = math.nan
    if not limit >= 0:
        raise SettingsError(
            f"LIGHTFAST_CACHE_GB={told}",
            expected="a number of gigabytes",
            cure="For instance 20; 0 keeps nothing.",
        )
    return limit * 1e9


def _is_ours(place: Path) -> bool:
    """Nothing else in that folder is ever removed."""
    name = place.name[1:] if place.name.startswith(".") else place.name
    key, _, rest = name.partition(".")
    return (
        len(key) == 32
        and set(key) <= set("0123456789abcdef")
        and (not rest or rest.endswith((".part", ".gone")))
    )


def _last_use(place: Path) -> float:
    with contextlib.suppress(OSError):
        return max((one.stat().st_mtime for one in place.iterdir()), default=place.stat().st_mtime)
    return 0.0


def _size(place: Path) -> int:
    with contextlib.suppress(OSError):
        return sum(one.stat().st_size for one in place.iterdir())
    return 0


def _remove(place: Path) -> None:
    """Out of the way at once, so that nobody finds half of it;
    whoever reads from it keeps what he has open.
    """
    gone = place.with_name(f".{place.name.strip('.')}.{os.getpid()}.gone")
    with contextlib.suppress(OSError):
        place.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
