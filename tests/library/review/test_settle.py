"""Questions close where they are answered, and open again where the answer is taken back."""

from __future__ import annotations

import pytest
from library.pictures import fill, states
from sqlalchemy import delete, select

from lightfast.library.library import Library
from lightfast.library.review.decide import Act, ReviewAct, decide
from lightfast.library.review.lease import enqueue, lease_next, release
from lightfast.library.review.undo import redo, undo
from lightfast.library.schema import queue_table

CAT, DOG, HAT = 1, 2, 3


@pytest.fixture
def several(library: Library) -> Library:
    """One picture that a model asks about with three labels."""
    fill(library, 1, names=("cat", "dog", "hat"), users=3)
    row = {"asset_id": 1, "source": "tag", "reason": "no threshold proven", "uncertainty": 0.5}
    with library.store.write() as connection:
        connection.execute(delete(queue_table))
        enqueue(connection, [{**row, "label_id": label} for label in (CAT, DOG, HAT)])
    return library


def _open(library: Library) -> list[int | None]:
    wanted = select(queue_table.c.label_id).where(queue_table.c.state == "open").order_by(queue_table.c.id)
    with library.store.read() as connection:
        return list(connection.execute(wanted).scalars())


def test_an_answer_about_one_of_several_labels_leaves_the_others_open(several: Library):
    decide(several.store, 1, [ReviewAct(1, "confirm", CAT)])
    assert _open(several) == [DOG, HAT]
    decide(several.store, 1, [ReviewAct(1, "reject", HAT)])
    assert _open(several) == [DOG]
    decide(several.store, 1, [ReviewAct(1, "confirm", DOG)])
    assert _open(several) == []
    assert states(several) == {(1, CAT): "confirmed", (1, HAT): "rejected", (1, DOG): "confirmed"}


def test_another_label_than_the_one_asked_about_answers_that(several: Library):
    decide(several.store, 1, [ReviewAct(1, "confirm", DOG, from_label_id=CAT)])
    assert _open(several) == [HAT]


def test_answers_about_several_labels_are_taken_back_one_by_one(several: Library):
    for label in (CAT, DOG, HAT):
        decide(several.store, 1, [ReviewAct(1, "confirm", label)])
    found = []
    for move in (undo, undo, undo, redo, redo, redo):
        move(several.store, 1)
        found.append(_open(several))
    assert found == [[HAT], [DOG, HAT], [CAT, DOG, HAT], [DOG, HAT], [HAT], []]


def test_another_person_answers_what_the_first_left_open(several: Library):
    decide(several.store, 1, [ReviewAct(1, "confirm", CAT)])
    assert [one.label_id for one in lease_next(several.store, 2)] == [DOG]
    assert decide(several.store, 2, [ReviewAct(1, "reject", DOG)]).kept == ()
    assert _open(several) == [HAT]


def test_an_answer_closes_every_question_of_other_kinds(library: Library):
    fill(library, 1)
    with library.store.write() as connection:
        enqueue(connection, [{"asset_id": 1, "source": "curate", "reason": "odd", "uncertainty": 0.5}])
    decide(library.store, 1, [ReviewAct(1, "confirm", DOG)])
    assert _open(library) == []


def _waiting(library: Library, *users: int) -> list[list[str]]:
    """Sources of what each user in turn is asked, and gives back."""
    found = []
    for user in users:
        found.append([one.source for one in lease_next(library.store, user, 5)])
        release(library.store, user)
    return found


@pytest.mark.parametrize(
    ("act", "asked"), [("second_opinion", [[], ["person"]]), ("send_back", [["person"], ["person"]])]
)
def test_a_picture_that_did_not_wait_is_asked_about(library: Library, act: Act, asked: list[list[str]]):
    fill(library, 1)
    with library.store.write() as connection:
        connection.execute(delete(queue_table))
    decide(library.store, 1, [ReviewAct(1, "confirm", CAT)])
    decide(library.store, 1, [ReviewAct(1, act)])
    assert _waiting(library, 1, 2) == asked
    undo(library.store, 1)
    assert _waiting(library, 1, 2) == [[], []]
    redo(library.store, 1)
    assert _waiting(library, 1, 2) == asked
    decide(library.store, 2, [ReviewAct(1, "reject", CAT)], over=True)
    assert _waiting(library, 1, 2) == [[], []]
