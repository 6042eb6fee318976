"""The rules of the gates, on given figures."""

from __future__ import annotations

import pytest

from lightfast.evaluate.compare import PairedTest
from lightfast.restore.gate import Gate, apply_gate
from lightfast.statistics.intervals import Interval


def paired_test(difference: float, low: float, high: float) -> PairedTest:
    return PairedTest(100, 0.5, 0.5 + difference, 0, 0, difference, Interval(low, high), 0.5, "")


@pytest.mark.parametrize(
    "clean, degraded, passes",
    [
        ((0.0, -0.02, 0.02), (0.1, 0.05, 0.15), True),
        ((-0.01, -0.03, 0.01), (0.1, 0.05, 0.15), True),
        ((-0.05, -0.08, -0.01), (0.1, 0.05, 0.15), False),
        ((0.0, -0.02, 0.02), (0.01, -0.01, 0.03), False),
    ],
)
def test_the_gate_for_degraded_pictures_wants_a_gain_there_and_no_harm_elsewhere(clean, degraded, passes):
    judged = Gate(False, paired_test(*clean), paired_test(*degraded), "as judged")
    assert apply_gate("degraded", judged).passed is passes
    assert apply_gate("clean", judged) == judged
    assert apply_gate("off", judged).passed
    assert "as judged" in apply_gate("off", judged).reason


def test_without_damage_or_validation_pictures_the_gate_for_degraded_ones_refuses():
    assert not apply_gate("degraded", Gate(True, paired_test(0.1, 0.05, 0.2), None, "")).passed
    assert not apply_gate("degraded", Gate(False, None, None, "no pictures")).passed
