"""Several processes that answer at one address, looked after by uvicorn's supervisor: one that dies is
started again, meanwhile the others answer.

What they share lies in the library's database and folder. This module loads little by itself: a new process
has to answer the supervisor before the application is there.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from lightfast.base.errors import StorageError
from lightfast.serve.settings import ServeSettings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from lightfast.library.library import Library

_SILENT_SECONDS = 60
"""After which a process that answers nothing is ended: one that starts on a busy machine needs its time."""


@dataclass(frozen=True)
class WorkerApp:
    """Makes the application inside a process of its own; travels there as it is, with the secret that all
    processes share where the library's folder can keep none.
    """

    folder: Path
    settings: ServeSettings
    secret: bytes = field(repr=False)

    def __call__(self) -> FastAPI:
        """The application over the library in `folder`, which stays open as long as the process lives."""
        from lightfast.library.library import open_library
        from lightfast.library.people.secret import hold_secret
        from lightfast.serve.app import create_app
        from lightfast.serve.metrics import forget_dead

        forget_dead()
        library = open_library(self.folder)
        hold_secret(library.folder, self.secret)
        app = create_app(library, self.settings)
        # The server has put up its handlers by now: theirs come after this one.
        _before_signals(app.state.service.closing.set)
        _end_with_parent()
        return app


def prepare_workers(library: Library, settings: ServeSettings, pictures: Sequence[str]) -> None:
    """Make once what all processes need (the tables of the jobs), and order that `pictures` are added.

    Raises SettingsError where other machines would reach it and nobody has a password.
    """
    from lightfast.serve.service import Service

    service = Service(library, replace(settings, work=False))
    service.require_users()
    try:
        # A library that cannot be written is served for reading; each process says so.
        with contextlib.suppress(StorageError):
            service.jobs  # noqa: B018
        service.start(pictures)
    finally:
        service.close()


def serve_by_workers(folder: Path, settings: ServeSettings, sockets: list[socket.socket]) -> None:
    """Answer at the listening `sockets` by `settings.workers` processes, until Ctrl-C or SIGTERM, over the
    library in `folder`, which `prepare_workers` made ready.
    """
    from lightfast.library.people.secret import library_secret

    app: Any = WorkerApp(folder, settings, library_secret(folder))
    config = uvicorn.Config(
        app,
        factory=True,
        workers=settings.workers,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
        timeout_worker_healthcheck=_SILENT_SECONDS,
    )
    with _metrics_folder():
        Multiprocess(config, sockets).run()


@contextlib.contextmanager
def _metrics_folder() -> Iterator[None]:
    """A folder for the counters of all processes, which they find by the environment."""
    from lightfast.serve.metrics import METRICS_FOLDER

    with tempfile.TemporaryDirectory(prefix="lightfast-metrics-") as folder:
        os.environ[METRICS_FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[METRICS_FOLDER]


def _before_signals(first: Callable[[], object]) -> None:
    """Call `first` when this process is asked to end, then whatever was to be called anyway: streams end by
    themselves, and hold nothing up.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _both(first, signal.getsignal(number)))


def _both(first: Callable[[], object], then: Any) -> Callable[[int, Any], None]:
    def handle(number: int, frame: Any) -> None:
        first()
        if callable(then):
            then(number, frame)

    return handle


def _end_with_parent() -> None:
    """End this process when the supervisor is killed: nobody else would, and the address stayed taken."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="supervisor-watch", daemon=True).start()
