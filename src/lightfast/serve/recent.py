"""What was looked up a moment ago, for a bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")
_MOST = 10_000
"""Values that are kept; past that all are looked up anew."""


class Recent(Generic[Value]):
    """Values by name, each for `seconds` from the moment at which its look-up began; `clock` gives seconds
    that only grow. For one thread.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._held: dict[str, tuple[Value, float]] = {}
        self._turn = 0

    def get(self, name: str) -> Value | None:
        """The value, while it counts."""
        found = self._held.get(name)
        return None if found is None or self._clock() >= found[1] else found[0]

    def begin(self) -> tuple[int, float]:
        """To be called before a value is looked up, for `keep`."""
        return self._turn, self._clock()

    def keep(self, name: str, value: Value, began: tuple[int, float]) -> None:
        """Hold what was looked up since `began`, unless all was forgotten meanwhile."""
        turn, moment = began
        # What is forgotten by another thread from here on takes these values with it.
        held = self._held
        if turn != self._turn:
            return
        if len(held) >= _MOST:
            held.clear()
        held[name] = (value, moment + self._seconds)

    def forget(self) -> None:
        """Hold nothing any more, nor what is being looked up now. May be called from any thread."""
        self._turn += 1
        self._held = {}
