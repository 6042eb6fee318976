"""Pictures one after the other, decoded ahead in threads: in order,
and never more of them waiting than agreed.
"""

from __future__ import annotations

import threading
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import SettingsError
from lightfast.base.parallel import usable_cores
from lightfast.data.dataset import Entry, Unreadable
from lightfast.data.decode.decode import decode_file
from lightfast.data.decode.examined import DamageChoice
from lightfast.data.decode.unreadable import UnreadablePicture

AHEAD = 64
_THREADS = "pictures"
_LIBRARIES = ("PIL.", "pillow_heif.")
_FILTERS = threading.Lock()
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def stream_pictures(
    entries: Iterable[Entry],
    image_size: tuple[int, int] | None,
    channels: int | None,
    jobs: int | None = None,
    ahead: int = AHEAD,
    damaged: DamageChoice = "refuse",
) -> Generator[tuple[Entry, NDArray[np.uint8] | Unreadable], None, None]:
    """(entry, its picture uint8 (H, W, C) or why it cannot be read) of every entry, in order, as
    `decode_file` reads them.

    Args:
        entries: read one by one as they are needed; may be endless.
        image_size: (H, W) in pixels that every picture gets, or None to keep its own.
        channels: 1 (grey), 3 (RGB), or None to keep what is there.
        jobs: threads that decode (Pillow computes outside Python's lock); None = one a usable core, at most
            8.
        ahead: at most so many pictures are being decoded or wait; the threads stop until the caller has taken
            one.
        damaged: "read" reads damaged pixels as far as they go.

    Closing the generator stops the threads. Raises SettingsError for `jobs` or `ahead` below 1.
    """
    decode = partial(decode_file, image_size=image_size, channels=channels, damaged=damaged)
    return map_in_order(lambda entry: (entry, or_unreadable(decode, entry.path)), entries, jobs, ahead)


def map_in_order(
    work: Callable[[_Item], _Result], items: Iterable[_Item], jobs: int | None = None, ahead: int = AHEAD
) -> Generator[_Result, None, None]:
    """`work(item)` of every item in order, from `jobs` threads;
    at most `ahead` items are being worked on or wait. Errors are raised.

    What Pillow warns about in these threads is ignored: odd metadata of files that it decodes well.
    """
    if jobs is not None and jobs < 1:
        raise SettingsError(f"jobs {jobs}", expected="at least 1", cure="Leave it out for one a core.")
    if ahead < 1:
        raise SettingsError(f"ahead {ahead}", expected="at least 1 picture")
    return _in_order(work, items, jobs or min(8, usable_cores()), ahead)


def _in_order(
    work: Callable[[_Item], _Result], items: Iterable[_Item], jobs: int, ahead: int
) -> Generator[_Result, None, None]:
    waiting: deque[Future[_Result]] = deque()
    pool = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix=_THREADS)
    with _pillow_ignored():
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) == ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            # Also when the caller has seen enough, or Ctrl-C: what was not begun is dropped.
            pool.shutdown(wait=True, cancel_futures=True)


class _InTheseThreads:
    """Stands where a warning filter has its pattern of modules."""

    # For those who set the filters up again elsewhere, as scikit-learn does in its workers.
    pattern = r"(PIL|pillow_heif)\."

    def match(self, module: str) -> bool:
        return module.startswith(_LIBRARIES) and threading.current_thread().name.startswith(_THREADS)


_IGNORED: Any = ("ignore", None, Warning, _InTheseThreads(), 0)


@contextmanager
def _pillow_ignored() -> Iterator[None]:
    """`warnings.catch_warnings` would silence every thread of the process, and where two overlap put back
    the filters of the wrong one: here each adds one filter that matches in threads of pools alone, and takes
    one away.
    """
    with _FILTERS:
        # A new list: another thread may be going through the old one.
        warnings.filters = [_IGNORED, *warnings.filters]
    try:
        yield
    finally:
        with _FILTERS:
            warnings.filters = left = list(warnings.filters)
            # Not there where somebody has put back older filters meanwhile.
            with suppress(ValueError):
                left.remove(_IGNORED)


def or_unreadable(work: Callable[[Path], _Result], path: Path) -> _Result | Unreadable:
    """`work(path)`, or what is wrong with the file."""
    try:
        return work(path)
    except UnreadablePicture as error:
        return Unreadable(error.path, error.reason)
