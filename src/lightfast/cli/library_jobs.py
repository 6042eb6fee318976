"""`lightfast library jobs` and `work`: what runs behind a library."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

from typer import Exit, Option

from lightfast.cli.groups import library_app
from lightfast.cli.library import LibraryArg, number_of_user, opened
from lightfast.cli.parameters import AsJson, Device, Seed
from lightfast.cli.terminal import print_result, progress_bars

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lightfast.base.progress import Reporter
    from lightfast.library.jobs import Job
    from lightfast.library.library import Library

_LOOK_SECONDS = 0.5


@library_app.command("jobs", epilog="Example: lightfast library jobs archive/ --follow 06616ddba9bad303231c")
def library_jobs(
    library: LibraryArg,
    follow: Annotated[
        str | None, Option("--follow", metavar="ID", help="Show the progress of a job until it ends.")
    ] = None,
    log: Annotated[str | None, Option("--log", metavar="ID", help="Print what a job wrote down.")] = None,
    cancel: Annotated[
        str | None, Option("--cancel", metavar="ID", help="Stop a job at its next step; what it did stays.")
    ] = None,
    retry: Annotated[
        str | None, Option("--retry", metavar="ID", help="Begin a job again that failed or was cancelled.")
    ] = None,
    as_json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """List the jobs of a library, the newest first; follow, cancel or retry one.

    With --follow the exit code is 1 where the job failed or was cancelled.
    """
    from lightfast.cli.text.library_jobs import job_lines, jobs_lines
    from lightfast.library.jobs import cancel_job, list_jobs

    with opened(library) as held:
        if log is not None:
            text = _log(held, log)
            print_result({"id": log, "log": text}, as_json, text.splitlines())
        elif follow is not None:
            with progress_bars() as report:
                found = _followed(held, follow, report)
            print_result(found, as_json, job_lines(found))
            if found.state != "done":
                raise Exit(1)
        elif cancel is not None:
            found = held.store.act(
                lambda connection: cancel_job(connection, cancel, number_of_user(connection))
            )
            print_result(found, as_json, job_lines(found))
        elif retry is not None:
            print_result(found := _again(held, retry), as_json, job_lines(found))
        else:
            with held.store.read() as connection:
                rows = list_jobs(connection)
            print_result({"jobs": [one.as_json() for one in rows]}, as_json, jobs_lines(rows))


@library_app.command("work", epilog="Example: lightfast library work archive/ --until-idle")
def library_work(
    library: LibraryArg,
    until_idle: Annotated[
        bool, Option("--until-idle", help="End when no job waits, instead of waiting for the next one.")
    ] = False,
    as_json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Work on the jobs of a library until interrupted.

    Several workers share the jobs. What one had in hand when it was killed is taken up by another one, or by
    the next.
    """
    from lightfast.runs.library.worker import start_jobs

    with _interrupted() as over, opened(library) as held:
        engine = start_jobs(held)
        print(f"{engine.worker} works on {held.folder}", file=sys.stderr)
        try:
            while not over.wait(_LOOK_SECONDS):
                if until_idle and engine.wait_until_idle(_LOOK_SECONDS):
                    break
        finally:
            engine.close()
        print_result({"worker": engine.worker}, as_json, ["no job waits" if not over.is_set() else "stopped"])


@contextmanager
def _interrupted() -> Iterator[threading.Event]:
    """Is set by Ctrl-C and by `kill`, instead of what they do else."""
    over = threading.Event()
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: over.set()) for number in numbers]
    try:
        yield over
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _log(library: Library, job_id: str) -> str:
    from lightfast.library.job_progress import log_path
    from lightfast.library.jobs import job

    with library.store.read() as connection:
        known = job(connection, job_id)
    path = log_path(library, known.id)
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _again(library: Library, job_id: str) -> Job:
    from lightfast.library.jobs import job
    from lightfast.runs.library.worker import start_jobs

    engine = start_jobs(library, work=False)
    try:
        engine.retry(job_id, library.store.act(number_of_user))
    finally:
        engine.close()
    with library.store.read() as connection:
        return job(connection, job_id)


def _followed(library: Library, job_id: str, report: Reporter) -> Job:
    from lightfast.library.jobs import ENDED, job

    pause = threading.Event()
    while True:
        with library.store.read() as connection:
            found = job(connection, job_id)
        report(found.said or found.state, found.done, found.total)
        if found.state in ENDED:
            return found
        pause.wait(_LOOK_SECONDS)
