"""Jobs as the library keeps them: ordered once, in one worker's hand at a time, ended once.

What runs them lies above (`lightfast.runs.library.worker`); every step here is one transaction's worth.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, case, insert, or_, select, update

from lightfast.base.errors import ConflictError, NotFoundError, SettingsError
from lightfast.library.people.noting import note_audit
from lightfast.library.schema import EPOCH, MICROSECOND, jobs
from lightfast.library.store import now

JobState = Literal["waiting", "running", "done", "failed", "cancelled"]
LIVE: tuple[JobState, ...] = ("waiting", "running")
ENDED: tuple[JobState, ...] = ("done", "failed", "cancelled")
MOST_ATTEMPTS = 20
"""A job whose worker died so often in a row, without getting further, is not taken up again by itself."""
MOST_LISTED = 500


@dataclass(frozen=True)
class Job:
    """A job as it stands; see the columns of `jobs`.

    Attributes:
        id: sorts by the time at which it was ordered.
        kind: what is done, a name of `lightfast.runs.library.jobs.JOB_KINDS`.
        arguments: of the kind.
        state: waiting, running, done, failed or cancelled.
        done, total: steps of what is `said` to be done now; a total of 0: nobody knows.
        said: what is done now.
        seconds_left: until the end of that, estimated; None: nobody knows.
        result: what the work gave, as JSON.
        error: why it failed, a sentence.
        cancel: whether somebody asked it to stop.
        attempts: how often it was begun.
        user_id: who ordered it, or began it again last.
    """

    id: str
    kind: str
    arguments: Mapping[str, Any]
    state: JobState
    done: int
    total: int
    said: str
    seconds_left: float | None
    result: Any
    error: str | None
    cancel: bool
    attempts: int
    user_id: int | None
    made_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        """Its fields, with moments as ISO texts."""
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        moments = ("made_at", "started_at", "ended_at")
        return found | {name: found[name] and found[name].isoformat() for name in moments}


_COLUMNS = [jobs.c[name] for name in Job.__dataclass_fields__]


def job(connection: Connection, job_id: str) -> Job:
    """The job with this number; raises NotFoundError where there is none."""
    row = connection.execute(select(*_COLUMNS).where(jobs.c.id == job_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no job {job_id}", cure="`library jobs` lists them.")
    return Job(**row._mapping)


def list_jobs(
    connection: Connection,
    *,
    states: Sequence[JobState] = (),
    kind: str | None = None,
    before: str | None = None,
    count: int = 50,
) -> tuple[Job, ...]:
    """Jobs, the newest first.

    Args:
        connection: to read from.
        states: only those in one of them; empty: all.
        kind: only those of this kind.
        before: only those older than the job with this id (the last of the page before).
        count: at most so many, 1..500.
    """
    if not 1 <= count <= MOST_LISTED:
        raise SettingsError(f"`count` {count}", expected=f"1 to {MOST_LISTED}")
    wanted = select(*_COLUMNS).order_by(jobs.c.id.desc()).limit(count)
    if states:
        wanted = wanted.where(jobs.c.state.in_(states))
    if kind is not None:
        wanted = wanted.where(jobs.c.kind == kind)
    if before is not None:
        wanted = wanted.where(jobs.c.id < before)
    return tuple(Job(**row._mapping) for row in connection.execute(wanted))


def new_job(
    connection: Connection,
    kind: str,
    arguments: Mapping[str, Any],
    *,
    user_id: int | None = None,
    key: str | None = None,
    alone: bool = False,
) -> tuple[str, bool]:
    """(id, whether it is new) of a job, in the transaction of `connection`.

    Args:
        connection: is written.
        kind, arguments: of the job.
        user_id: who orders it.
        key: names the order; the same user's order that was sent before under it is found again.
        alone: refuse it while another job of the kind waits or runs.

    Raises ConflictError for a key that was used for something else, and for a second job of a kind that goes
    alone.
    """
    full = None if key is None else f"{user_id or 0}:{key}"
    if full is not None and (before := _with_key(connection, full, kind, arguments)) is not None:
        return before, False
    if alone:
        _require_alone(connection, kind)
    number = f"{(now() - EPOCH) // MICROSECOND:014x}{secrets.token_hex(3)}"
    row = {"id": number, "key": full, "kind": kind, "arguments": dict(arguments), "user_id": user_id}
    connection.execute(insert(jobs).values(state="waiting", made_at=now(), **row))
    return number, True


def _with_key(connection: Connection, key: str, kind: str, arguments: Mapping[str, Any]) -> str | None:
    row = connection.execute(
        select(jobs.c.id, jobs.c.kind, jobs.c.arguments).where(jobs.c.key == key)
    ).one_or_none()
    if row is None:
        return None
    if (row.kind, row.arguments) != (kind, dict(arguments)):
        raise ConflictError(
            "`key` was given to another job before", expected="a key for every order", cure="Make a new one."
        )
    return row.id


def _require_alone(connection: Connection, kind: str) -> None:
    if connection.dialect.name == "postgresql":
        # Two orders at once do not see each other's row; the second one waits here for the first.
        connection.exec_driver_sql("LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE")
    other = connection.execute(
        select(jobs.c.id, jobs.c.state).where(jobs.c.kind == kind, jobs.c.state.in_(LIVE)).limit(1)
    ).one_or_none()
    if other is not None:
        word = "runs" if other.state == "running" else "waits"
        raise ConflictError(
            f"job {other.id} ({kind}) {word} already", cure="Wait for it, or cancel it first."
        )


def claim_job(connection: Connection, job_id: str, worker: str) -> Job | None:
    """Take a waiting job in hand; None where it does not wait any more.

    A job that was asked to stop is cancelled, one that was begun too often fails: both give None.
    """
    mine = update(jobs).where(jobs.c.id == job_id, jobs.c.state == "waiting")
    stopped = connection.execute(mine.where(jobs.c.cancel).values(state="cancelled", ended_at=now()))
    often = {
        "state": "failed",
        "ended_at": now(),
        "error": f"its worker died {MOST_ATTEMPTS} times, and it got no further",
    }
    failed = connection.execute(mine.where(jobs.c.in_vain >= MOST_ATTEMPTS).values(**often))
    if stopped.rowcount or failed.rowcount:
        return None
    begun = {"state": "running", "worker": worker, "attempts": jobs.c.attempts + 1, "error": None}
    begun["in_vain"] = jobs.c.in_vain + 1
    taken = connection.execute(mine.values(started_at=now(), **begun))
    return job(connection, job_id) if taken.rowcount else None


def note_progress(connection: Connection, job_id: str, worker: str, **values: Any) -> bool | None:
    """Write `said`, `done`, `total`, `seconds_left` of a job in hand. Whether it was asked to stop; None
    where another worker has it now.
    """
    mine = update(jobs).where(jobs.c.id == job_id, jobs.c.worker == worker, jobs.c.state == "running")
    moved = _getting_on(int(values.get("done", 0)), int(values.get("total", 0)))
    return connection.execute(mine.values(**values, **moved).returning(jobs.c.cancel)).scalar()


def _getting_on(done: int, total: int) -> dict[str, Any]:
    """How far a job got by now: one that gets further is not begun in vain, however often its worker dies.
    What counts what is left (`tag`) begins at 0 again and has less to do; what counts all (`add`) gets
    higher.
    """
    left = total - done
    further = jobs.c.furthest < done
    moved: dict[str, Any] = {"furthest": case((further, done), else_=jobs.c.furthest)}
    if total:
        nearer = or_(jobs.c.least_left.is_(None), jobs.c.least_left > left)
        moved["least_left"] = case((nearer, left), else_=jobs.c.least_left)
        further = or_(further, jobs.c.least_left > left)
    return {**moved, "in_vain": case((further, 0), else_=jobs.c.in_vain)}


def keep_answer(connection: Connection, job_id: str, answer: Any) -> None:
    """Note what a job has done, in the transaction that does it: begun again, it finds its answer by
    `kept_answer` and does nothing twice.
    """
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(result=answer))


def kept_answer(connection: Connection, job_id: str) -> Any:
    """What `keep_answer` noted of the job; None: it has done nothing yet."""
    return connection.execute(select(jobs.c.result).where(jobs.c.id == job_id)).scalar()


def end_job(
    connection: Connection,
    job_id: str,
    worker: str,
    state: JobState,
    *,
    result: Any = None,
    error: str | None = None,
) -> bool:
    """Put a job out of this worker's hand, ended, or back among the waiting; False where another has it.
    Without a `result` what `keep_answer` noted stays.
    """
    ended = None if state == "waiting" else now()
    mine = update(jobs).where(jobs.c.id == job_id, jobs.c.worker == worker, jobs.c.state == "running")
    values = {"state": state, "error": error, "seconds_left": None}
    values |= {} if result is None else {"result": result}
    return connection.execute(mine.values(worker=None, ended_at=ended, **values)).rowcount > 0


def cancel_job(connection: Connection, job_id: str, user_id: int | None = None) -> Job:
    """Ask a job to stop, as `user_id` wants: one that waits is cancelled, one that runs stops at its next
    step. One that has ended, or was asked before, stays as it is. Raises DataError where there is none.
    """
    here = update(jobs).where(jobs.c.id == job_id, jobs.c.cancel.is_(False))
    stopped = connection.execute(
        here.where(jobs.c.state == "waiting").values(cancel=True, state="cancelled", ended_at=now())
    )
    asked = connection.execute(here.where(jobs.c.state == "running").values(cancel=True))
    found = job(connection, job_id)
    if stopped.rowcount or asked.rowcount:
        note_audit(connection, user_id, "job cancelled", job=job_id, kind=found.kind)
    return found


def job_again(
    connection: Connection, job_id: str, *, alone: bool = False, user_id: int | None = None
) -> None:
    """Put a job that failed or was cancelled back among the waiting, from now on that of `user_id`; None: of
    whoever had it.

    Raises DataError for any other, and where `alone` says that no other of its kind may wait or run.
    """
    known = job(connection, job_id)
    if known.state not in ("failed", "cancelled"):
        raise ConflictError(
            f"job {job_id} is {known.state}", expected="one that failed or was cancelled", cure="Leave it."
        )
    if alone:
        _require_alone(connection, known.kind)
    fresh = {
        "state": "waiting",
        "cancel": False,
        "attempts": 0,
        "in_vain": 0,
        "error": None,
        "ended_at": None,
    }
    again = update(jobs).where(jobs.c.id == job_id, jobs.c.state == known.state)
    owner = {} if user_id is None else {"user_id": user_id}
    connection.execute(again.values(done=0, total=0, said="", worker=None, **fresh, **owner))


def free_jobs(connection: Connection, worker: str) -> tuple[str, ...]:
    """Put the jobs of a worker that died back among the waiting; those asked to stop are cancelled."""
    held = update(jobs).where(jobs.c.worker == worker, jobs.c.state == "running")
    connection.execute(held.where(jobs.c.cancel).values(state="cancelled", worker=None, ended_at=now()))
    freed = held.values(state="waiting", worker=None, seconds_left=None).returning(jobs.c.id)
    return tuple(connection.execute(freed).scalars())


def busy_workers(connection: Connection) -> tuple[str, ...]:
    """The workers that have a job in hand."""
    held = select(jobs.c.worker).where(jobs.c.state == "running", jobs.c.worker.isnot(None)).distinct()
    return tuple(connection.execute(held).scalars())


def is_idle(connection: Connection, worker: str) -> bool:
    """Whether no job waits, and this worker has none in hand."""
    mine = or_(jobs.c.state == "waiting", (jobs.c.state == "running") & (jobs.c.worker == worker))
    return connection.execute(select(jobs.c.id).where(mine).limit(1)).scalar() is None
