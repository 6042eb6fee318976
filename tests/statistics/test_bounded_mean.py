from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta, binomtest

from lightfast.base.errors import DataError
from lightfast.base.randomness import generator
from lightfast.statistics.bounded_mean import bounded_mean


@pytest.mark.parametrize(("hits", "n"), [(0, 6), (6, 6), (3, 12), (11, 12), (20, 40)])
def test_of_zeros_and_ones_it_is_clopper_and_pearsons(hits, n):
    found = bounded_mean(np.arange(n) < hits, (0, 1), generator(0, "shares"))
    expected = binomtest(hits, n).proportion_ci(method="exact")
    assert found == pytest.approx((expected.low, expected.high), abs=0.02)


def test_equal_values_do_not_give_a_width_of_zero():
    low, high = bounded_mean([0.9] * 6, (0, 1), generator(0, "shares"))
    assert low == pytest.approx(0.9 * 0.025 ** (1 / 6), abs=0.02)
    assert high == pytest.approx(1 - 0.1 * 0.025 ** (1 / 6), abs=0.02)


def test_it_moves_with_the_range():
    values = generator(1, "values").uniform(size=8)
    one = bounded_mean(values, (0, 1), generator(0, "shares"))
    other = bounded_mean(2 * values - 1, (-1, 1), generator(0, "shares"))
    assert other == pytest.approx((2 * one.low - 1, 2 * one.high - 1))


def test_it_covers_a_skewed_mean_of_few():
    rng, held, truth = generator(2, "coverage"), 0, beta(8, 0.3).mean()
    for _ in range(300):
        held += not bounded_mean(rng.beta(8, 0.3, size=6), (0, 1), rng).excludes(float(truth))
    assert held >= 0.94 * 300


def test_values_outside_the_range_are_refused():
    for values in ([], [0.5, 1.2], [np.nan]):
        with pytest.raises(DataError, match=r"all in 0\.\.1"):
            bounded_mean(values, (0, 1), generator(0, "shares"))
