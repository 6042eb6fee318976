"""From decisions to the next model: what is trained on, the untouched part, the ledger, who is in use."""

from __future__ import annotations

import logging
import multiprocessing
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from fixtures.databases import database, library, postgres_server
from fixtures.retraining import filled, on_sqlite, pile_rows, retrained
from house.test_imports import loaded_by
from library.brightness import add_greys, confirm, numbers_of, truth_of

from lightfast.base.errors import CheckpointError, DataError, UnknownName
from lightfast.library.exclusive import exclusively
from lightfast.library.held_out import held_out_assets
from lightfast.library.job_progress import JobProgress
from lightfast.library.labelled import require_two_labels
from lightfast.library.ledger import answer_to, read_ledger, verdict_of
from lightfast.library.library import Library, create_library, open_library
from lightfast.library.people.audit_log import AuditFilter, read_audit
from lightfast.library.people.users import user_number
from lightfast.library.promote import list_models, promote_model, rollback_model
from lightfast.library.remove import retire_label
from lightfast.runs.library import retrain as library_retrain
from lightfast.runs.library.pile import RetrainOptions
from lightfast.runs.library.retrain import retrain_library
from lightfast.runs.library.tag import promoted_run, tag_library
from lightfast.runs.options import RunOptions
from lightfast.statistics.intervals import Interval

__all__ = ["database", "filled", "library", "postgres_server"]
pytestmark = pytest.mark.timeout(120)


def test_from_decisions_to_a_model_in_use_to_tags(filled: Library):
    first = retrained(filled, by=filled.store.act(lambda connection: user_number(connection, "ada")))
    assert (first.verdict, first.promoted, first.before) == ("first", True, None)
    with filled.store.read() as connection:
        (line,) = read_audit(connection, AuditFilter(kind="model"))[0]
    assert (line.person, line.act, line.detail) == ("ada", "model promoted", {"model_id": first.model_id})
    assert (first.decisions, first.minutes, first.held_out) == (30, 1.0, 6)
    assert first.trained == 24
    assert list(pile_rows(filled, first).values()).count(("bright", "test")) == 3
    assert promoted_run(filled) == str(filled.folder / first.run)
    said = tag_library(filled, promoted_run(filled), RunOptions())
    assert (said.seen, said.decided, said.model_id) == (40, 30, first.model_id)


@on_sqlite
def test_the_untouched_part_is_never_trained_on_and_grows_by_new_pictures_only(filled: Library):
    first = pile_rows(filled, retrained(filled))
    confirm(filled, numbers_of(filled)[30:], truth_of(filled))
    result = retrained(filled)
    second = pile_rows(filled, result)
    held = {name for name, (_, part) in first.items() if part == "test"}
    assert {name for name, (_, part) in second.items() if part == "test"} >= held
    joined = {name for name, (_, part) in second.items() if part == "test"} - held
    assert len(joined) == result.held_out_new == 2
    assert not joined & set(first)
    assert (result.decisions, result.held_out_uses) == (10, 1)


@on_sqlite
def test_the_untouched_part_grows_though_the_new_pictures_lack_a_label(filled: Library):
    truth = truth_of(filled)
    rest = numbers_of(filled)[30:]
    confirm(filled, rest[:5], {**truth, rest[0]: "grey", rest[1]: "grey"})
    retrained(filled)
    # No grey one among these: three bright, two dark.
    confirm(filled, rest[5:], truth)
    assert retrained(filled).held_out_new == 2


def test_the_ledger_tells_cost_gain_and_verdict_and_only_what_is_not_worse_is_used(filled: Library):
    first = retrained(filled)
    # The same decisions turned round: what is learned is as wrong as can be.
    turned = {number: "dark" if name == "bright" else "bright" for number, name in truth_of(filled).items()}
    with filled.store.read() as connection:
        held = held_out_assets(connection)
    confirm(filled, [one for one in numbers_of(filled)[:30] if one not in held], turned)
    second = retrained(filled)
    assert second.test is not None
    assert (second.test.before_accuracy, second.test.after_accuracy) == (1.0, 0.0)
    assert (second.verdict, second.promoted) == ("worse", False)
    assert "at worst -" in second.reason
    assert promoted_run(filled).endswith(first.model)
    entries = read_ledger(filled.store)
    assert [one.verdict for one in entries] == ["first", "worse"]
    assert (entries[1].decisions, entries[1].figures["paired"]["lost"]) == (24, 6)
    assert (entries[1].before_model_id, entries[1].after_model_id) == (first.model_id, second.model_id)


def _meanwhile(monkeypatch: pytest.MonkeyPatch, before: str, act: Callable[[], object]) -> None:
    """Let `act` happen once, just before the function `before` of a retraining is called."""
    real, left = getattr(library_retrain, before), [act]

    def first(*given: object, **named: object) -> object:
        while left:
            left.pop()()
        return real(*given, **named)

    monkeypatch.setattr(library_retrain, before, first)


def test_what_is_promoted_while_a_model_is_trained_is_what_it_is_compared_with(
    filled: Library, monkeypatch: pytest.MonkeyPatch
):
    first = retrained(filled)
    second = retrained(filled, promote=False)
    _meanwhile(monkeypatch, "train_run", lambda: promote_model(filled.store, second.model))
    third = retrained(filled, margin=0.99)
    assert (third.before, third.promoted) == (second.model, True)
    assert second.model in third.reason
    entry = read_ledger(filled.store)[-1]
    assert (entry.before_model_id, entry.after_model_id) == (second.model_id, third.model_id)
    assert rollback_model(filled.store).name == second.model
    assert rollback_model(filled.store).name == first.model


def test_a_model_promoted_meanwhile_that_cannot_be_read_loses_no_training(
    filled: Library, monkeypatch: pytest.MonkeyPatch
):
    retrained(filled)
    second = retrained(filled, promote=False)

    def gone() -> None:
        promote_model(filled.store, second.model)
        shutil.rmtree(filled.folder / second.run)

    _meanwhile(monkeypatch, "train_run", gone)
    third = retrained(filled, margin=0.99)
    assert (third.before, third.test, third.promoted) == (second.model, None, False)
    assert third.reason.startswith(f"it cannot be compared with {second.model}")
    assert third.model in third.reason.rpartition("`library promote`")[2]
    assert read_ledger(filled.store)[-1].after_model_id == third.model_id
    assert promote_model(filled.store, third.model).in_use


def test_what_is_promoted_after_the_comparison_stays_in_use(filled: Library, monkeypatch: pytest.MonkeyPatch):
    retrained(filled)
    second = retrained(filled, promote=False)
    _meanwhile(monkeypatch, "_judged", lambda: promote_model(filled.store, second.model))
    third = retrained(filled, margin=0.99)
    assert not third.promoted
    assert "another model was taken into use" in third.reason
    assert [one.name for one in list_models(filled.store) if one.in_use] == [second.model]


@on_sqlite
def test_not_promoted_as_asked_then_promoted_by_hand_then_taken_back(filled: Library):
    first = retrained(filled)
    second = retrained(filled, promote=False, margin=0.9)
    assert (second.promoted, second.reason[:22]) == (False, "not promoted, as asked")
    assert promote_model(filled.store, second.model).in_use
    assert rollback_model(filled.store).name == first.model
    assert [one.in_use for one in list_models(filled.store)] == [True, False]
    with pytest.raises(DataError, match="no model to go back to"):
        rollback_model(filled.store)


@on_sqlite
def test_too_few_decisions_are_said(library: Library, tmp_path: Path):
    add_greys(library, tmp_path / "greys", 4)
    with pytest.raises(DataError, match="too little is decided"):
        retrained(library)


def test_too_few_labels_are_said_before_anything_is_loaded_to_train(tmp_path: Path):
    """Retired labels and what was only rejected are none to train on."""
    held = create_library(tmp_path / "library")
    add_greys(held, tmp_path / "greys", 4)
    one, two, *_ = numbers_of(held)
    confirm(held, [one, two], truth_of(held))
    require_two_labels(held)
    retire_label(held.store, "bright")
    with pytest.raises(DataError, match=r"expected pictures of at least two labels .* got 2 pictures"):
        require_two_labels(held)
    held.close()
    code = (
        "from pathlib import Path\nimport lightfast.runs.library.kinds\n"
        "from lightfast.base.progress import silent\nfrom lightfast.library.library import open_library\n"
        "from lightfast.runs.library.jobs import JOB_KINDS\nkind = JOB_KINDS.get('retrain')\n"
        "try:\n    kind.work(open_library(Path(sys.argv[1])), kind.arguments(), silent, None)\n"
        "except Exception as error:\n    assert 'too little is decided' in str(error), error\n"
        "else:\n    raise AssertionError"
    )
    assert not {"torch", "sklearn", "timm"} & loaded_by(code, str(held.folder))


def test_a_second_retraining_at_once_is_refused_and_a_killed_one_holds_nothing_up(filled: Library):
    process = multiprocessing.get_context("spawn").Process(target=_hold, args=(filled.folder,))
    process.start()
    while not (filled.folder / "held").exists():
        process.join(0.05)
    with pytest.raises(DataError, match="another retrain of this library is running"):
        retrained(filled)
    process.kill()
    process.join()
    with exclusively(filled, "retrain"):
        pass


def _hold(folder: Path) -> None:
    """Another process that hangs in the middle."""
    import time

    held = open_library(folder)
    with exclusively(held, "retrain"):
        (folder / "held").touch()
        time.sleep(60)


@on_sqlite
def test_a_model_whose_run_is_gone_is_said_before_anything_is_trained(filled: Library):
    import shutil

    first = retrained(filled)
    shutil.rmtree(filled.folder / first.run)
    with pytest.raises(CheckpointError):
        retrained(filled)
    assert len(read_ledger(filled.store)) == 1


@on_sqlite
def test_a_training_that_failed_holds_nothing_out(filled: Library):
    for _ in range(2):
        with pytest.raises(UnknownName):
            retrain_library(filled, RunOptions(), RetrainOptions("no-such-model"))
    with filled.store.read() as connection:
        assert held_out_assets(connection) == set()
    assert retrained(filled).held_out_new == 6


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((0.01, 0.2), "better"),
        ((-0.1, 0.1), "no gain shown"),
        ((-0.2, -0.01), "worse"),
        ((0.0, 0.1), "no gain shown"),
    ],
)
def test_the_verdict_is_read_off_the_interval(interval: tuple[float, float], verdict: str):
    assert verdict_of(Interval(*interval)) == verdict


def test_what_was_ordered_is_done_once_however_often_it_is_begun(filled: Library, monkeypatch):
    """Killed right after the training, after the write, and begun again: one model, one entry."""
    from lightfast.runs.library import retrain as library_retrain

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(library_retrain, "count_use", killed)
        with pytest.raises(KeyboardInterrupt):
            retrained(filled, order="job 1")
    assert (read_ledger(filled.store), list_models(filled.store)) == ((), ())
    with filled.store.read() as connection:
        assert not held_out_assets(connection)
    first = retrained(filled, order="job 1")
    assert first.model == "retrain-0001"
    assert [path.name for path in sorted(filled.runs.glob("retrain-*"))] == ["retrain-0001"]
    with filled.store.read() as connection:
        done = answer_to(connection, "job 1")
        assert answer_to(connection, "job 2") is None
    assert done is not None
    assert (done["model_id"], done["verdict"]) == (first.model_id, "first")
    (entry,) = read_ledger(filled.store)
    assert not {"order", "answer"} & set(entry.figures)


def test_a_job_that_ended_unsaid_is_answered_from_the_ledger(filled: Library, monkeypatch):
    from lightfast.runs.library import kinds as library_kinds
    from lightfast.runs.library import retrain as library_retrain

    trained = retrained(filled, order="7")
    monkeypatch.setattr(library_retrain, "retrain_library", None)
    report = JobProgress(filled, "7", "worker", logging.getLogger("quiet"))
    found = library_kinds._retrain(filled, library_kinds.RetrainArguments(), report, None)
    assert (found["model"], found["held_out"]) == (trained.model, trained.held_out)


@on_sqlite
def test_an_order_that_is_done_while_its_lock_is_waited_for_is_not_trained_over(filled: Library, monkeypatch):
    from lightfast.runs.library import kinds as library_kinds

    report = JobProgress(filled, "7", "worker", logging.getLogger("quiet"))
    trained = retrained(filled, order="7")
    weights = {path: path.stat().st_mtime_ns for path in (filled.folder / trained.run).rglob("*")}
    # It was not in the ledger yet when the second worker looked, before it got the lock.
    monkeypatch.setattr(library_kinds, "answer_to", lambda *_: None)
    found = library_kinds._retrain(filled, library_kinds.RetrainArguments(model="mlp"), report, None)
    assert (found["model"], found["model_id"]) == (trained.model, trained.model_id)
    assert {path: path.stat().st_mtime_ns for path in (filled.folder / trained.run).rglob("*")} == weights


@on_sqlite
def test_a_lock_that_is_let_go_of_meanwhile_is_waited_for(library: Library):
    held, enough = threading.Event(), threading.Event()

    def hold() -> None:
        with exclusively(library, "retrain"):
            held.set()
            enough.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(60)
    with pytest.raises(DataError, match="another retrain"), exclusively(library, "retrain", 0.3):
        pass
    threading.Timer(0.3, enough.set).start()
    with exclusively(library, "retrain", 60):
        assert enough.is_set()
    holder.join()
