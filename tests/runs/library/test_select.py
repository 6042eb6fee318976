"""Pictures are chosen for people to look at: from nothing, then by what they decided."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from library.pictures import fill
from sqlalchemy import select

from lightfast.base.errors import DataError
from lightfast.base.plain import as_json
from lightfast.curate.select import select_next
from lightfast.library.feature_files import FeatureFormat, FeatureRows, append_features
from lightfast.library.job_progress import JobProgress
from lightfast.library.jobs import JobState, claim_job, end_job, free_jobs, job_again, new_job
from lightfast.library.label_list import add_label
from lightfast.library.library import Library
from lightfast.library.remove import retire_label
from lightfast.library.review.decide import ReviewAct, decide
from lightfast.library.review.lease import lease_next
from lightfast.library.schema import assets, labels, queue_table
from lightfast.runs.library.kinds import JOB_KINDS
from lightfast.runs.library.select import choose_for_review
from lightfast.runs.options import RunOptions

COUNT = 40


@pytest.fixture
def database() -> None:
    """SQLite."""


@pytest.fixture
def ends(library: Library, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Forty pictures, of even places at one end of the features, of odd ones at the other."""
    fill(library, COUNT)
    with library.store.read() as connection:
        ids = list(connection.execute(select(assets.c.id).order_by(assets.c.id)).scalars())
    side = np.where(np.arange(COUNT) % 2 == 0, 1.0, -1.0)
    noise = np.random.default_rng(0).normal(0, 0.05, (COUNT, 4))
    vectors = np.float32(np.stack([side, 0 * side, 0 * side, 0 * side], axis=1) + noise)
    append_features(library, FeatureFormat("test", 4, (8, 8)), FeatureRows(ids, vectors))
    given = ("test", np.array(ids), vectors)
    monkeypatch.setattr("lightfast.runs.library.select.pictures_with_features", lambda *_: given)
    return ids


def chosen(library: Library) -> list[tuple[int, int | None]]:
    """(picture, label that is asked about) of what was chosen, the first first."""
    with library.store.read() as connection:
        rows = connection.execute(
            select(queue_table.c.asset_id, queue_table.c.label_id)
            .where(queue_table.c.source == "select", queue_table.c.state == "open")
            .order_by(queue_table.c.uncertainty.desc())
        )
        return [(row.asset_id, row.label_id) for row in rows]


def names(library: Library) -> dict[int, str]:
    with library.store.read() as connection:
        return {row.id: row.name for row in connection.execute(select(labels))}


def test_from_nothing_typical_pictures_are_asked_about_without_a_label(library: Library, ends: list[int]):
    found = choose_for_review(library, RunOptions(), 6)
    assert (found.queued, found.undecided, found.strategy) == (6, COUNT, "herding")
    waiting = chosen(library)
    assert len(waiting) == 6
    assert {label for _, label in waiting} == {None}
    assert {ends.index(asset) % 2 for asset, _ in waiting} == {0, 1}


def test_what_was_decided_is_guessed_of_the_next_ones(library: Library, ends: list[int]):
    numbers = {name: number for number, name in names(library).items()}
    acts = [ReviewAct(ends[at], "confirm", numbers["cat" if at % 2 == 0 else "dog"]) for at in range(8)]
    decide(library.store, 1, acts)
    found = choose_for_review(library, RunOptions(), 10)
    assert (found.queued, found.decided, found.strategy) == (10, 8, "unsure-herding")
    called = names(library)
    for asset, label in chosen(library):
        assert asset not in ends[:8]
        assert called[label or 0] == ("cat" if ends.index(asset) % 2 == 0 else "dog")


def test_they_come_before_what_waits_already_and_are_not_chosen_twice(library: Library, ends: list[int]):
    choose_for_review(library, RunOptions(), 30)
    found = choose_for_review(library, RunOptions(), 30)
    assert (found.queued, found.undecided) == (10, 10)
    assert {one.source for one in lease_next(library.store, 1, 20)[1:]} == {"select"}
    with pytest.raises(DataError, match="nothing left to choose"):
        choose_for_review(library, RunOptions(), 30)


def test_a_picture_that_is_only_known_for_what_it_is_not_is_not_asked_again(
    library: Library, ends: list[int]
):
    number = next(iter(names(library)))
    decide(library.store, 1, [ReviewAct(ends[3], "reject", number)])
    found = choose_for_review(library, RunOptions(), COUNT)
    assert found.queued == COUNT - 1
    assert ends[3] not in {asset for asset, _ in chosen(library)}


def test_nobody_is_asked_about_a_label_that_left_the_taxonomy(library: Library, ends: list[int]):
    numbers = {name: number for number, name in names(library).items()}
    acts = [ReviewAct(ends[at], "confirm", numbers["cat" if at % 2 == 0 else "dog"]) for at in range(8)]
    decide(library.store, 1, acts)
    retire_label(library.store, "cat")
    choose_for_review(library, RunOptions(), COUNT)
    assert {label for _, label in chosen(library)} == {None}
    assert not {asset for asset, _ in chosen(library)} & set(ends[:8])


def test_a_word_of_a_client_is_asked_about_as_the_librarys_own(library: Library, ends: list[int]):
    numbers = {name: number for number, name in names(library).items()}
    with library.store.write() as connection:
        word = add_label(connection, "Katze", "shop", same_as_id=numbers["cat"])
    acts = [ReviewAct(ends[at], "confirm", word.id if at % 2 == 0 else numbers["dog"]) for at in range(8)]
    decide(library.store, 1, acts)
    choose_for_review(library, RunOptions(), 10)
    assert {label for _, label in chosen(library)} == {numbers["cat"], numbers["dog"]}


def test_what_is_decided_while_it_is_chosen_is_not_asked(
    library: Library, ends: list[int], monkeypatch: pytest.MonkeyPatch
):
    number = next(iter(names(library)))

    def decided_meanwhile(*words, **more):
        decide(library.store, 1, [ReviewAct(ends[3], "confirm", number)])
        return select_next(*words, **more)

    monkeypatch.setattr("lightfast.runs.library.select.select_next", decided_meanwhile)
    assert choose_for_review(library, RunOptions(), COUNT).queued == COUNT - 1
    assert ends[3] not in {asset for asset, _ in chosen(library)}


@pytest.mark.parametrize("state", ["waiting", "cancelled", "failed"])
def test_a_job_that_was_killed_after_it_had_chosen_chooses_no_others(
    library: Library, ends: list[int], state: JobState
):
    kind = JOB_KINDS.get("select")
    given = kind.arguments.of(count=5)
    with library.store.write() as connection:
        number, _ = new_job(connection, "select", {"count": 5})
        claim_job(connection, number, "first")
    report = JobProgress(library, number, "first", logging.getLogger("test"))
    result = as_json(kind.work(library, given, report, None))
    before = chosen(library)
    assert (len(before), result["queued"]) == (5, 5)
    with library.store.write() as connection:
        if state == "waiting":
            # As the next worker does for one that died, or as one does that closes.
            free_jobs(connection, "first")
            claim_job(connection, number, "second")
            end_job(connection, number, "second", "waiting")
        else:
            end_job(connection, number, "first", state)
            job_again(connection, number)
        claim_job(connection, number, "third")
    report = JobProgress(library, number, "third", logging.getLogger("test"))
    assert as_json(kind.work(library, given, report, None)) == result
    assert chosen(library) == before


def test_a_choice_whose_commit_was_not_acknowledged_is_made_once(library: Library, ends: list[int]):
    with library.store.write() as connection:
        number, _ = new_job(connection, "select", {"count": 5})
    first = choose_for_review(library, RunOptions(), 5, number)
    assert choose_for_review(library, RunOptions(), 5, number).queued == first.queued == 5
    assert len(chosen(library)) == 5
    assert choose_for_review(library, RunOptions(), 5).queued == 5
    assert len(chosen(library)) == 10
