from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from lightfast.base.errors import DataError
from lightfast.base.randomness import generator
from lightfast.report.tables import points_text
from lightfast.statistics.bounded_mean import bounded_mean
from lightfast.statistics.intervals import (
    Z,
    bootstrap_mean,
    difference_interval,
    mcnemar_p_value,
    newcombe_bounds,
    p_text,
    paired_interval,
    student_mean,
    wilson,
    wilson_bounds,
)


@pytest.mark.parametrize("successes, n", [(0, 10), (10, 10), (1, 3), (993, 1000), (50, 100)])
def test_wilson_agrees_with_statsmodels(successes, n):
    assert wilson(successes, n) == pytest.approx(proportion_confint(successes, n, 0.05, "wilson"), abs=1e-12)


def test_wilson_without_pictures_knows_nothing():
    assert wilson(0, 0) == (0.0, 1.0)


def test_wilson_refuses_more_successes_than_pictures():
    with pytest.raises(DataError, match=r"0\.\.5 \(n = 5\), got 6"):
        wilson(6, 5)


@pytest.mark.parametrize("share, n", [(0.5, 50), (0.9, 200), (0.99, 1500)])
def test_wilson_covers_the_truth_about_95_times_in_100(share, n):
    hits = generator(0, "coverage", n).binomial(n, share, size=20_000)
    low, high = wilson_bounds(hits, n)
    # The exact coverage at (0.5, 50) is 0.935: counts are lumpy.
    assert 0.93 < ((low <= share) & (share <= high)).mean() < 0.975


@pytest.mark.parametrize("right_before, right_after", [(0.85, 0.9), (0.6, 0.6), (0.9, 0.75)])
def test_the_paired_interval_covers_the_true_difference_about_95_times_in_100(right_before, right_after):
    n, both = 300, 0.95 * min(right_before, right_after)
    cells = [both, right_after - both, right_before - both, 1 - right_before - right_after + both]
    counts = generator(1, "paired", n).multinomial(n, cells, size=20_000)
    low, high = newcombe_bounds(counts[:, 0], counts[:, 1], counts[:, 2], n)
    truth = right_after - right_before
    assert 0.935 < ((low <= truth) & (truth <= high)).mean() < 0.98


def test_the_paired_interval_gives_the_figures_of_newcombes_table():
    # Newcombe (1998), table III, method 10: (a, b, c, d) = (36, 12, 2, 0) of 50.
    assert newcombe_bounds(36, 12, 2, 50) == (
        pytest.approx(0.0569, abs=5e-5),
        pytest.approx(0.3404, abs=5e-5),
    )


def test_the_paired_interval_turns_round_with_its_sides():
    rng = generator(2, "sides")
    before, after = rng.random(400) < 0.7, rng.random(400) < 0.8
    low, high = difference_interval(before, after)
    assert difference_interval(after, before) == pytest.approx((-high, -low))


@pytest.mark.parametrize("both, neither", [(0, 0), (55, 0), (1000, 1000), (100_000, 1000)])
def test_the_paired_interval_leaves_out_0_exactly_where_the_test_rejects_it(both, neither):
    # At these n Newcombe's own interval contradicts the test both ways (5 : 0 of 60, 6 : 0 of 101,006).
    for discordant in range(201):
        for lost in range(discordant // 2 + 1):
            gained = discordant - lost
            interval = paired_interval(both, gained, lost, both + discordant + neither or 1)
            rejected = float(mcnemar_p_value(gained, lost)) < 0.05
            assert interval.excludes(0.0) is rejected, (gained, lost)
            assert interval.low <= (gained - lost) / (both + discordant + neither or 1) <= interval.high


def test_a_paired_interval_that_ends_at_0_prints_no_minus_before_it():
    assert points_text(-5 / 60, paired_interval(55, 0, 5, 60)) == "−8.33 [−18.07 to 0.00]"


def test_paired_arrays_of_other_lengths_are_refused():
    with pytest.raises(DataError, match="same pictures"):
        difference_interval([True, False], [True])


def test_students_interval_is_scipys():
    values = generator(0, "student").normal(3, 2, size=9)
    expected = stats.t.interval(0.95, 8, values.mean(), stats.sem(values))
    assert student_mean(values) == pytest.approx(expected)
    assert student_mean(values, (2.9, 3.1)) == (2.9, 3.1)


def test_of_one_value_students_interval_is_the_whole_range():
    assert student_mean([0.4], (0.0, 1.0)) == (0.0, 1.0)
    assert student_mean([0.4]) == (-np.inf, np.inf)


@pytest.mark.parametrize("value, n", [(1.0, 3), (0.0, 20), (0.25, 7)])
def test_equal_values_within_a_range_get_the_interval_of_a_bounded_mean(value: float, n: int):
    drawn = bounded_mean([value] * n, (0.0, 1.0), generator(0, "bounded"))
    assert list(student_mean([value] * n, (0.0, 1.0))) == pytest.approx(list(drawn), abs=0.02)


def test_students_interval_refuses_nothing_and_what_is_not_finite():
    for values in ([], [1.0, np.nan]):
        with pytest.raises(DataError, match="finite"):
            student_mean(values)


def covered(values: np.ndarray, truth: float) -> tuple[float, float]:
    """How often Student's interval and the bootstrap's hold the truth, of rows of values."""
    rng = generator(0, "covered")
    found = [(student_mean(row, (0.0, 1.0)), bootstrap_mean(row, rng, 400)) for row in values]
    student, bootstrap = (
        float(np.mean([low <= truth <= high for low, high in ends])) for ends in zip(*found, strict=True)
    )
    return student, bootstrap


@pytest.mark.parametrize("n", [3, 5, 20])
def test_over_few_draws_students_interval_covers_nearly_as_often_as_it_says_and_the_bootstrap_does_not(
    n: int,
):
    # What the media study averages: accuracies on 100 test pictures, whose chance differs from draw to draw.
    rng = generator(1, "draws", n)
    values = rng.binomial(100, rng.beta(54, 6, size=(1500, n))) / 100
    student, bootstrap = covered(values, truth=0.9)
    # Shares near 1 are skewed, which costs Student's a little: 92 to 95 % here. Three standard errors of
    # 1,500 simulations are 1.7 points.
    assert student > 0.9
    assert bootstrap < student - (0.05 if n <= 5 else 0)


def test_the_bootstrap_of_a_mean_agrees_with_scipy():
    values = generator(3, "values").gamma(2.0, size=400)
    ours = bootstrap_mean(values, generator(4, "draws"), resamples=4000)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(5)
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_the_bootstrap_gives_the_same_interval_for_the_same_seed():
    assert bootstrap_mean([1, 2, 5], generator(6)) == bootstrap_mean([1, 2, 5], generator(6))


@pytest.mark.parametrize(
    ("p_value", "cell", "words"),
    [(0.0312, "0.031", "p = 0.031"), (0.0005, "< 0.001", "p < 0.001"), (1.0, "1.000", "p = 1.000")],
)
def test_a_p_value_in_a_cell_and_in_a_sentence(p_value: float, cell: str, words: str) -> None:
    assert (p_text(p_value), p_text(p_value, sentence=True)) == (cell, words)


def test_the_normal_quantile_is_scipys() -> None:
    assert stats.norm.ppf(0.975) == Z
