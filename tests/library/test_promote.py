"""Which model is in use, where the word of it was lost."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from lightfast.base.errors import ConflictError
from lightfast.library.library import Library
from lightfast.library.promote import _go_back, list_models, promote_model, rollback_model
from lightfast.library.schema import models
from lightfast.library.store import now


def _promoted(library: Library, count: int) -> None:
    row = {"class_names": ["cat", "dog"], "metrics": {}, "acceptance": {}, "added_at": now()}
    with library.store.write() as connection:
        for number in range(1, count + 1):
            connection.execute(
                insert(models).values(**row, name=f"m{number}", run=f"runs/{number}", digest=f"{number}")
            )
    for number in range(1, count + 1):
        promote_model(library.store, number)


def test_a_model_taken_back_twice_for_one_asking_is_taken_back_once(library: Library):
    _promoted(library, 3)
    for _ in range(2):
        assert library.store.act(lambda connection: _go_back(connection, 3, None)) == 2
    assert [one.in_use for one in list_models(library.store)] == [False, True, False]


def test_one_model_after_the_other_is_taken_back_down_to_the_first(library: Library):
    _promoted(library, 3)
    assert [rollback_model(library.store).name for _ in range(2)] == ["m2", "m1"]
    with pytest.raises(ConflictError, match="no model to go back to"):
        rollback_model(library.store)
