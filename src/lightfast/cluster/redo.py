"""Remote calls whose results come back in order, and that are made again when their machine is lost."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lightfast.base.errors import ClusterError

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Redo:
    """How a cluster's losses are met.

    Attributes:
        times: how often one call is made again after its worker, its machine or its memory was lost.
        patience: seconds that are waited while no machine with a free core is there.
    """

    times: int = 3
    patience: float = 120.0


@dataclass
class _Call:
    """One call: its number in the order, what it is about, and how often it was lost."""

    number: int
    item: Any
    lost: int = 0


def cluster_cores() -> int:
    """Cores of the machines that are in the cluster now."""
    import ray

    return int(ray.cluster_resources().get("CPU", 0))


def in_order(
    call: Callable[[_Item], Any],
    items: Iterable[_Item],
    redo: Redo,
    *,
    at_once: Callable[[], int] = cluster_cores,
    ahead: int | None = None,
    what: str = "task",
) -> Generator[Any, None, None]:
    """The result of `call(item)` of every item, in order; each exactly once, however often it was computed.

    Args:
        call: submits one remote call, which Ray itself does not repeat, and gives its reference; or gives
            the result itself where it is known.
        items: read one by one as there is room for them; may be endless.
        redo: how often a lost call is made again.
        at_once: how many calls may be under way; asked again and again, since machines come and go.
        ahead: so many results at most are computed or wait; None = no limit. While the caller does not take
            them, nothing more is begun.
        what: what a call is called in messages.

    An exception of a call ends the stream and is raised here as it was, in its turn: what comes before it
    comes first, and nothing more is begun. Raises ClusterError, in its turn too, for a call that is lost more
    often than `redo.times`, and at once where no machine is left. Closing the stream ends what runs.
    """
    calls, following = _Calls(call, enumerate(items), _Waiting(redo, at_once, what)), 0
    try:
        while calls.begin(ahead):
            if following not in calls.done:
                calls.gather()
            while following in calls.done:
                yield calls.take(following)
                following += 1
    finally:
        calls.end()


@dataclass
class _Calls:
    """Calls that are under way, by their references, and the results that wait for their turn; so do the
    exceptions of those that failed.
    """

    call: Callable[[Any], Any]
    source: Iterator[tuple[int, Any]]
    waiting: _Waiting
    under_way: dict[Any, _Call] = field(default_factory=dict)
    done: dict[int, Any] = field(default_factory=dict)
    failed: dict[int, Exception] = field(default_factory=dict)

    def take(self, number: int) -> Any:
        """The result whose turn has come; raises the exception of one that failed."""
        result = self.done.pop(number)
        if number in self.failed:
            raise self.failed[number]
        return result

    def begin(self, ahead: int | None) -> bool:
        """Begin as many calls as there is room for; whether any is under way or done."""
        import ray

        room = self.waiting.room() - len(self.under_way)
        if ahead is not None:
            room = min(room, ahead - len(self.under_way) - len(self.done))
        if not self.under_way and not self.done:
            # Also where no machine is there: that is told when none comes.
            room = max(1, room)
        if self.failed:
            room = 0
        for number, item in itertools.islice(self.source, max(0, room)):
            begun = self.call(item)
            if isinstance(begun, ray.ObjectRef):
                self.under_way[begun] = _Call(number, item)
            else:
                self.done[number] = begun
        return bool(self.under_way or self.done)

    def gather(self) -> None:
        """Take the results that are there; begin again what was lost."""
        import ray
        from ray.exceptions import RayError

        for reference in self.waiting.finished(list(self.under_way)):
            one = self.under_way.pop(reference)
            try:
                self.done[one.number] = ray.get(reference)
            except RayError as error:
                failure = _failure(error, one, self.waiting)
                if failure is None:
                    self.under_way[self.call(one.item)] = one
                else:
                    self.failed[one.number], self.done[one.number] = failure, None

    def end(self) -> None:
        """End what is still under way."""
        import ray

        for reference in self.under_way:
            ray.cancel(reference, force=True)


class _Waiting:
    """How long nothing has come from a cluster without cores."""

    def __init__(self, redo: Redo, at_once: Callable[[], int], what: str) -> None:
        self.redo, self.at_once, self.what = redo, at_once, what
        self._asked, self._room, self._cores_seen = -1.0, 0, time.monotonic()

    def room(self) -> int:
        """How many calls may be under way; the cluster is asked once a second at most."""
        now = time.monotonic()
        if now - self._asked > 1:
            self._asked, self._room = now, self.at_once()
            if cluster_cores():
                self._cores_seen = now
        return self._room

    def finished(self, references: list[Any]) -> list[Any]:
        """Those that have ended; raises ClusterError when no machine has been there for too long."""
        import ray

        if not references:
            return []
        ended, _ = ray.wait(references, num_returns=1, timeout=1)
        self.room()
        if not ended and time.monotonic() - self._cores_seen > self.redo.patience:
            raise ClusterError(
                f"no machine of the cluster has been there for {self.redo.patience:g} seconds",
                cure="Start machines again (ray start), and the same command: what was finished is kept.",
            )
        return ended


def _failure(error: Exception, one: _Call, waiting: _Waiting) -> Exception | None:
    """What is raised for a call that failed, or was lost too often; None for a loss, which is counted."""
    from ray import exceptions

    losses = (
        exceptions.WorkerCrashedError,
        exceptions.NodeDiedError,
        exceptions.OutOfMemoryError,
        exceptions.ObjectLostError,
        exceptions.LocalRayletDiedError,
    )
    cause = error.cause if isinstance(error, exceptions.RayTaskError) else error
    if not isinstance(cause, (*losses, MemoryError)):
        if not isinstance(cause, exceptions.RayError):
            return cause
        failure = ClusterError(
            f"{waiting.what} {one.number + 1}: {_line(cause)}",
            cure="See the cluster's logs; the same command goes on where it was.",
        )
        failure.__cause__ = error
        return failure
    one.lost += 1
    if one.lost <= waiting.redo.times:
        return None
    failure = ClusterError(
        f"{waiting.what} {one.number + 1} was lost {one.lost} times ({_line(cause)})",
        cure="Give the machines more memory, or start fewer workers on each; the same command goes on "
        "where it was.",
    )
    failure.__cause__ = error
    return failure


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]} …"
