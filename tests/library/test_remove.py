"""Deleting is recoverable; a label that left the taxonomy keeps what people gave it."""

from __future__ import annotations

import pytest
from library.pictures import fill, states

from lightfast.base.errors import DataError, UnknownName
from lightfast.library.library import Library
from lightfast.library.remove import RemoveResult, delete_assets, restore_label, retire_label, undelete_assets
from lightfast.library.review.decide import ReviewAct, decide
from lightfast.library.review.lease import lease_next


def test_a_deleted_picture_is_out_of_the_queue_and_comes_back_with_its_tags(library: Library):
    fill(library, 2)
    decide(library.store, 1, [ReviewAct(1, "confirm", 1), ReviewAct(1, "send_back")])
    lease_next(library.store, 1, 2)
    assert delete_assets(library.store, [1]) == RemoveResult((1,), ())
    assert [one.asset_id for one in lease_next(library.store, 2, 2)] == []
    assert [one.asset_id for one in lease_next(library.store, 1, 2)] == [2]
    assert undelete_assets(library.store, ["1", 2]) == RemoveResult((1,), (2,))
    assert states(library) == {(1, 1): "confirmed"}
    assert 1 in [one.asset_id for one in lease_next(library.store, 2, 2)]


def test_one_that_is_not_there_changes_nothing(library: Library):
    fill(library, 2)
    with pytest.raises(DataError, match="picture '9'"):
        delete_assets(library.store, [1, 9])
    assert len(lease_next(library.store, 1, 2)) == 2


def test_a_retired_label_keeps_what_people_gave_it(library: Library):
    fill(library, 1)
    decide(library.store, 1, [ReviewAct(1, "confirm", 1)])
    assert retire_label(library.store, "cat").kept == 1
    assert states(library) == {(1, 1): "confirmed"}
    assert restore_label(library.store, "cat").kept == 1
    with pytest.raises(UnknownName, match="bird"):
        retire_label(library.store, "bird")
