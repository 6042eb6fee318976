"""The queue follows what people decide: after every handful a live head learns it, and the doubtful ones come
first.

It works in a thread of its own, never in the way of a decision; what somebody has in hand does not move.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping

from sqlalchemy.exc import SQLAlchemyError

from lightfast.base.errors import DataError, LightfastError
from lightfast.library.library import Library
from lightfast.library.live import LibraryHead
from lightfast.library.search.likeness import default_source

HANDFUL = 10
"""Decisions after which the head learns."""
_ANEW_SECONDS = 60.0
"""A head knows the pictures that waited when it was made: a new one is made after so long, where it has
work.
"""
_ANSWER_SECONDS = 0.05
"""The decision that completes a handful is answered first: to learn takes the whole interpreter."""
_LOG = logging.getLogger("lightfast.serve")


class QueueFollower:
    """Told of every decision; `guesses` says what the head holds of a picture now."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._head: LibraryHead | None = None
        self._made = -_ANEW_SECONDS
        self._since = 0
        self._lock, self._wanted, self._closing = threading.Lock(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="queue-follower", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def decided(self, count: int) -> None:
        """So many decisions were made."""
        with self._lock:
            self._since += count
            if self._since >= HANDFUL:
                self._since = 0
                self._wanted.set()

    def guesses(self, asset_id: int) -> Mapping[str, float]:
        """label → probability by the head; nothing before it has learnt, and of a picture that it does not
        know.
        """
        head = self._head
        return {} if head is None else head.probabilities(asset_id)

    def close(self) -> None:
        """End after the step that is under way."""
        self._closing.set()
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._closing.wait(_ANSWER_SECONDS):
                return
            try:
                self._step()
            except DataError as error:
                # Pictures without features have no order of their own; whoever embeds them gets one.
                _LOG.info("the queue keeps its order: %s", error)
            except (LightfastError, SQLAlchemyError) as error:
                _LOG.warning("the queue keeps its order: %s", error)

    def _step(self) -> None:
        head = self._head
        if head is None or time.monotonic() - self._made > _ANEW_SECONDS:
            head = LibraryHead(self._library, default_source(self._library))
            self._made = time.monotonic()
        head.follow()
        self._head = head
