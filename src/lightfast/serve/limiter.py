"""How often somebody may do something: a bucket that fills at a steady rate."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

_MOST = 10_000
"""Buckets that are kept; the one that was used the longest ago goes first."""


class Limiter:
    """Buckets of `burst` tokens, one a name, each filled by `rate` tokens a second."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self.burst, self._clock = rate, float(burst), clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_for(self, name: str) -> float:
        """Take a token: 0 where there was one, else the seconds until there will be."""
        with self._lock:
            moment = self._clock()
            held, then = self._buckets.pop(name, (self.burst, moment))
            held = min(self.burst, held + (moment - then) * self.rate)
            allowed = held >= 1
            self._buckets[name] = (held - 1 if allowed else held, moment)
            if len(self._buckets) > _MOST:
                self._buckets.popitem(last=False)
            return 0.0 if allowed else (1 - held) / self.rate
