"""How a running job tells the library where it stands, and how it learns that it is to stop."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from lightfast.base.files import make_folder
from lightfast.library.jobs import note_progress
from lightfast.library.library import Library

_LEAST_SECONDS = 0.25
"""Between two notes of one job in the database."""
_LOG_SECONDS = 2.0
StopReason = Literal["cancelled", "taken", "closing"]


class JobStopped(Exception):
    """Raised inside a job's work where it is to stop: somebody cancelled it, another worker has taken it, or
    the worker closes.
    """

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason)
        self.reason: StopReason = reason


def log_path(library: Library, job_id: str) -> Path:
    """Where the job's log lies; it need not be there yet."""
    return library.logs / f"{job_id}.log"


@contextmanager
def file_log(path: Path, logger: logging.Logger | None = None) -> Iterator[logging.Logger]:
    """A log that ends in the file; what an earlier try wrote stays."""
    logger = logger or logging.Logger(path.stem, logging.INFO)
    make_folder(path.parent)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logger.addHandler(handler)
    try:
        yield logger
    finally:
        logger.removeHandler(handler)
        handler.close()


class JobProgress:
    """A `Reporter` that writes into the row of a job, at most four times a second, and into its log.

    Raises JobStopped out of the work where it is to stop.

    Attributes:
        job: its id.
    """

    def __init__(
        self,
        library: Library,
        job_id: str,
        worker: str,
        log: logging.Logger,
        closing: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store, self.job, self._worker = library.store, job_id, worker
        self._log, self._closing = log, closing
        self._label = ""
        self._began = self._noted = self._logged = -1e9
        self._first = 0
        self._last: dict[str, Any] | None = None

    def __call__(self, label: str, done: int, total: int, detail: str = "") -> None:
        """See `Reporter`."""
        moment = time.monotonic()
        if label != self._label:
            self._label, self._began, self._first, self._logged = label, moment, done, -1e9
        if moment - self._logged >= _LOG_SECONDS or (total and done >= total):
            self._logged = moment
            self._log.info("%s %s%s %s", label, f"{done:,}", f" of {total:,}" if total else "", detail)
        self._last = {"said": f"{label} {detail}".strip(), "done": done, "total": total}
        self._last["seconds_left"] = self._left(moment, done, total)
        if moment - self._noted >= _LEAST_SECONDS:
            self._noted = moment
            self.flush()

    def flush(self) -> None:
        """Write what was said last."""
        if self._closing():
            raise JobStopped("closing")
        if self._last is None:
            return
        values, self._last = self._last, None
        asked = self._store.act(lambda connection: self._note(connection, values))
        if asked is None:
            raise JobStopped("taken")
        if asked:
            raise JobStopped("cancelled")

    def _note(self, connection: Any, values: dict[str, Any]) -> bool | None:
        return note_progress(connection, self.job, self._worker, **values)

    def _left(self, moment: float, done: int, total: int) -> float | None:
        """Seconds, at the pace of this stage so far."""
        if not total or done <= self._first:
            return None
        return (moment - self._began) / (done - self._first) * max(0, total - done)
