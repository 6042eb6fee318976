"""A bucket fills at a steady rate, one a name."""

from __future__ import annotations

import pytest

from lightfast.serve.limiter import Limiter


def test_a_burst_then_the_rate():
    clock = [0.0]
    limiter = Limiter(2.0, 3, lambda: clock[0])
    assert [limiter.wait_for("a") for _ in range(3)] == [0, 0, 0]
    assert limiter.wait_for("a") == pytest.approx(0.5)
    assert limiter.wait_for("b") == 0
    clock[0] = 0.5
    assert limiter.wait_for("a") == 0
    assert limiter.wait_for("a") > 0
    clock[0] = 100
    assert [limiter.wait_for("a") for _ in range(4)] == [0, 0, 0, pytest.approx(0.5)]


def test_names_that_nobody_uses_are_forgotten():
    limiter = Limiter(1.0, 1)
    for number in range(10_005):
        limiter.wait_for(str(number))
    assert limiter.wait_for("0") == 0
    assert limiter.wait_for("10004") > 0
