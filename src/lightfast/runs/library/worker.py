"""Jobs of a library, ordered and worked on: durable by DBOS, whose tables lie in the library's own database.

An order is one transaction (the row in `jobs` and DBOS's own); a worker is threads of this process. A job is
in one worker's hand at a time; when a worker dies, the next one puts its jobs back, and they are begun again
from what is in the library.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, TypeVar

from dbos import DBOS, DBOSClient
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from lightfast.base.errors import LightfastError, SettingsError, StorageError
from lightfast.base.plain import as_json
from lightfast.library.engine import described, lost
from lightfast.library.job_progress import JobProgress, JobStopped, file_log, log_path
from lightfast.library.jobs import (
    MOST_LISTED,
    Job,
    JobState,
    busy_workers,
    cancel_job,
    claim_job,
    end_job,
    free_jobs,
    is_idle,
    job,
    job_again,
    list_jobs,
    new_job,
)
from lightfast.library.library import Library
from lightfast.library.people.noting import note_audit

# Each adds its kinds.
from lightfast.runs.library import kinds as library_kinds  # noqa: F401
from lightfast.runs.library.jobs import JOB_KINDS, named_kind
from lightfast.runs.library.locks import WorkerLock, dead_worker, is_lost, lock_files

_Result = TypeVar("_Result")
THREADS = 2
"""Jobs that one worker has in hand at a time."""
_NAME, _WORKFLOW, _QUEUE, _VERSION = "lightfast", "library-job", "library-jobs", "1"
_LOOK_SECONDS = 1.0
_PAUSE_SECONDS = 2.0
"""Before a job is begun again whose database went away."""
_WORKING: list[JobEngine] = []
"""The engine of this process: DBOS knows one a process."""


class JobEngine:
    """Takes orders for a library, and works on them unless it was started only to take them.

    Made by `start_jobs`, given back by `close`; it leaves the library open.
    """

    def __init__(self, library: Library, client: DBOSClient, lock: WorkerLock | None) -> None:
        self.library = library
        self._client, self._lock = client, lock
        self._closing, self._held = threading.Event(), ExitStack()
        self._watch = threading.Thread(target=self._look_on, name="library-jobs", daemon=True)

    @property
    def worker(self) -> str:
        """The name of this process as a worker; empty where it only takes orders."""
        return "" if self._lock is None else self._lock.name

    def submit(
        self,
        kind: str,
        arguments: Mapping[str, Any] | None = None,
        user_id: int | None = None,
        key: str | None = None,
    ) -> str:
        """Order a job; its id. What was acknowledged is done, whatever dies meanwhile.

        Args:
            kind: one of `JOB_KINDS`; `train` is `retrain`.
            arguments: of the kind, as plain values.
            user_id: who orders it.
            key: names the order: sent again by the same user it is the same job.

        Raises:
            UnknownName: for an unknown kind or argument.
            SettingsError: for an argument that cannot be used.
            DataError: for a second job of a kind that goes alone, and a key that was used for another order.
        """
        kind = named_kind(kind)
        known = JOB_KINDS.get(kind)
        given = known.arguments.of(**dict(arguments or {})).model_dump(mode="json")

        def order(connection: Connection) -> str:
            number, new = new_job(connection, kind, given, user_id=user_id, key=key, alone=known.alone)
            if new:
                note_audit(connection, user_id, "job ordered", job=number, kind=kind)
                self._enqueue(connection, number)
            return number

        return self.library.store.act(order)

    def cancel(self, job_id: str, user_id: int | None = None) -> Job:
        """See `cancel_job`; `user_id` wants it."""
        return self.library.store.act(lambda connection: cancel_job(connection, job_id, user_id))

    def retry(self, job_id: str, user_id: int | None = None) -> None:
        """Begin a job again that failed or was cancelled, for `user_id`, whose job it is from then on (None:
        whose it was); raises DataError for any other.
        """

        def order(connection: Connection) -> None:
            known = job(connection, job_id)
            alone = JOB_KINDS.get(known.kind).alone
            job_again(connection, job_id, alone=alone, user_id=user_id)
            note_audit(connection, user_id, "job begun again", job=job_id, kind=known.kind)
            self._enqueue(connection, job_id)

        self.library.store.act(order)

    def wait_until_idle(self, seconds: float = 1e9) -> bool:
        """Wait until no job waits and none runs here; False where that took longer than `seconds`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._closing.is_set():
            with self.library.store.read() as connection:
                if is_idle(connection, self.worker):
                    return True
            self._closing.wait(0.1)
        return False

    def close(self, seconds: float = 10.0) -> None:
        """Stop working: jobs in hand stop at their next step, within `seconds`, and wait for another worker.

        One that does not stop so soon goes on until its next step; nobody takes it up before.
        """
        self._closing.set()
        if self._lock is not None:
            self._watch.join()
            self._let_go(seconds)
        self._held.close()

    def _let_go(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                with self.library.store.read() as connection:
                    if self.worker not in busy_workers(connection):
                        return
                time.sleep(0.05)
        except StorageError:
            # The database is away: the next worker finds these jobs by this one's file.
            return

    def _enqueue(self, connection: Connection, job_id: str, seconds: float = 0.0) -> None:
        """Tell DBOS that a job waits, in the transaction of the row that says so."""
        number = f"{job_id}.{secrets.token_hex(4)}"
        options: Any = {"workflow_name": _WORKFLOW, "queue_name": _QUEUE, "workflow_id": number}
        options |= {"app_version": _VERSION} | ({"delay_seconds": seconds} if seconds else {})
        self._client.enqueue_in_transaction(connection, options, job_id)

    # -- work --

    def run_job(self, job_id: str) -> None:
        """Take the job in hand, if it still waits, and do it."""
        if self._closing.is_set():
            self._insist(lambda connection: self._enqueue(connection, job_id))
            return
        taken = self._insist(lambda connection: claim_job(connection, job_id, self.worker))
        if taken is None:
            return
        with file_log(log_path(self.library, job_id)) as log:
            again = f", for the {taken.attempts}th time" if taken.attempts > 1 else ""
            log.info("%s begun by %s%s: %s", taken.kind, self.worker, again, dict(taken.arguments))
            state, result, error = self._outcome(taken, log)
            log.info("%s%s", state, f": {error}" if error else "")
        if state is not None:
            self._insist(lambda connection: self._end(connection, job_id, state, result, error))

    def _outcome(self, taken: Job, log: logging.Logger) -> tuple[JobState | None, Any, str | None]:
        """(state, result, error) of the work; a state of None: it is another worker's now."""
        kind = JOB_KINDS.get(taken.kind)
        report = JobProgress(self.library, taken.id, self.worker, log, self._closing.is_set)
        try:
            given = kind.arguments.of(**taken.arguments)
            result = as_json(kind.work(self.library, given, report, taken.user_id))
            report.flush()
            return "done", result, None
        except JobStopped as stop:
            states: dict[str, JobState | None] = {"cancelled": "cancelled", "closing": "waiting"}
            return states.get(stop.reason), None, None
        except Exception as error:
            log.exception("stopped by an error")
            if isinstance(error.__cause__, DBAPIError) and lost(error.__cause__):
                return "waiting", None, f"begun again, because {error}"
            said = str(error) if isinstance(error, LightfastError) else f"{type(error).__name__}: {error}"
            return "failed", None, said

    def _end(
        self, connection: Connection, job_id: str, state: JobState, result: Any, error: str | None
    ) -> None:
        if end_job(connection, job_id, self.worker, state, result=result, error=error) and state == "waiting":
            self._enqueue(connection, job_id, _PAUSE_SECONDS if error else 0.0)

    def _insist(self, transaction: Callable[[Connection], _Result]) -> _Result | None:
        """Run the transaction however long the database is away; None where this worker closes meanwhile:
        the next one finds the job by this one's file.
        """
        while True:
            try:
                return self.library.store.act(transaction)
            except StorageError:
                logging.getLogger("dbos").warning("the library cannot be written", exc_info=True)
                if self._closing.wait(_LOOK_SECONDS):
                    return None

    # -- the dead --

    def keep(self, held: ExitStack) -> None:
        """Give back at `close` what is held."""
        self._held = held

    def begin(self) -> None:
        """Start to look after workers that died."""
        self._watch.start()

    def _look_on(self) -> None:
        while not self._closing.is_set():
            try:
                self.look()
            except (LightfastError, SQLAlchemyError, OSError):
                logging.getLogger("dbos").warning("looking for workers that died", exc_info=True)
            self._closing.wait(_LOOK_SECONDS)

    def look(self) -> None:
        """Put the jobs of workers that died back among those that wait."""
        folder = self.library.workers
        for path in lock_files(folder, self.worker):
            with dead_worker(path) as name:
                if name is not None:
                    self._free(name)
        with self.library.store.read() as connection:
            busy = busy_workers(connection)
        for name in busy:
            if name != self.worker and is_lost(name, folder):
                self._free(name)

        if busy or not self._forgotten():
            return
        with self.library.store.read() as connection:
            waiting = [one.id for one in list_jobs(connection, states=["waiting"], count=MOST_LISTED)]
        for number in waiting:
            self.library.store.act(lambda connection, number=number: self._enqueue(connection, number))

    def _forgotten(self) -> bool:
        """Whether DBOS knows of no work at all, as where a backup without its tables was restored."""
        live = ["ENQUEUED", "PENDING", "DELAYED"]
        return not self._client.list_workflows(status=live, limit=1, load_input=False)

    def _free(self, worker: str) -> None:
        self.library.store.act(lambda connection: free_jobs(connection, worker))
        pending = self._client.list_workflows(status="PENDING", executor_id=worker, load_input=False)
        if pending:
            numbers = [one.workflow_id for one in pending]
            self._client.resume_workflows(numbers, queue_name=_QUEUE)


@DBOS.workflow(name=_WORKFLOW)
def _work(job_id: str) -> None:
    for engine in _WORKING:
        engine.run_job(job_id)


def start_jobs(library: Library, *, work: bool = True) -> JobEngine:
    """Take orders for the jobs of a library, and with `work` work on them, in two threads of this process.

    Raises:
        SettingsError: where this process works on jobs already.
        StorageError: where the library cannot be written.
    """
    if work and _WORKING:
        raise SettingsError(
            "this process works on jobs already", expected="one worker a process", cure="Close it first."
        )
    address = library.store.engine.url.render_as_string(hide_password=False)
    with ExitStack() as held, described(library.store.name):
        lock = WorkerLock(library.workers) if work else None
        held.enter_context(file_log(library.logs / "worker.log", _quiet()))
        DBOS.migrate(address)
        client = DBOSClient(
            system_database_url=address, application_name=_NAME, retry_connection_errors=False
        )
        held.callback(client.destroy)
        engine = JobEngine(library, client, lock)
        if lock is not None:
            held.callback(lock.release)
            client.register_queue(_QUEUE, worker_concurrency=THREADS, polling_interval_sec=0.25)
            _WORKING.append(engine)
            held.callback(_WORKING.remove, engine)
            # The first to go at the end: nothing is begun after it.
            held.callback(DBOS.destroy)
            _launch(address, lock.name)
            engine.begin()
        engine.keep(held.pop_all())
    return engine


def _launch(address: str, worker: str) -> None:
    """DBOS in this process, with nothing sent to anybody."""
    DBOS(
        config={
            "name": _NAME,
            "system_database_url": address,
            "executor_id": worker,
            "application_version": _VERSION,
            "enable_otlp": False,
            "log_level": "WARNING",
        }
    )
    DBOS.launch()


def _quiet() -> logging.Logger:
    """DBOS's own log, kept off the terminal."""
    logger = logging.getLogger("dbos")
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    return logger
