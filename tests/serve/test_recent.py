"""What was looked up counts for a bounded time, and not past the moment at which all is forgotten."""

from __future__ import annotations

from lightfast.serve import recent
from lightfast.serve.recent import Recent


def test_a_value_counts_from_the_beginning_of_its_look_up():
    moment = [100.0]
    held = Recent[str](1.0, lambda: moment[0])
    began = held.begin()
    moment[0] += 0.6
    held.keep("ada", "admin", began)
    assert held.get("ada") == "admin"
    moment[0] += 0.39
    assert held.get("ada") == "admin"
    moment[0] += 0.01
    assert held.get("ada") is None
    assert held.get("bea") is None


def test_what_was_looked_up_before_all_was_forgotten_is_not_kept():
    held = Recent[str](1.0)
    held.keep("ada", "admin", held.begin())
    began = held.begin()
    held.forget()
    assert held.get("ada") is None
    held.keep("ada", "admin", began)
    assert held.get("ada") is None
    held.keep("ada", "viewer", held.begin())
    assert held.get("ada") == "viewer"


def test_the_number_of_values_is_bounded(monkeypatch):
    monkeypatch.setattr(recent, "_MOST", 3)
    held = Recent[int](1.0, lambda: 0.0)
    for number in range(4):
        held.keep(str(number), number, held.begin())
    assert [held.get(str(number)) for number in range(4)] == [None, None, None, 3]


def test_what_another_thread_forgets_while_it_is_kept_is_not_held(monkeypatch):
    held = Recent[str](1.0)

    class Forgetful(int):
        """A bound at whose comparison another thread forgets everything."""

        def __le__(self, _other: object) -> bool:
            held.forget()
            return False

    monkeypatch.setattr(recent, "_MOST", Forgetful())
    held.keep("ada", "admin", held.begin())
    assert held.get("ada") is None
