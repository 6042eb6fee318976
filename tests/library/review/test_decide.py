"""Decisions are added once, tags follow from them, and nobody is overruled in silence."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from library.pictures import fill, states, suggest
from sqlalchemy import func, select

from lightfast.base.errors import DataError
from lightfast.library.library import Library
from lightfast.library.review import decide as decide_module
from lightfast.library.review.decide import ReviewAct, decide
from lightfast.library.review.lease import lease_next
from lightfast.library.review.undo import undo
from lightfast.library.schema import decision_table, queue_table

CAT, DOG = 1, 2


def _count(library: Library) -> int:
    with library.store.read() as connection:
        return connection.execute(select(func.count()).select_from(decision_table)).scalar_one()


def test_a_confirmed_label_is_a_tag_and_the_picture_is_off_the_queue(library: Library):
    fill(library, 2)
    decide(library.store, 1, [ReviewAct(1, "confirm", CAT)])
    assert states(library) == {(1, CAT): "confirmed"}
    assert [one.asset_id for one in lease_next(library.store, 1, 5)] == [2]


def test_another_label_than_the_suggested_one_rejects_that(library: Library):
    fill(library, 1)
    suggest(library, 1, CAT, 0.7)
    decide(library.store, 1, [ReviewAct(1, "confirm", DOG, from_label_id=CAT)])
    assert states(library) == {(1, CAT): "rejected", (1, DOG): "confirmed"}


def test_not_a_cat_is_kept_as_what_it_is_not(library: Library):
    fill(library, 1)
    suggest(library, 1, CAT, 0.7)
    decide(library.store, 1, [ReviewAct(1, "reject", CAT)])
    assert states(library) == {(1, CAT): "rejected"}


def test_the_same_act_sent_twice_is_one(library: Library):
    fill(library, 1)
    act = ReviewAct(1, "confirm", CAT, key="a")
    assert decide(library.store, 1, [act]).decision_ids == decide(library.store, 1, [act]).decision_ids
    assert _count(library) == 1


def test_many_at_once_add_and_never_overwrite_another_person(library: Library):
    fill(library, 3)
    decide(library.store, 1, [ReviewAct(2, "confirm", DOG)])
    said = decide(library.store, 2, [ReviewAct(number, "confirm", CAT) for number in (1, 2, 3)])
    assert said.kept == (2,)
    assert states(library) == {(1, CAT): "confirmed", (2, DOG): "confirmed", (3, CAT): "confirmed"}


def test_an_approval_can_be_given_over_where_that_is_said(library: Library):
    fill(library, 1)
    decide(library.store, 1, [ReviewAct(1, "confirm", DOG)])
    decide(library.store, 2, [ReviewAct(1, "reject", DOG)], over=True)
    assert states(library) == {(1, DOG): "rejected"}


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (ReviewAct(9, "confirm", CAT), "picture 9 is not in the library"),
        (ReviewAct(1, "confirm", 77), "label 77 is not in the library"),
        (ReviewAct(1, "confirm"), "expected a label"),
    ],
)
def test_what_is_not_there_is_refused_and_nothing_is_written(library: Library, act: ReviewAct, said: str):
    fill(library, 1)
    with pytest.raises(DataError, match=said):
        decide(library.store, 1, [ReviewAct(1, "confirm", CAT), act])
    assert _count(library) == 0


def test_a_picture_in_another_hand_is_refused(library: Library):
    fill(library, 1)
    lease_next(library.store, 2)
    with pytest.raises(DataError, match="another reviewer"):
        decide(library.store, 1, [ReviewAct(1, "confirm", CAT)])


def test_a_skipped_picture_comes_back_behind_the_others(library: Library):
    fill(library, 3)
    decide(library.store, 1, [ReviewAct(1, "skip")])
    assert [one.asset_id for one in lease_next(library.store, 1, 3)] == [2, 3, 1]


def test_a_second_opinion_goes_to_another_person(library: Library):
    fill(library, 1)
    decide(library.store, 1, [ReviewAct(1, "second_opinion")])
    assert lease_next(library.store, 1) == ()
    assert [one.asset_id for one in lease_next(library.store, 2)] == [1]


def test_what_was_sent_back_is_looked_at_again(library: Library):
    fill(library, 1)
    decide(library.store, 1, [ReviewAct(1, "confirm", CAT)])
    decide(library.store, 1, [ReviewAct(1, "send_back", reason="blurred")])
    with library.store.read() as connection:
        assert connection.execute(select(queue_table.c.state)).scalars().all() == ["open"]


def test_thousands_at_once_are_one_act_that_is_taken_back_at_once(library: Library):
    fill(library, 2_000)
    said = decide(library.store, 1, [ReviewAct(number, "confirm", CAT) for number in range(1, 2_001)])
    assert len(set(said.decision_ids)) == 2_000
    assert said.decision_ids == tuple(sorted(said.decision_ids))
    assert set(states(library).values()) == {"confirmed"}
    assert len(undo(library.store, 1).decision_ids) == 2_000
    assert states(library) == {}
    assert len(lease_next(library.store, 1, 500)) == 500


def test_a_key_twice_in_one_batch_is_one_act(library: Library):
    fill(library, 2)
    acts = [
        ReviewAct(1, "confirm", CAT, key="a"),
        ReviewAct(2, "confirm", CAT),
        ReviewAct(1, "confirm", CAT, key="a"),
    ]
    first, second, again = decide(library.store, 1, acts).decision_ids
    assert first == again != second
    assert _count(library) == 2


@pytest.mark.parametrize("labels", [(CAT, CAT), (CAT, DOG)])
def test_of_two_that_decide_at_once_the_first_is_kept(
    library: Library, labels: tuple[int, int], monkeypatch: pytest.MonkeyPatch
):
    """Both have looked what stands, where nothing holds the second, before either has written."""
    fill(library, 2)
    both, write = threading.Barrier(2), decide_module._write

    def after_both(*arguments):
        with suppress(threading.BrokenBarrierError):
            both.wait(timeout=1)
        return write(*arguments)

    monkeypatch.setattr(decide_module, "_write", after_both)

    def say(user: int) -> tuple[int, ...]:
        acts = [ReviewAct(number, "confirm", labels[user - 1]) for number in ((1, 2), (2, 1))[user - 1]]
        return decide(library.store, user, acts).kept

    with ThreadPoolExecutor(2) as pool:
        kept = [one.result(timeout=60) for one in [pool.submit(say, user) for user in (1, 2)]]
    assert sorted(kept) == [(), (1, 2)]
    stands = labels[kept.index(())]
    assert states(library) == {(1, stands): "confirmed", (2, stands): "confirmed"}
    assert _count(library) == 2


def test_acts_tried_again_after_a_lost_acknowledgement_are_done_once_and_say_the_same(library: Library):
    fill(library, 3)
    decide(library.store, 2, [ReviewAct(3, "confirm", DOG)])
    acts = [
        ReviewAct(1, "skip", key="a"),
        ReviewAct(2, "confirm", CAT, key="b"),
        ReviewAct(3, "confirm", CAT),
    ]
    said = [library.store.act(lambda connection: decide_module.apply_acts(connection, 1, acts)) for _ in "12"]
    assert said[0] == said[1]
    assert said[0].kept == (3,)
    assert _count(library) == 3
    with library.store.read() as connection:
        assert connection.execute(select(func.sum(queue_table.c.skipped))).scalar_one() == 1
