"""Jobs are done once, whoever dies meanwhile."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fixtures.databases import away
from fixtures.library_kills import (
    Programs,
    counted_jobs,
    counted_models,
    counted_pictures,
    counted_tags,
    kill_reviewers,
    kill_workers,
    make_pictures,
)
from library.brightness import add_greys, confirm, numbers_of, truth_of
from library.pictures import fill

from lightfast.base.errors import DataError, LightfastError, SettingsError, StorageError, UnknownName
from lightfast.base.progress import Reporter
from lightfast.base.settings import Settings
from lightfast.library.add import add_pictures
from lightfast.library.job_progress import log_path
from lightfast.library.jobs import Job, job
from lightfast.library.library import Library
from lightfast.runs.library.jobs import JOB_KINDS, JobKind
from lightfast.runs.library.locks import WorkerLock, dead_worker, is_lost, lock_files
from lightfast.runs.library.worker import JobEngine, start_jobs

_Work = Callable[[Reporter], Any]


class _Nothing(Settings):
    """No arguments."""


@pytest.fixture(scope="module")
def programs() -> Iterator[Programs]:
    with Programs() as started:
        yield started


@pytest.fixture
def engine(library: Library) -> Iterator[JobEngine]:
    made = start_jobs(library)
    yield made
    made.close()


@pytest.fixture
def kind(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """`kind(work)`: the name of a kind of job that does it."""

    def make(work: _Work, alone: bool = False) -> str:
        entry = JobKind(_Nothing, lambda _library, _given, report, _by: work(report), alone)
        monkeypatch.setitem(JOB_KINDS._entries, "test", entry)
        return "test"

    return make


def _found(library: Library, number: str) -> Job:
    with library.store.read() as connection:
        return job(connection, number)


def _until(said: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not said():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_pictures_are_added_by_a_job_with_progress_result_and_log(
    engine: JobEngine, library: Library, tmp_path: Path
):
    number = engine.submit("add", {"sources": [str(make_pictures(tmp_path / "pictures", 3))]})
    assert engine.wait_until_idle(30)
    found = _found(library, number)
    assert (found.state, found.done, found.total, found.result["added"]) == ("done", 3, 3, 3)
    assert "adding 3 of 3" in log_path(library, number).read_text()
    assert (library.logs / "worker.log").read_text() == ""


def test_what_cannot_be_ordered(engine: JobEngine):
    with pytest.raises(UnknownName):
        engine.submit("dance")
    with pytest.raises(UnknownName):
        engine.submit("add", {"source": "x"})
    with pytest.raises(SettingsError):
        engine.submit("add", {"sources": []})
    with pytest.raises(SettingsError, match="works on jobs already"):
        start_jobs(engine.library)


def test_a_job_fails_with_a_sentence_is_tried_again_and_cancelled(
    engine: JobEngine, library: Library, kind: Callable[..., str]
):
    steps: list[str] = []

    def work(report: Reporter) -> dict[str, int]:
        steps.append("begun")
        if len(steps) == 1:
            raise DataError("no room", cure="Make some.")
        while True:
            report("turning", 1, 2)
            time.sleep(0.02)

    number = engine.submit(kind(work, alone=True))
    assert engine.wait_until_idle(30)
    assert (_found(library, number).state, _found(library, number).error) == ("failed", "no room. Make some.")
    engine.retry(number)
    with pytest.raises(DataError, match="already"):
        engine.submit("test")
    _until(lambda: _found(library, number).said == "turning")
    engine.cancel(number)
    assert engine.wait_until_idle(30)
    assert (_found(library, number).state, len(steps)) == ("cancelled", 2)


def test_what_a_closing_worker_has_in_hand_is_done_by_the_next(library: Library, kind: Callable[..., str]):
    begun, last = threading.Event(), threading.Event()

    def work(report: Reporter) -> str:
        begun.set()
        while not last.is_set():
            report("turning", 1, 2)
            time.sleep(0.02)
        return "turned"

    first = start_jobs(library)
    number = first.submit(kind(work))
    assert begun.wait(30)
    first.close()
    assert _found(library, number).state == "waiting"
    last.set()
    second = start_jobs(library)
    assert second.wait_until_idle(30)
    # The file of the first one goes as soon as its jobs were looked for.
    _until(lambda: [path.stem for path in library.workers.iterdir()] == [second.worker])
    second.close()
    assert (_found(library, number).result, _found(library, number).attempts) == ("turned", 2)


def test_a_job_outlives_a_database_that_goes_away(
    engine: JobEngine, library: Library, kind: Callable[..., str]
):
    begun, gone = threading.Event(), threading.Event()

    def work(report: Reporter) -> str:
        begun.set()
        assert gone.wait(30)
        for step in range(3):
            report("turning", step, 3)
            time.sleep(0.3)
        return "turned"

    number = engine.submit(kind(work))
    assert begun.wait(30)
    with away(library) as back:
        gone.set()
        time.sleep(1.0)
        back()
        assert engine.wait_until_idle(30)
    assert (_found(library, number).state, _found(library, number).result) == ("done", "turned")


def test_a_library_that_cannot_be_written_has_no_workers(library: Library, read_only: Callable[[Path], Path]):
    read_only(library.folder)
    with pytest.raises(StorageError, match="read-only"):
        start_jobs(library)


def test_an_order_waits_until_somebody_works(library: Library, kind: Callable[..., str]):
    desk = start_jobs(library, work=False)
    number = desk.submit(kind(lambda _report: 7))
    desk.close()
    engine = start_jobs(library)
    assert engine.wait_until_idle(30)
    engine.close()
    assert _found(library, number).result == 7


def test_jobs_that_the_queue_has_forgotten_are_done(library: Library, kind: Callable[..., str]):
    desk = start_jobs(library, work=False)
    number = desk.submit(kind(lambda _report: 7))
    desk._client.delete_workflows([one.workflow_id for one in desk._client.list_workflows()])
    desk.close()
    engine = start_jobs(library)
    assert engine.wait_until_idle(30)
    engine.close()
    assert _found(library, number).result == 7


def test_a_mistake_in_the_work_is_told_and_its_place_stands_in_the_log(
    engine: JobEngine, library: Library, kind: Callable[..., str]
):
    number = engine.submit(kind(lambda _report: 1 / 0))
    assert engine.wait_until_idle(30)
    assert _found(library, number).error == "ZeroDivisionError: division by zero"
    assert "Traceback" in log_path(library, number).read_text()


def test_a_worker_is_dead_when_its_lock_is_gone(tmp_path: Path):
    alive = WorkerLock(tmp_path)
    (path,) = lock_files(tmp_path, "")
    assert lock_files(tmp_path, alive.name) == []
    alive.release()
    with contextlib.suppress(LightfastError), dead_worker(path) as name:
        assert name == alive.name
        raise LightfastError("not done")
    assert path.exists()
    with dead_worker(path):
        pass
    with dead_worker(path) as nobody:
        assert nobody is None
    assert not is_lost(alive.name, tmp_path)
    assert is_lost("-".join([*alive.name.split("-")[:-2], "999999999", "abc"]), tmp_path)


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_workers_lose_nothing_and_do_nothing_twice(
    programs: Programs, library: Library, tmp_path: Path, workers: int
):
    def orders() -> Iterator[tuple[str, dict[str, Any]]]:
        for number in range(100):
            pictures = make_pictures(tmp_path / f"pictures{number}", 60, 60 * number)
            yield "add", {"sources": [str(pictures)]}
            yield "shine", {"model": "one"}

    ordered = kill_workers(programs, library, orders(), 3, workers=workers, seed=workers)
    files = sum(1 for _ in tmp_path.glob("pictures*/*.png"))
    desk = start_jobs(library)
    desk.submit("shine", {"model": "one"})
    assert desk.wait_until_idle(60)
    desk.close()
    nothing = {"lost": 0, "twice": 0}
    assert counted_jobs(library, ordered) == nothing
    assert counted_pictures(library, files) == nothing
    assert counted_tags(library, 1) == nothing


@pytest.mark.timeout(300)
def test_killed_retrainings_leave_one_model_and_one_entry_each(library: Library, tmp_path: Path):
    add_greys(library, tmp_path / "greys", 40)
    confirm(library, numbers_of(library)[:30], truth_of(library))

    def orders() -> Iterator[tuple[str, dict[str, Any]]]:
        for number in range(100):
            yield "learn", {"model": "mlp", "margin": 0.99, "seed": number}

    with Programs("lightfast.runs.library.retrain") as programs:
        ordered = kill_workers(programs, library, orders(), 2, workers=1, seed=2, backlog=1, pause=4.0)
    nothing = {"lost": 0, "twice": 0}
    assert counted_jobs(library, ordered) == nothing
    assert counted_models(library, len(ordered)) == nothing


def test_killed_reviewers_lose_nothing_and_do_nothing_twice(programs: Programs, library: Library):
    fill(library, 150)
    counts = kill_reviewers(programs, library, 4, seed=3)
    assert counts.pop("killed") > 0
    assert counts == {"lost": 0, "twice": 0, "shown to two": 0}


def test_many_reviewers_at_once(programs: Programs, library: Library):
    fill(library, 200, users=6)
    said = kill_reviewers(programs, library, 0, users=range(1, 7), seed=0)
    assert said == {"lost": 0, "twice": 0, "shown to two": 0, "killed": 0}


def test_adding_goes_on_beside_a_worker(engine: JobEngine, library: Library, tmp_path: Path):
    folder = str(make_pictures(tmp_path / "pictures", 20))
    engine.submit("add", {"sources": [folder]})
    add_pictures(library, [folder])
    assert engine.wait_until_idle(30)
    assert counted_pictures(library, 20) == {"lost": 0, "twice": 0}
