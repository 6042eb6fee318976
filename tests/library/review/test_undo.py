"""Undo and redo against a plain model: a list of states, and a place in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from library.pictures import fill, states, suggest
from sqlalchemy import select

from lightfast.library.library import Library, create_library, open_library
from lightfast.library.review.decide import ReviewAct, decide
from lightfast.library.review.lease import lease_next
from lightfast.library.review.undo import apply_move, redo, undo
from lightfast.library.schema import decision_table

_ACT = st.tuples(
    st.lists(st.integers(1, 3), min_size=1, max_size=3, unique=True),
    st.sampled_from(["confirm", "reject"]),
    st.integers(1, 2),
)


@settings(max_examples=25)
@given(moves=st.lists(st.one_of(_ACT, st.sampled_from(["undo", "redo"])), max_size=12))
def test_one_reviewer_goes_back_and_forth_as_in_a_list_of_states(
    moves: list, tmp_path_factory: pytest.TempPathFactory
):
    library = create_library(tmp_path_factory.mktemp("undo") / "library")
    fill(library, 3, users=1)
    suggest(library, 1, 1, 0.7)
    suggest(library, 2, 2, 0.9, "confirmed")
    past, place = [states(library)], 0
    for move in moves:
        if move == "undo":
            undo(library.store, 1)
            place = max(0, place - 1)
        elif move == "redo":
            redo(library.store, 1)
            place = min(len(past) - 1, place + 1)
        else:
            pictures, act, label = move
            decide(library.store, 1, [ReviewAct(number, act, label) for number in pictures])
            past = [*past[: place + 1], states(library)]
            place += 1
        assert states(library) == past[place]
    library.close()


def test_undo_survives_a_restart_and_brings_the_picture_back_to_the_queue(library: Library):
    fill(library, 1)
    decide(library.store, 1, [ReviewAct(1, "confirm", 1)])
    again = open_library(library.folder)
    undo(again.store, 1)
    assert states(again) == {}
    assert [one.asset_id for one in lease_next(again.store, 1)] == [1]
    redo(again.store, 1)
    assert states(again) == {(1, 1): "confirmed"}
    again.close()


def test_each_reviewer_takes_back_the_own_acts(library: Library):
    fill(library, 2)
    decide(library.store, 1, [ReviewAct(1, "confirm", 1)])
    decide(library.store, 2, [ReviewAct(2, "confirm", 1)])
    undo(library.store, 1)
    assert states(library) == {(2, 1): "confirmed"}


def test_an_undo_that_is_sent_twice_takes_one_step(library: Library):
    fill(library, 2)
    for number in (1, 2):
        decide(library.store, 1, [ReviewAct(number, "confirm", 1)])
    for _ in range(2):
        undo(library.store, 1, key="once")
    assert states(library) == {(1, 1): "confirmed"}


def test_nothing_to_take_back_is_no_error(tmp_path: Path):
    library = create_library(tmp_path / "library")
    fill(library, 1, users=1)
    assert undo(library.store, 1).decision_ids == redo(library.store, 1).decision_ids == ()
    library.close()


def test_a_skip_can_be_taken_back(library: Library):
    fill(library, 2)
    decide(library.store, 1, [ReviewAct(1, "skip")])
    undo(library.store, 1)
    assert [one.asset_id for one in lease_next(library.store, 1)] == [1]


def test_a_batch_of_more_pictures_than_steps_are_kept_comes_and_goes(
    library: Library, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("lightfast.library.review.undo._KEPT_STEPS", 3)
    fill(library, 5)
    decide(library.store, 1, [ReviewAct(number, "confirm", 1) for number in range(1, 6)])
    said = states(library)
    assert len(undo(library.store, 1).decision_ids) == 5
    assert states(library) == {}
    assert len(redo(library.store, 1).decision_ids) == 5
    assert states(library) == said


def test_a_move_tried_again_after_a_lost_acknowledgement_is_one_and_says_the_same(library: Library):
    fill(library, 3)
    decide(library.store, 1, [ReviewAct(1, "confirm", 1)])
    decide(library.store, 1, [ReviewAct(number, "confirm", 1) for number in (2, 3)])
    for act, left in (("undo", {(1, 1)}), ("redo", {(1, 1), (2, 1), (3, 1)})):
        said = [
            library.store.act(lambda connection, act=act: apply_move(connection, 1, act, f"1:{act}"))
            for _ in range(2)
        ]
        assert said[0] == said[1]
        assert len(said[0].decision_ids) == 2
        assert states(library).keys() == left


def test_acts_without_a_key_get_one_each(library: Library):
    fill(library, 2)
    decide(library.store, 1, [ReviewAct(number, "confirm", 1) for number in (1, 2)])
    undo(library.store, 1)
    redo(library.store, 1)
    with library.store.read() as connection:
        rows = connection.execute(select(decision_table.c.act, decision_table.c.key)).all()
    # A move of two carries its key on its first row.
    assert [row.act for row in rows if row.key] == ["confirm", "confirm", "undo", "redo"]
    assert len({row.key for row in rows if row.key}) == 4
