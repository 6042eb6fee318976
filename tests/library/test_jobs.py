"""Jobs as rows: ordered once, in one hand, ended once."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from library.pictures import fill

from lightfast.base.errors import DataError, SettingsError
from lightfast.library.job_progress import JobProgress, JobStopped
from lightfast.library.jobs import (
    MOST_ATTEMPTS,
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
    note_progress,
)
from lightfast.library.library import Library

_LOG = logging.Logger("of no file")


def _order(library: Library, kind: str = "add", key: str | None = None, **more: Any) -> str:
    act = lambda connection: new_job(connection, kind, {"n": 1}, key=key, **more)[0]  # noqa: E731
    return library.store.act(act)


def _do(library: Library, step: Any, *given: Any, **named: Any) -> Any:
    return library.store.act(lambda connection: step(connection, *given, **named))


def _state(library: Library, number: str) -> str:
    with library.store.read() as connection:
        return job(connection, number).state


def test_jobs_are_listed_the_newest_first_and_paged(library: Library):
    numbers = [_order(library) for _ in range(5)]
    with library.store.read() as connection:
        first = list_jobs(connection, count=2)
        rest = list_jobs(connection, before=first[-1].id)
        assert [one.id for one in (*first, *rest)] == numbers[::-1]
        assert list_jobs(connection, states=["done"]) == list_jobs(connection, kind="tag") == ()


def test_the_same_order_sent_twice_is_one_job_of_each_person(library: Library):
    fill(library, 1)
    assert _order(library, key="a") == _order(library, key="a")
    assert _order(library, key="a") != _order(library, key="a", user_id=2)
    with pytest.raises(DataError, match="given to another job"):
        _order(library, "tag", key="a")


def test_the_same_order_sent_at_once_is_one_job(library: Library):
    with ThreadPoolExecutor(4) as pool:
        numbers = set(pool.map(lambda _: _order(library, key="a"), range(8)))
    assert len(numbers) == 1


def test_two_jobs_at_once_of_a_kind_that_goes_alone_are_refused(library: Library):
    def order(_: int) -> bool:
        try:
            return bool(_order(library, "retrain", alone=True))
        except DataError as error:
            return "waits already" not in str(error)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(order, range(4))) == [False, False, False, True]


def test_one_worker_takes_a_job_in_hand(library: Library):
    number = _order(library)
    taken = [_do(library, claim_job, number, worker) for worker in ("a", "b")]
    assert [one is not None for one in taken] == [True, False]
    with library.store.read() as connection:
        assert busy_workers(connection) == ("a",)
        assert (is_idle(connection, "a"), is_idle(connection, "b")) == (False, True)


def test_only_who_has_it_in_hand_notes_and_ends(library: Library):
    number = _order(library)
    _do(library, claim_job, number, "a")
    assert _do(library, note_progress, number, "b", done=1) is None
    assert not _do(library, end_job, number, "b", "done")
    assert _do(library, note_progress, number, "a", done=1, total=2) is False
    assert _do(library, end_job, number, "a", "done", result={"added": 3})
    with library.store.read() as connection:
        found = job(connection, number)
    assert (found.state, found.done, found.result) == ("done", 1, {"added": 3})
    assert found.as_json()["ended_at"] is not None


def test_a_job_that_waits_is_cancelled_at_once_and_a_running_one_is_asked(library: Library):
    waiting, running = _order(library), _order(library)
    _do(library, claim_job, running, "a")
    assert _do(library, cancel_job, waiting).state == "cancelled"
    assert _do(library, cancel_job, running).state == "running"
    assert _do(library, note_progress, running, "a", done=1) is True


def test_a_cancelled_job_can_be_tried_again_and_a_finished_one_not(library: Library):
    number = _order(library)
    _do(library, cancel_job, number)
    _do(library, job_again, number)
    assert _do(library, claim_job, number, "a") is not None
    with pytest.raises(DataError, match="is running"):
        _do(library, job_again, number)


def test_the_jobs_of_a_dead_worker_wait_again_unless_they_were_asked_to_stop(library: Library):
    wanted, unwanted = _order(library), _order(library)
    for number in (wanted, unwanted):
        _do(library, claim_job, number, "a")
    _do(library, cancel_job, unwanted)
    assert _do(library, free_jobs, "a") == (wanted,)
    assert (_state(library, wanted), _state(library, unwanted)) == ("waiting", "cancelled")


def test_a_job_that_kills_every_worker_fails_at_last(library: Library):
    number = _order(library)
    for _ in range(MOST_ATTEMPTS):
        assert _do(library, claim_job, number, "a") is not None
        _do(library, free_jobs, "a")
    assert _do(library, claim_job, number, "a") is None
    assert _state(library, number) == "failed"


@pytest.mark.parametrize("counts", ["all", "what is left"])
def test_a_job_that_gets_on_is_taken_up_however_often_its_worker_dies(library: Library, counts: str):
    number = _order(library)
    for step in range(1, 2 * MOST_ATTEMPTS):
        assert _do(library, claim_job, number, "a") is not None
        for done in (0, 1):
            said = (
                {"done": step + done, "total": 100}
                if counts == "all"
                else {"done": done, "total": 100 - step}
            )
            with library.store.write() as connection:
                note_progress(connection, number, "a", **said)
        _do(library, free_jobs, "a")
    for _ in range(MOST_ATTEMPTS):
        assert _do(library, claim_job, number, "a") is not None
        with library.store.write() as connection:
            note_progress(connection, number, "a", done=1, total=100 if counts == "all" else 62)
        _do(library, free_jobs, "a")
    assert _do(library, claim_job, number, "a") is None


def test_a_job_that_is_not_there_is_named(library: Library):
    for step in (job, cancel_job, job_again):
        with pytest.raises(DataError, match="no job nine"):
            _do(library, step, "nine")
    with library.store.read() as connection, pytest.raises(SettingsError):
        list_jobs(connection, count=0)


def test_progress_is_written_a_few_times_a_second_with_the_time_left(library: Library):
    number = _order(library)
    _do(library, claim_job, number, "a")
    report = JobProgress(library, number, "a", _LOG)
    for done in range(1, 101):
        report("adding", done, 200)
    with library.store.read() as connection:
        assert job(connection, number).done == 1
    report.flush()
    with library.store.read() as connection:
        found = job(connection, number)
    assert (found.said, found.done, found.total) == ("adding", 100, 200)
    assert found.seconds_left is not None


@pytest.mark.parametrize(("worker", "reason"), [("a", "cancelled"), ("b", "taken")])
def test_the_work_stops_where_it_is_asked_to_or_taken_away(library: Library, worker: str, reason: str):
    number = _order(library)
    _do(library, claim_job, number, "a")
    _do(library, cancel_job, number)
    with pytest.raises(JobStopped) as told:
        JobProgress(library, number, worker, _LOG)("adding", 1, 2)
    assert told.value.reason == reason
