"""A second opinion that differs goes to a third person, who sees neither; the third one's word holds."""

from __future__ import annotations

from library.pictures import fill, states
from sqlalchemy import select

from lightfast.library.library import Library
from lightfast.library.people.users import user_number
from lightfast.library.review.decide import ReviewAct, decide
from lightfast.library.review.disagree import kept_pictures
from lightfast.library.review.lease import lease_next, release
from lightfast.library.review.review import next_asked
from lightfast.library.review.undo import redo, undo
from lightfast.library.schema import queue_table

CAT, DOG = 1, 2


def _disagree(library: Library) -> None:
    """The first person holds it for a cat, the second for a dog."""
    fill(library, 1, users=3)
    lease_next(library.store, 1)
    decide(library.store, 1, [ReviewAct(1, "second_opinion", CAT)])
    lease_next(library.store, 2)
    decide(library.store, 2, [ReviewAct(1, "confirm", DOG)])


def _seen(library: Library, user: int) -> list[int]:
    return [one.asset_id for one in lease_next(library.store, user, 5)]


def test_two_that_differ_are_settled_by_a_third_whose_word_holds(library: Library):
    _disagree(library)
    assert _seen(library, 1) == _seen(library, 2) == []
    assert _seen(library, 3) == [1]
    said = decide(library.store, 3, [ReviewAct(1, "confirm", CAT)])
    assert said.kept == ()
    assert states(library) == {(1, CAT): "confirmed", (1, DOG): "rejected"}
    assert [_seen(library, user) for user in (1, 2, 3)] == [[], [], []]


def test_later_reviewers_cannot_see_earlier_answers(library: Library):
    _disagree(library)
    (asked,) = next_asked(library, 3, 1)
    assert (asked.source, asked.label, asked.probability, asked.others) == ("disagreement", None, None, ())
    shown = repr(asked)
    assert not any(word in shown for word in ("cat", "dog", "u1", "u2"))


def test_two_that_agree_need_no_third(library: Library):
    fill(library, 1, users=3)
    decide(library.store, 1, [ReviewAct(1, "second_opinion", CAT)])
    decide(library.store, 2, [ReviewAct(1, "confirm", CAT)])
    assert _seen(library, 3) == []


def test_a_first_person_without_an_opinion_disagrees_with_nobody(library: Library):
    fill(library, 1, users=3)
    decide(library.store, 1, [ReviewAct(1, "second_opinion")])
    decide(library.store, 2, [ReviewAct(1, "confirm", DOG)])
    assert _seen(library, 3) == []


def test_the_second_person_takes_back_and_the_question_is_open_again(library: Library):
    _disagree(library)
    undo(library.store, 2)
    assert states(library) == {}
    assert _seen(library, 2) == [1]
    with library.store.read() as connection:
        rows = connection.execute(select(queue_table.c.source, queue_table.c.state)).all()
    assert set(map(tuple, rows)) == {("tag", "open"), ("disagreement", "withdrawn")}


def test_the_third_takes_back_and_is_asked_again(library: Library):
    _disagree(library)
    lease_next(library.store, 3)
    decide(library.store, 3, [ReviewAct(1, "confirm", CAT)])
    undo(library.store, 3)
    assert states(library) == {(1, DOG): "confirmed"}
    with library.store.read() as connection:
        open_ones = connection.execute(select(queue_table.c.source).where(queue_table.c.state == "open"))
        assert open_ones.scalars().all() == ["disagreement"]


def test_what_was_sent_back_may_be_decided_by_whom_the_queue_asks(library: Library):
    fill(library, 1)
    decide(library.store, 1, [ReviewAct(1, "confirm", CAT)])
    decide(library.store, 1, [ReviewAct(1, "send_back")])
    assert decide(library.store, 2, [ReviewAct(1, "reject", CAT)]).kept == (1,)
    lease_next(library.store, 2)
    assert decide(library.store, 2, [ReviewAct(1, "reject", CAT)]).kept == ()
    assert states(library) == {(1, CAT): "rejected"}


def test_the_second_answer_done_again_is_asked_of_a_third_again(library: Library):
    _disagree(library)
    undo(library.store, 2)
    assert _seen(library, 3) == [1]
    release(library.store, 3)
    redo(library.store, 2)
    assert _seen(library, 1) == _seen(library, 2) == []
    assert [one.source for one in lease_next(library.store, 3, 5)] == ["disagreement"]
    assert states(library) == {(1, DOG): "confirmed"}


def test_a_withdrawn_disagreement_does_not_come_back_with_what_is_sent_back(library: Library):
    _disagree(library)
    undo(library.store, 2)
    decide(library.store, 2, [ReviewAct(1, "confirm", CAT), ReviewAct(1, "send_back")])
    with library.store.read() as connection:
        rows = connection.execute(select(queue_table.c.source, queue_table.c.state)).all()
    assert sorted((row.source, row.state) for row in rows) == [("disagreement", "withdrawn"), ("tag", "open")]


def _kept(library: Library, user: int) -> bool:
    """Whether what others said of the picture is kept from this person."""
    with library.store.read() as connection:
        return kept_pictures(connection, [1], user) == {1}


def test_a_second_request_does_not_lose_the_first_one(library: Library):
    fill(library, 1, users=4)
    decide(library.store, 1, [ReviewAct(1, "second_opinion", CAT)])
    decide(library.store, 2, [ReviewAct(1, "second_opinion", DOG)])
    # Neither gets the own picture again, and who asked second is no wiser than before.
    assert _seen(library, 1) == _seen(library, 2) == []
    assert [_kept(library, user) for user in (1, 2, 3)] == [False, True, True]
    assert _seen(library, 3) == [1]
    decide(library.store, 3, [ReviewAct(1, "confirm", DOG)])
    # The third agrees with the second and not with the first: that is a disagreement still.
    assert [one.source for one in lease_next(library.store, 4)] == ["disagreement"]
    assert [_seen(library, user) for user in (1, 2, 3)] == [[], [], []]


def test_a_request_taken_back_takes_back_no_other(library: Library):
    fill(library, 1, users=3)
    decide(library.store, 1, [ReviewAct(1, "second_opinion", CAT)])
    decide(library.store, 2, [ReviewAct(1, "second_opinion", CAT)])
    undo(library.store, 2)
    assert [_seen(library, 1), [_kept(library, user) for user in (1, 2, 3)]] == [[], [False, True, True]]
    redo(library.store, 2)
    undo(library.store, 1)
    assert [_seen(library, 2), [_kept(library, user) for user in (1, 2, 3)]] == [[], [True, False, True]]
    assert _seen(library, 1) == [1]
    release(library.store, 1)
    undo(library.store, 2)
    assert [_kept(library, user) for user in (1, 2, 3)] == [False] * 3
    assert _seen(library, 2) == [1]
    with library.store.read() as connection:
        rows = connection.execute(select(queue_table.c.source, queue_table.c.state)).all()
    assert {(row.source, row.state) for row in rows} == {("person", "withdrawn"), ("tag", "open")}


def test_asking_for_another_opinion_does_not_show_a_disagreement(library: Library):
    _disagree(library)
    with library.store.write() as connection:
        user_number(connection, "u4")
    assert _kept(library, 3)
    decide(library.store, 3, [ReviewAct(1, "second_opinion", CAT)])
    assert [_kept(library, user) for user in (1, 2, 3, 4)] == [False, False, True, True]
    assert [_seen(library, user) for user in (1, 2, 3, 4)] == [[], [], [], [1]]


def test_somebody_without_an_opinion_who_asked_late_is_kept_from_a_disagreement(library: Library):
    fill(library, 1, users=4)
    decide(library.store, 1, [ReviewAct(1, "second_opinion", CAT)])
    decide(library.store, 2, [ReviewAct(1, "second_opinion")])
    decide(library.store, 3, [ReviewAct(1, "confirm", DOG)])
    assert [_kept(library, user) for user in (1, 2, 3, 4)] == [False, True, False, True]
