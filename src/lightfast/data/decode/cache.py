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
import importlib.metadata
import importlib.util
import json
import math
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import features

from lightfast.base.errors import SettingsError, StorageError
from lightfast.base.folders import pictures_folder
from lightfast.base.progress import Reporter
from lightfast.data.dataset import Entry, ImageSpec, Unreadable
from lightfast.data.decode.decode import DECODER
from lightfast.data.decode.examined import DamageChoice
from lightfast.data.decode.files import Decoded, Shape, common_format, decode_files, load_headers
from lightfast.data.decode.stream import stream_pictures
from lightfast.data.images import content_hash
from lightfast.data.mapped import (
    LIMIT,
    format_gigabytes,
    map_file,
    part_folder,
    require_free_space,
    storage_failure_text,
    temporary_file,
)

SMALL_FILES, SMALL_BYTES = 2_000, 2**26
"""Sets below both (files; bytes of pixels) are decoded anew at every start: that takes seconds."""
_LAYOUT = 2
_PICTURES, _FACTS = "pictures.npy", "facts.json"
_OURS = re.compile(r"\.?[0-9a-f]{32}(\..*\.(part|gone))?")
_CHECKED = 16
_ABANDONED = 24 * 3600
"""Seconds after which a half-written set belongs to a process that is gone."""
Work = Callable[..., Decoded]


def load_files(
    entries: Sequence[Entry], target: ImageSpec, name: str, report: Reporter
) -> tuple[Decoded, tuple[str, ...]]:
    """(what the files hold, notes on keeping it and on the common size): out of the cache, else decoded, and
    kept when it is large.

    Raises DataError when no file can be read, StorageError when a set above LIMIT finds no place on any disk
    nor in memory.
    """
    place = pictures_folder() / cache_key(entries, target)
    found, damage = _found(place, entries, target.damaged)
    if found is not None:
        return found, common_format(found.shapes, target, name).notes
    headers = load_headers(entries, report)
    common = common_format(headers.shapes, target, name)
    work = partial(decode_files, entries, headers, common, report)
    shape = (len(headers.readable), *common.shape)
    nbytes = math.prod(shape)
    notes = (*common.notes, *damage)
    if len(entries) < SMALL_FILES and nbytes < SMALL_BYTES:
        return _in_memory(work, shape), notes
    try:
        _make_room(place.parent, nbytes)
        return _kept(work, shape, place), notes
    except OSError as error:
        why = f"are not kept for the next start in {place.parent}: {storage_failure_text(error)}"
    return _for_now(work, shape), (*notes, f"the decoded pictures ({format_gigabytes(nbytes)}) {why}")


def cache_key(entries: Sequence[Entry], target: ImageSpec) -> str:
    """The name of a kept set: files in their order (path, size, time of change, rights), target
    (what becomes of damaged files included), and all that decodes. One stat a file.
    """
    digest = hashlib.blake2b(digest_size=16)
    libraries = [features.version(one) for one in ("jpg", "zlib", "libtiff", "webp", "avif", "jpg_2000")]
    installed = [importlib.util.find_spec(one) is not None for one in ("pillow_heif", "imagecodecs")]
    checked_by = [importlib.metadata.version(one) for one in ("simplejpeg", "tifffile")]
    decoders = [_LAYOUT, DECODER, PIL.__version__, *libraries, *installed, *checked_by]
    wanted = [target.image_size, target.channels, target.largest_side, target.damaged]
    digest.update(json.dumps([decoders, *wanted]).encode())
    for entry in entries:
        try:
            status = entry.path.stat()
            facts = f"{status.st_size} {status.st_mtime_ns} {status.st_mode}"
        except (OSError, ValueError):
            facts = "gone"
        digest.update(os.fsencode(entry.path.absolute()) + f"\0{facts}\0".encode())
    return digest.hexdigest()


def _in_memory(work: Work, shape: tuple[int, ...]) -> Decoded:
    images = np.empty(shape, np.uint8)
    rows = iter(images)
    decoded = work(lambda picture: np.copyto(next(rows), picture), hashed=False)
    return replace(decoded, images=images[: len(decoded.good)])


def _in_file(work: Work, shape: tuple[int, ...], stream: IO[bytes]) -> Decoded:
    """Rows written one after the other behind a header of NumPy's format; none of them stays in memory.

    `stream` is closed.
    """
    _write_header(stream, shape)
    decoded = work(lambda picture: stream.write(np.ascontiguousarray(picture).data), hashed=True)
    shape = (len(decoded.good), *shape[1:])
    # NumPy leaves room in the header for any number of rows.
    offset = _write_header(stream, shape)
    stream.flush()
    return replace(decoded, images=map_file(stream, shape, offset))


def _write_header(stream: IO[bytes], shape: tuple[int, ...]) -> int:
    stream.seek(0)
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return stream.tell()


def _for_now(work: Work, shape: tuple[int, ...]) -> Decoded:
    """In memory, or in a temporary file for this process alone."""
    nbytes = math.prod(shape)
    if nbytes > LIMIT:
        try:
            with temporary_file(nbytes) as stream:
                return _in_file(work, shape, stream)
        except StorageError:
            if nbytes > _memory() / 4:
                raise
    return _in_memory(work, shape)


def _memory() -> int:
    """Bytes of memory that the machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _kept(work: Work, shape: tuple[int, ...], place: Path) -> Decoded:
    """Decoded into a folder of its own, which then gets its name: whole or not at all.

    Raises OSError when it cannot be written.
    """
    folder = part_folder(place.parent, place.name)
    try:
        with (folder / _PICTURES).open("w+b") as stream:
            decoded = _in_file(work, shape, stream)
        (folder / _FACTS).write_text(_facts(decoded), encoding="utf-8")
        # Where another process has decoded the same meanwhile its set stays, and this one reads from a file
        # that has lost its name.
        with contextlib.suppress(OSError):
            folder.rename(place)
            return replace(decoded, images=_mapped(place))
        return decoded
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _mapped(place: Path) -> NDArray[np.uint8]:
    """Raises ValueError for a file that is not NumPy's, or cut off."""
    array = np.lib.format.open_memmap(place / _PICTURES, mode="r")
    return map_file(place / _PICTURES, array.shape, array.offset)


def _facts(decoded: Decoded) -> str:
    facts = {
        "shape": list(decoded.images.shape),
        "unreadable": sorted(decoded.unreadable.items()),
        "shapes": [[*shape, number] for shape, number in decoded.shapes.items()],
        "sizes": dict(decoded.sizes),
        "more": dict(decoded.more),
        "remarks": dict(decoded.remarks),
        "hashes": list(decoded.hashes or ()),
    }
    text = json.dumps(facts)
    return json.dumps({"digest": _digest(text), "facts": text})


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _found(
    place: Path, entries: Sequence[Entry], damaged: DamageChoice
) -> tuple[Decoded | None, tuple[str, ...]]:
    """(what is kept there, nothing to say), or (None, notes)."""
    if not place.is_dir():
        return None, ()
    try:
        decoded = _loaded(place, entries)
    except (OSError, ValueError, KeyError, TypeError):
        _remove(place)
        return None, ("decoded pictures kept from an earlier start were damaged: decoded again",)
    if _can_be_read_now(decoded, entries, damaged):
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
    images, hashes, unreadable = _mapped(place), tuple(facts["hashes"]), dict(facts["unreadable"])
    good = tuple(index for index in range(len(entries)) if index not in unreadable)
    if facts["shape"] != list(images.shape) or not len(good) == len(images) == len(hashes):
        raise ValueError("rows")
    for row in {round(step * (len(images) - 1) / _CHECKED) for step in range(_CHECKED + 1)}:
        if content_hash(images[row]) != hashes[row]:
            raise ValueError("pixels")
    shapes: Counter[Shape] = Counter({tuple(shape): number for *shape, number in facts["shapes"]})
    sizes, more, remarks = (Counter[str](facts[name]) for name in ("sizes", "more", "remarks"))
    return Decoded(images, good, unreadable, shapes, sizes, more, remarks, hashes)


def _can_be_read_now(decoded: Decoded, entries: Sequence[Entry], damaged: DamageChoice) -> bool:
    """Whether a file that could not be read can be now, or for another reason cannot:
    rights of a folder change without its files.
    """
    broken = [entries[index] for index in decoded.unreadable]
    now = stream_pictures(broken, None, None, damaged=damaged)
    reasons = [one.reason if isinstance(one, Unreadable) else "" for _, one in now]
    return reasons != list(decoded.unreadable.values())


def _make_room(folder: Path, nbytes: int) -> None:
    """Let the sets go that were longest not used.

    Raises OSError when the new one may not or cannot be kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    limit = cache_limit()
    if nbytes > limit:
        raise OSError(None, f"more than LIGHTFAST_CACHE_GB={limit / 1e9:g}")
    # Nothing else in that folder is ever removed.
    places = (place for place in folder.iterdir() if _OURS.fullmatch(place.name) and place.is_dir())
    ours = sorted((*_usage(place), place) for place in places)
    total = nbytes + sum(size for _, size, _ in ours)
    for used, size, place in ours:
        half = place.name.startswith(".")
        if time.time() - used > _ABANDONED if half else total > limit:
            _remove(place)
            total -= size
    require_free_space(folder, nbytes)


def cache_limit() -> float:
    """How many bytes of copies may be kept, as LIGHTFAST_CACHE_GB says; raises SettingsError where that is no
    number.
    """
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


def _usage(place: Path) -> tuple[float, int]:
    """(time of the last use, bytes) of a folder."""
    try:
        files = [one.stat() for one in place.iterdir()] or [place.stat()]
    except OSError:
        # Another process is removing it.
        return 0.0, 0
    return max(one.st_mtime for one in files), sum(one.st_size for one in files)


def _remove(place: Path) -> None:
    """Out of the way at once, so that nobody finds half of it;
    whoever reads from it keeps what he has open.
    """
    gone = place.with_name(f".{place.name.strip('.')}.{os.getpid()}.gone")
    with contextlib.suppress(OSError):
        place.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
