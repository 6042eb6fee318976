"""The list of labels: what may stand where, and what may be dropped."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fixtures.databases import database, library, postgres_server
from library.pictures import fill
from sqlalchemy import insert, update

from lightfast.base.errors import ConflictError, NotFoundError
from lightfast.library.label_list import add_label, change_label, drop_label, label_row, list_labels
from lightfast.library.library import Library
from lightfast.library.people.users import user_number
from lightfast.library.review.decide import ReviewAct, decide
from lightfast.library.review.lease import enqueue
from lightfast.library.review.undo import undo
from lightfast.library.schema import labels, models, predictions
from lightfast.library.store import now

__all__ = ["database", "library", "postgres_server"]


def names(library: Library) -> list[str]:
    with library.store.read() as connection:
        return [one.name for one in list_labels(connection, "")]


def test_a_label_that_nothing_uses_is_dropped(library: Library):
    with library.store.write() as connection:
        wrong = add_label(connection, "carot")
        add_label(connection, "carrot")
        assert drop_label(connection, wrong.id) == wrong
        with pytest.raises(NotFoundError):
            drop_label(connection, wrong.id)
    assert names(library) == ["carrot"]


def test_what_people_decided_about_is_kept_even_when_it_was_taken_back(library: Library):
    fill(library, 3)
    with library.store.write() as connection:
        ada, carrot = user_number(connection, "ada"), add_label(connection, "carrot").id
    decide(library.store, ada, [ReviewAct(one, "confirm", carrot) for one in (1, 2)])
    undo(library.store, ada)
    with (
        library.store.write() as connection,
        pytest.raises(ConflictError, match="'carrot' on 2 pictures: what they said is never dropped"),
    ):
        drop_label(connection, carrot)
    assert "carrot" in names(library)


def test_labels_that_others_hang_on_are_kept(library: Library):
    fill(library, 1)
    with library.store.write() as connection:
        said, asked, above, meant = (
            add_label(connection, name).id for name in ("said", "asked", "above", "meant")
        )
        row = {"name": "m", "run": "r", "digest": "d", "class_names": [], "metrics": {}, "acceptance": {}}
        connection.execute(insert(models).values(id=1, added_at=now(), **row))
        connection.execute(insert(predictions).values(asset_id=1, model_id=1, label_id=said, probability=0.5))
        entry = {"asset_id": 1, "label_id": asked, "source": "tag", "reason": "", "uncertainty": 0.5}
        enqueue(connection, [entry])
        add_label(connection, "below", parent_id=above)
        add_label(connection, "Wort", "shop", same_as_id=meant)
        for number, why in (
            (said, "is what a model said"),
            (asked, "is asked about in the queue"),
            (above, "has other labels below it"),
            (meant, "has names of clients"),
        ):
            with pytest.raises(ConflictError, match=why):
                drop_label(connection, number)


def test_labels_stand_in_one_tree_and_in_one_set_of_words(library: Library):
    with library.store.write() as connection:
        food, carrot = add_label(connection, "food"), add_label(connection, "carrot")
        word = add_label(connection, "Karotte", "shop", same_as_id=carrot.id)
        change_label(connection, carrot.id, {"parent_id": food.id})
        assert label_row(connection, carrot.id).parent_id == food.id
        with pytest.raises(ConflictError, match="stands below"):
            change_label(connection, food.id, {"parent_id": carrot.id})
        with pytest.raises(ConflictError, match="in the same words"):
            change_label(connection, food.id, {"parent_id": word.id})
        with pytest.raises(ConflictError, match="the library's own labels"):
            add_label(connection, "Möhre", "market", same_as_id=word.id)


def test_two_moves_at_once_close_no_circle(library: Library):
    with library.store.write() as connection:
        one, other = (add_label(connection, name).id for name in ("one", "other"))
    both = threading.Barrier(2)

    def move(label: int, parent: int) -> bool:
        both.wait(30)
        try:
            library.store.act(lambda connection: change_label(connection, label, {"parent_id": parent}))
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(2) as people:
        moved = list(people.map(move, (one, other), (other, one)))
    assert sorted(moved) == [False, True]


@pytest.mark.timeout(60)
def test_a_circle_that_is_there_already_does_not_hang_a_move(library: Library):
    with library.store.write() as connection:
        one, other, third = (add_label(connection, name).id for name in ("one", "other", "third"))
        change_label(connection, one, {"parent_id": other})
        connection.execute(update(labels).where(labels.c.id == other).values(parent_id=one))
        assert change_label(connection, third, {"parent_id": one}).parent_id == one
