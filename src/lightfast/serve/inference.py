"""Predictions for many requests at once, by the exported model in ONNX Runtime.

One thread a core takes what waits, at most a batch at a time. Nothing waits for a batch to fill: a request
that comes while a thread is idle is computed at once, and those that come meanwhile go together.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from lightfast.base.errors import ConflictError
from lightfast.data.decode.decode import decode_bytes
from lightfast.data.decode.unreadable import printable
from lightfast.library.library import Library
from lightfast.library.schema import models
from lightfast.library.uploads import Upload
from lightfast.tagging.runtime import Tagger

_LOOK_AGAIN = 1.0
"""Seconds after which another promoted model is seen."""
_MOST_WAITING = 4_096


class Overloaded(Exception):
    """More pictures wait than are ever computed in time."""


_Outcome = NDArray[np.float32] | Exception
"""Probabilities float32 (K,), or why there are none."""


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A picture, who is told (a future of a thread or of an event loop), and that loop."""

    upload: Upload
    answer: Future[NDArray[np.float32]] | asyncio.Future[NDArray[np.float32]]
    loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_given_up(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.answer.cancelled()

    def begin(self) -> bool:
        """Whether somebody still waits for it; a thread that does cannot turn away from here on."""
        if isinstance(self.answer, Future):
            return self.answer.set_running_or_notify_cancel()
        return not self.answer.cancelled()


class MicroBatcher:
    """Threads that decode pictures and answer with probabilities; `close` ends them after what waits.

    Args:
        tagger: the model, and how many calls of it keep the machine busy.
        observe: told the size of every batch.
    """

    def __init__(self, tagger: Tagger, observe: Callable[[int], object] = lambda _: None) -> None:
        self.tagger, self._observe = tagger, observe
        self._waiting: deque[_Waiting] = deque()
        self._some = threading.Condition()
        self._closed = False
        names = [f"pictures-inference-{number}" for number in range(tagger.threads)]
        self._threads = [threading.Thread(target=self._work, name=name, daemon=True) for name in names]
        for thread in self._threads:
            thread.start()

    def submit(self, upload: Upload) -> Future[NDArray[np.float32]]:
        """The probabilities float32 (K,) to be; the future raises UnreadablePicture for what is no picture.

        Raises Overloaded where more wait than are ever answered in time, and after `close`.
        """
        answer: Future[NDArray[np.float32]] = Future()
        self._put(_Waiting(upload, answer))
        return answer

    def ask(self, upload: Upload) -> asyncio.Future[NDArray[np.float32]]:
        """What `submit` gives, to be awaited in the running event loop, which is woken once a batch and not
        once a picture.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[NDArray[np.float32]] = loop.create_future()
        self._put(_Waiting(upload, answer, loop))
        return answer

    def _put(self, one: _Waiting) -> None:
        with self._some:
            if len(self._waiting) >= _MOST_WAITING:
                self._waiting = deque(one for one in self._waiting if not one.is_given_up)
            if self._closed or len(self._waiting) >= _MOST_WAITING:
                raise Overloaded
            self._waiting.append(one)
            self._some.notify()

    def close(self) -> None:
        """Compute what waits, then end the threads."""
        with self._some:
            self._closed = True
            self._some.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while batch := self._next():
            self._answer(batch)

    def _next(self) -> list[_Waiting]:
        """What somebody waits for, at most a batch; nothing once closed and empty."""
        with self._some:
            while True:
                batch: list[_Waiting] = []
                while self._waiting and len(batch) < self.tagger.batch:
                    one = self._waiting.popleft()
                    # What was given up takes no place in the batch.
                    if one.begin():
                        batch.append(one)
                if batch or self._closed:
                    return batch
                self._some.wait()

    def _answer(self, wanted: list[_Waiting]) -> None:
        outcomes = [self._decoded(one.upload) for one in wanted]
        read = [one for one in outcomes if not isinstance(one, Exception)]
        if read:
            self._observe(len(read))
        found = iter(self._inferred(read) if read else ())
        _tell(wanted, [one if isinstance(one, Exception) else next(found) for one in outcomes])

    def _decoded(self, upload: Upload) -> NDArray[np.uint8] | Exception:
        """The picture in the model's shape, or why it is none."""
        height, width, channels = self.tagger.card.image_shape
        try:
            return decode_bytes(upload.data, printable(upload.name), (height, width), channels)
        except Exception as error:  # noqa: BLE001  see _inferred
            return error

    def _inferred(self, images: Sequence[NDArray[np.uint8]]) -> Sequence[_Outcome]:
        try:
            return list(self.tagger.infer(np.stack(images)))
        # Whatever the runtime raises belongs to those who wait; the thread goes on.
        except Exception as error:  # noqa: BLE001
            return [error] * len(images)


def _tell(waiting: Sequence[_Waiting], outcomes: Sequence[_Outcome]) -> None:
    """Give everybody the own outcome; every event loop is woken once."""
    loops: dict[asyncio.AbstractEventLoop | None, list[tuple[_Waiting, _Outcome]]] = {}
    for one, outcome in zip(waiting, outcomes, strict=True):
        loops.setdefault(one.loop, []).append((one, outcome))
    for loop, told in loops.items():
        if loop is None:
            _settle(told)
            continue
        # A loop that ended has nobody who waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, told)


def _settle(told: Sequence[tuple[_Waiting, _Outcome]]) -> None:
    for one, outcome in told:
        if one.answer.cancelled():
            continue
        if isinstance(outcome, Exception):
            one.answer.set_exception(outcome)
        else:
            one.answer.set_result(outcome)


class HeldModel:
    """A model that is being served, and what it was opened from."""

    def __init__(
        self, run: str, model_id: int | None, device: str, observe: Callable[[int], object], share: int = 1
    ) -> None:
        from lightfast.runs.options import RunOptions
        from lightfast.runs.predict.predict import tagger_for

        self.run, self.model_id = run, model_id
        self._stack = ExitStack()
        tagger = self._stack.enter_context(tagger_for(run, RunOptions(device=device)))
        # The processes of one service share the cores.
        self.tagger = replace(tagger, threads=max(1, tagger.threads // share))
        self.batcher = MicroBatcher(self.tagger, observe)

    def close(self) -> None:
        """Answer what waits, then give the model back."""
        self.batcher.close()
        self._stack.close()


class ModelHolder:
    """The model in use: the run that the server was started with, or else the library's promoted one, which
    is looked up again every second. While a new one is being opened the old one answers. `share`: so many
    processes share the machine.
    """

    def __init__(
        self, library: Library, run: str | None, device: str, observe: Callable[[int], object], share: int = 1
    ) -> None:
        self._library, self._run, self._device, self._observe = library, run, device, observe
        self._share = share
        self._held: HeldModel | None = None
        self._checked = -_LOOK_AGAIN
        self._lock = threading.Lock()

    @property
    def ready(self) -> HeldModel | None:
        """The model where it need not be looked up, or another thread is at it."""
        fresh = self._run or time.monotonic() - self._checked < _LOOK_AGAIN or self._lock.locked()
        return self._held if fresh else None

    def current(self) -> HeldModel:
        """The model to ask now; opened where it has to be. Raises DataError where there is none."""
        with self._lock:
            return self._look()

    def close(self) -> None:
        """Give the model back."""
        with self._lock:
            held, self._held = self._held, None
        if held is not None:
            held.close()

    def _look(self) -> HeldModel:
        number, run = (None, self._run) if self._run else promoted_model(self._library)
        held = self._held
        if held is None or (held.run, held.model_id) != (run, number):
            fresh = HeldModel(run, number, self._device, self._observe, self._share)
            self._held = fresh
            if held is not None:
                held.close()
            held = fresh
        self._checked = time.monotonic()
        return held


def promoted_model(library: Library) -> tuple[int, str]:
    """(number, run) of the model in use; raises DataError where none was promoted."""
    with library.store.read() as connection:
        row = connection.execute(
            select(models.c.id, models.c.run)
            .where(models.c.promoted_at.isnot(None), models.c.rolled_back_at.is_(None))
            .order_by(models.c.promoted_at.desc())
            .limit(1)
        ).one_or_none()
    if row is None:
        raise ConflictError("the library has no model yet", cure="Train or register one and promote it.")
    outside = Path(row.run).is_absolute() or row.run.startswith("hf-hub:")
    return row.id, row.run if outside else str(library.folder / row.run)
