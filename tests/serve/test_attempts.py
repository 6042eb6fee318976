"""Logins are counted over all processes, on both databases."""

from __future__ import annotations

import threading

from lightfast.library.library import Library
from lightfast.library.people.noting import note_audit
from lightfast.serve.auth.attempts import LOGIN_REFUSED, logins_lately, queue_logins


def test_logins_that_come_at_once_to_two_processes_are_counted(library: Library):
    """One has counted and not noted yet: the other one, which comes meanwhile, counts it, too."""
    began, counted = threading.Event(), []

    def second() -> None:
        began.set()
        with library.store.write() as connection:
            queue_logins(connection, "ada", "10.0.0.2")
            counted.append(logins_lately(connection, "ada", "10.0.0.2"))

    thread = threading.Thread(target=second)
    with library.store.write() as connection:
        queue_logins(connection, "ada", "10.0.0.1")
        thread.start()
        assert began.wait(30)
        thread.join(0.3)
        note_audit(connection, None, LOGIN_REFUSED, name="ada", address="10.0.0.1")
    thread.join(30)
    assert counted == [1]
