"""What is wrong with the labelled pictures of a library, as questions in its queue; as a job, killed too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.databases import database, library, postgres_server
from library.brightness import confirm, numbers_of
from PIL import Image
from sqlalchemy import select

from lightfast.base.errors import DataError
from lightfast.library.add import add_pictures
from lightfast.library.held_out import hold_out
from lightfast.library.job_progress import JobProgress
from lightfast.library.jobs import Job, job
from lightfast.library.label_numbers import label_numbers
from lightfast.library.library import Library
from lightfast.library.people.users import user_number
from lightfast.library.review.decide import ReviewAct, decide
from lightfast.library.review.lease import lease_next
from lightfast.library.schema import places, queue_table
from lightfast.runs.library import curate as library_curate
from lightfast.runs.library.curate import LibraryCurated, curate_library
from lightfast.runs.library.worker import start_jobs
from lightfast.runs.options import RunOptions

__all__ = ["database", "library", "postgres_server"]
pytestmark = pytest.mark.timeout(180)
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
_SIDE, _EACH = 96, 14


def _photograph(kind: str, number: int) -> Image.Image:
    """Stripes, lying or standing, in colours of their own, with noise."""
    rng = np.random.default_rng([number, kind == "lying"])
    wave = np.sin(np.arange(_SIDE) / rng.uniform(2, 4) + rng.uniform(0, 6))[:, None]
    plane = np.repeat(wave if kind == "lying" else wave.T, _SIDE, axis=1 if kind == "lying" else 0)
    first, second = rng.integers(0, 256, (2, 3))
    pixels = np.where(plane[..., None] > 0, first, second) + rng.normal(0, 8, (_SIDE, _SIDE, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


@pytest.fixture
def striped(library: Library, tmp_path: Path) -> Library:
    """29 pictures of two kinds that ada decided: one is labelled wrongly, one is there in two files."""
    folder = tmp_path / "stripes"
    folder.mkdir()
    for kind in ("lying", "standing"):
        for number in range(_EACH):
            _photograph(kind, number).save(folder / f"{kind}{number}.png")
    _photograph("lying", 5).save(folder / "lying-again.bmp")
    add_pictures(library, [str(folder)])
    with library.store.write() as connection:
        user_number(connection, "ada")
    names = _names(library)
    said = {number: "standing" if name == "lying3" else _kind(name) for number, name in names.items()}
    confirm(library, numbers_of(library), said)
    return library


def _kind(name: str) -> str:
    return "lying" if name.startswith("lying") else "standing"


def _names(held: Library) -> dict[int, str]:
    with held.store.read() as connection:
        rows = connection.execute(select(places.c.asset_id, places.c.uri)).all()
    return {row.asset_id: Path(row.uri).stem for row in rows}


def _asked(held: Library) -> dict[str, tuple[str, str]]:
    """Picture → state of its question and its reason."""
    names = _names(held)
    with held.store.read() as connection:
        rows = connection.execute(select(queue_table).where(queue_table.c.source == "curate")).all()
    assert len(rows) == len({row.asset_id for row in rows})
    return {names[row.asset_id]: (row.state, row.reason) for row in rows}


def _curate(held: Library, order: str = "") -> LibraryCurated:
    return curate_library(held, RunOptions(), folds=3, order=order)


def test_a_wrong_label_and_a_copy_wait_for_a_person_with_their_reasons(striped: Library):
    result = _curate(striped)
    asked = _asked(striped)
    assert (result.n, result.queued, result.waiting) == (29, len(asked), 0)
    assert result.found["label"] >= 1
    assert asked["lying3"][0] == "open"
    # Of two copies the first one is no question.
    assert ("lying5" in asked) != ("lying-again" in asked)
    assert (striped.folder / result.run / "curated" / "report.html").is_file()
    with striped.store.write() as connection:
        ada = user_number(connection, "ada")
    assert any(_names(striped)[entry.asset_id] == "lying3" for entry in lease_next(striped.store, ada, 9))


@on_sqlite
def test_what_waits_is_not_queued_twice_and_what_was_answered_not_asked_again(striped: Library):
    first = _curate(striped)
    again = _curate(striped)
    assert (again.queued, again.waiting, again.answered) == (0, first.queued, 0)
    with striped.store.write() as connection:
        ada = user_number(connection, "ada")
        lying = label_numbers(connection, ["lying"])["lying"]
    (wrong,) = [number for number, name in _names(striped).items() if name == "lying3"]
    assert wrong in [entry.asset_id for entry in lease_next(striped.store, ada, 20)]
    # It is what it was called: the doubt was unfounded, and is not raised again.
    with striped.store.read() as connection:
        standing = label_numbers(connection, ["standing"])["standing"]
    decide(striped.store, ada, [ReviewAct(wrong, "reject", lying), ReviewAct(wrong, "confirm", standing)])
    assert _asked(striped)["lying3"][0] == "done"
    third = _curate(striped)
    assert (third.queued, third.answered) == (0, 1)


@on_sqlite
def test_begun_again_after_a_kill_nothing_is_sought_again_or_queued_twice(
    striped: Library, monkeypatch: pytest.MonkeyPatch
):
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(library_curate, "_queue", killed)
        with pytest.raises(KeyboardInterrupt):
            _curate(striped, order="one")
    assert _asked(striped) == {}
    sought: list[object] = []
    monkeypatch.setattr(library_curate, "curate_run", lambda *words: sought.append(words))
    result = _curate(striped, order="one")
    assert (result.queued, sought) == (len(_asked(striped)), [])
    assert _curate(striped, order="one").queued == 0
    assert [path.name for path in striped.runs.iterdir() if path.name.startswith("curate-")] == [
        "curate-0001"
    ]


@on_sqlite
def test_what_a_killed_search_left_goes(striped: Library, monkeypatch: pytest.MonkeyPatch):
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(library_curate, "curate_run", killed)
        with pytest.raises(KeyboardInterrupt):
            _curate(striped, order="one")
    result = _curate(striped, order="one")
    assert (result.run, result.queued > 0) == ("runs/curate-0001", True)


def _ended(held: Library, arguments: dict[str, int], meanwhile: Callable[[str], None]) -> Job:
    engine = start_jobs(held)
    try:
        number = engine.submit("curate", arguments)
        meanwhile(number)
        assert engine.wait_until_idle(150)
    finally:
        engine.close()
    with held.store.read() as connection:
        return job(connection, number)


def test_as_a_job_with_progress_and_its_result_kept(striped: Library):
    said: list[str] = []
    report = JobProgress.__call__

    def heard(self: JobProgress, what: str, *more: Any) -> None:
        said.append(what)
        report(self, what, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JobProgress, "__call__", heard)
        found = _ended(striped, {"folds": 3}, lambda _: None)
    assert (found.state, found.error) == ("done", None)
    assert found.result["queued"] == len(_asked(striped)) > 0
    assert found.result["run"] == "runs/curate-0001"
    assert said


def test_cancelled_it_stops_at_its_next_step_and_queues_nothing(
    striped: Library, monkeypatch: pytest.MonkeyPatch
):
    look = library_curate._look

    def looked(held: Library, folder: Path, options: RunOptions, folds: int) -> None:
        assert isinstance(options.report, JobProgress)
        with held.store.read() as connection:
            running = job(connection, options.report.job)
        engine = start_jobs(held, work=False)
        engine.cancel(running.id)
        engine.close()
        look(held, folder, options, folds)

    monkeypatch.setattr(library_curate, "_look", looked)
    found = _ended(striped, {"folds": 3}, lambda _: None)
    assert (found.state, _asked(striped)) == ("cancelled", {})


@on_sqlite
def test_a_label_that_only_the_untouched_part_has_stops_nothing(striped: Library):
    numbers = {name: number for number, name in _names(striped).items()}
    chosen = [numbers[name] for name in ("standing0", "standing1", "lying0")]
    confirm(striped, chosen[:1], {chosen[0]: "dotted"})
    hold_out(striped.store, chosen)
    assert _curate(striped).n == 29


@on_sqlite
def test_too_little_is_said(library: Library):
    with pytest.raises(DataError, match="too little is decided"):
        _curate(library)


@on_sqlite
def test_train_is_another_name_of_retrain_and_goes_alone_with_it(library: Library):
    engine = start_jobs(library, work=False)
    try:
        number = engine.submit("train")
        with library.store.read() as connection:
            assert job(connection, number).kind == "retrain"
        with pytest.raises(DataError, match="waits already"):
            engine.submit("retrain")
    finally:
        engine.close()
