"""One at a time, and the next one at once."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from lightfast.base.errors import DataError
from lightfast.library.exclusive import exclusively
from lightfast.library.library import Library


def test_who_comes_right_after_another_is_not_refused(library: Library, monkeypatch: pytest.MonkeyPatch):
    """Also where the server has not noticed yet that the other one's connection is closed."""
    with library.store.engine.connect() as next_one, monkeypatch.context() as patch:
        patch.setattr(Connection, "invalidate", lambda _: None)
        with exclusively(library, "retrain"):
            pass
        if not library.store.is_sqlite:
            held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            assert next_one.exec_driver_sql(held).scalar_one() == 0
    with exclusively(library, "retrain"):
        pass


def test_a_second_one_at_once_is_refused_with_what_to_do(library: Library):
    with (
        exclusively(library, "retrain"),
        pytest.raises(DataError, match=r"another retrain .* is running\. Wait for its end"),
        exclusively(library, "retrain"),
    ):
        pass


def test_work_that_fails_holds_nothing_up(library: Library):
    with pytest.raises(ZeroDivisionError), exclusively(library, "retrain"):
        raise ZeroDivisionError
    with exclusively(library, "retrain"):
        pass
