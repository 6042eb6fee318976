from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.optimize import curve_fit
from scipy.special import ndtri

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.statistics.learning_curve import fit_learning_curve

SIZES = np.array([100, 200, 400, 800, 1600, 3200])


def law(n, limit, scale, exponent):
    return limit - scale * np.asarray(n, dtype=float) ** -exponent


def fitted(accuracies, sizes=SIZES, **options):
    return fit_learning_curve(sizes, accuracies, rng=generator(0, "curve"), **options)


def measured(rng, sizes, test_n=1000, shift=0.0):
    """True curve with a random law (counted from `shift` pictures more),
    and measurements with counting noise and noise of seeds.
    """
    limit, start, exponent = rng.uniform(0.8, 0.995), rng.uniform(0.3, 0.7), rng.uniform(0.15, 1.2)
    true = law(np.asarray(sizes) + shift, limit, (limit - start) * (sizes[0] + shift) ** exponent, exponent)
    seeds = true + rng.normal(size=len(sizes)) * np.sqrt(true * (1 - true) / test_n)
    return true, rng.binomial(test_n, np.clip(seeds, 0, 1)) / test_n


@pytest.mark.parametrize(
    "limit, scale, exponent", [(0.95, 3.0, 0.5), (0.9, 1.1, 0.2), (1.0, 40.0, 1.0), (0.99, 0.7, 0.1)]
)
def test_noise_free_points_give_their_law_back(limit, scale, exponent):
    curve = fitted(law(SIZES, limit, scale, exponent))
    assert (curve.limit, curve.scale, curve.exponent) == (
        pytest.approx(limit, abs=1e-3),
        pytest.approx(scale, rel=1e-2),
        pytest.approx(exponent, rel=5e-3),
    )
    assert curve.residual_sd < 1e-5


def test_the_curve_is_the_weighted_least_squares_of_scipy():
    _, readings = measured(generator(3, "scipy"), SIZES)
    curve = fitted(readings)
    # Its own weights come from a first, unweighted fit.
    (first, _) = curve_fit(law, SIZES, readings, p0=(0.9, 3, 0.5), maxfev=20_000)
    share = law(SIZES, *first)
    (best, _) = curve_fit(law, SIZES, readings, p0=first, sigma=np.sqrt(share * (1 - share)), maxfev=20_000)
    assert 0 < best[0] < 1
    assert curve.accuracy(SIZES) == pytest.approx(law(SIZES, *best), abs=1e-4)


# Three points can hardly tell a law from noise, so their intervals are wider than they would have to be; the
# last law is not quite ours.
@pytest.mark.parametrize(
    "sizes, shift, most", [(SIZES, 0, 0.99), ([500, 1000, 2000, 3000], 0, 1), (SIZES, 100, 0.99)]
)
def test_the_interval_holds_the_largest_point_predicted_from_the_others(sizes, shift, most):
    rng = generator(4, "coverage", len(sizes), shift)
    hits = []
    for _ in range(500):
        _, readings = measured(rng, sizes, shift=shift)
        forecast = fit_learning_curve(sizes[:-1], readings[:-1], rng=rng).predict(sizes[-1])
        hits.append(forecast.low <= readings[-1] <= forecast.high)
    assert 0.93 < np.mean(hits) <= most


def test_repeats_narrow_the_forecast_without_losing_coverage():
    rng, sizes = generator(5, "repeats"), np.repeat(SIZES, 5)
    hits, widths, single = [], [], []
    for _ in range(300):
        true, _ = measured(rng, SIZES)
        readings = rng.binomial(1000, np.repeat(true, 5)) / 1000
        train = sizes < 3200
        forecast = fit_learning_curve(sizes[train], readings[train], rng=rng).predict(3200)
        hits.append(forecast.low <= readings[-1] <= forecast.high)
        widths.append(forecast.high - forecast.low)
        forecast = fit_learning_curve(SIZES[:-1], readings[::5][:-1], rng=rng).predict(3200)
        single.append(forecast.high - forecast.low)
    assert 0.90 < np.mean(hits) < 0.995
    assert np.mean(widths) < 0.8 * np.mean(single)


def test_the_interval_of_the_pictures_needed_holds_the_truth():
    rng = generator(6, "needed")
    hits = []
    for _ in range(300):
        limit, exponent = rng.uniform(0.9, 0.99), rng.uniform(0.3, 1.0)
        scale = (limit - 0.5) * 100**exponent
        true = law(SIZES, limit, scale, exponent)
        answer = fit_learning_curve(SIZES, rng.binomial(1000, true) / 1000, rng=rng).needed(
            float(law(9600, limit, scale, exponent))
        )
        hits.append(
            answer.low is not None and answer.low <= 6400 and (answer.high is None or answer.high >= 6400)
        )
    assert np.mean(hits) > 0.90


def test_the_pictures_needed_follow_from_the_law():
    curve = fitted(law(SIZES, 0.98, 2.0, 0.5), test_n=10**6)
    answer = curve.needed(0.96, seconds_per_label=6)
    assert answer.more == pytest.approx((2 / 0.02) ** 2 - 3200, rel=0.01)
    assert answer.minutes == pytest.approx(answer.more / 10)
    assert answer.low <= answer.more <= answer.high
    assert answer.reachable
    assert answer.sentence().startswith(
        f"96 % takes about {answer.more:,} more pictures (95 % interval {answer.low:,} to "
    )


def test_a_target_above_the_limit_is_out_of_reach_and_says_why():
    answer = fitted(law(SIZES, 0.9, 3.0, 0.7), test_n=10**6).needed(0.95)
    assert (answer.reachable, answer.more, answer.high, answer.minutes) == (False, None, None, None)
    assert "levels off at 90.0 %" in answer.sentence()


def test_a_target_that_is_met_needs_no_more():
    answer = fitted(law(SIZES, 0.95, 3.0, 0.5)).needed(0.8)
    assert (answer.more, answer.minutes, answer.reachable) == (0, 0, True)
    assert answer.sentence() == "80 % takes no more pictures: the curve reaches it within the 3,200 measured."


def test_beyond_twice_the_largest_size_a_forecast_is_far_and_wider():
    curve = fitted(measured(generator(7, "far"), SIZES)[1])
    near, far = curve.predict(6400), curve.predict(64_000)
    assert (near.far, far.far) == (False, True)
    assert far.high - far.low > near.high - near.low


def test_an_average_of_repeats_is_foretold_more_closely():
    curve = fitted(measured(generator(8, "mean"), SIZES)[1])
    one, five = curve.predict(3200), curve.predict(3200, repeats=5)
    assert one.low < five.low < five.accuracy < five.high < one.high


def test_the_same_seed_gives_the_same_curve_and_rows_of_repeats_are_points():
    readings = np.stack([measured(generator(9, "rows"), SIZES)[1]] * 2, axis=1)
    first, second = fitted(readings), fitted(readings.ravel(), sizes=np.repeat(SIZES, 2))
    assert as_json(first) == as_json(second)
    assert first.predict(5000) == second.predict(5000)


def test_points_that_do_not_rise_clearly_still_give_an_honest_answer():
    curve = fitted([0.9, 0.901, 0.899, 0.9, 0.9, 0.9])
    assert curve.predict(6400).accuracy == pytest.approx(0.9, abs=0.005)
    assert not curve.needed(0.97).reachable


def test_perfect_points_stay_within_100_percent():
    forecast = fitted(np.ones(6)).predict(6400)
    assert forecast.accuracy == pytest.approx(1, abs=1e-6)
    assert forecast.low > 0.98
    assert forecast.high <= 1


def test_json_is_plain():
    curve = fitted(law(SIZES, 0.95, 3.0, 0.5))
    plain = json.loads(json.dumps(as_json([curve, curve.predict(5000), curve.needed(0.94)])))
    assert plain[0]["n_points"] == 6
    assert plain[0]["limit_interval"][0] < 0.95 < plain[0]["limit_interval"][1]


@pytest.mark.parametrize(
    "sizes, accuracies, message",
    [
        ([100, 200, 200], [0.5, 0.6, 0.61], r"at least 3 different sizes, got 2.*Measure more sizes"),
        ([100, 200, 400], [50, 60, 70], r"shares in 0\.\.1, got 50.*0\.87"),
        ([100, 200, 400], [0.5, np.nan, 0.7], r"shares in 0\.\.1, got nan"),
        ([0, 200, 400], [0.5, 0.6, 0.7], r"at least 1 picture each"),
        ([100, 200], [0.5, 0.6, 0.7], r"shapes \(2,\) and \(3,\)"),
        ([100, 1000, 10_000], [0.9, 0.6, 0.3], r"accuracies that fall"),
    ],
)
def test_points_that_no_law_fits_are_refused_with_a_cure(sizes, accuracies, message):
    with pytest.raises(DataError, match=message):
        fitted(accuracies, sizes=sizes)


@pytest.mark.parametrize(
    "ask",
    [lambda c: c.needed(95), lambda c: c.needed(0.9, -1), lambda c: c.predict(0), lambda c: c.predict(10, 0)],
)
def test_questions_out_of_range_are_refused(ask):
    with pytest.raises(SettingsError):
        ask(fitted(law(SIZES, 0.95, 3.0, 0.5)))


def shared_sweep(rng, test_n, limit, repeats=3):
    """Accuracies of all sizes on the same pictures, some hard for every model; the true curve."""
    exponent, start = rng.uniform(0.3, 1.2), rng.uniform(0.4, 0.7)
    hard, sizes = rng.normal(size=test_n), np.repeat([50, 100, 200, 400, 800], repeats)
    scale = (limit - start) * 50**exponent
    noise = rng.normal(size=(len(sizes), test_n))
    easy = ndtri(np.minimum(law(sizes, limit, scale, exponent), 1 - 1e-9))
    right = (np.sqrt(0.8) * hard + np.sqrt(0.2) * noise) < easy[:, None]
    return sizes, right.mean(axis=1), lambda n: law(n, limit, scale, exponent)


@pytest.mark.parametrize("test_n", [100, 1000])
def test_forecast_and_limit_hold_for_other_pictures_than_those_all_points_share(test_n):
    rng, forecasts, limits, plain = generator(10, "shared", test_n), [], [], []
    for place in range(60):
        limit = [float(rng.uniform(0.8, 0.99)), 0.999, 1.0][place % 3]
        sizes, readings, truth = shared_sweep(rng, test_n, limit)
        seed = generator(place, "curve")
        curve = fit_learning_curve(sizes, readings, rng=seed, test_n=test_n, shared=True)
        apart = fit_learning_curve(sizes, readings, rng=generator(place, "curve"), test_n=test_n)
        forecasts.append(curve.predict(1600).low <= truth(1600) <= curve.predict(1600).high)
        plain.append(apart.predict(1600).low <= truth(1600) <= apart.predict(1600).high)
        limits.append(not curve.limit_interval.excludes(limit))
        assert not curve.limit_interval.excludes(curve.limit)
    assert np.mean(forecasts) >= 0.93
    assert np.mean(limits) >= 0.93
    # Without the pictures' own error the intervals of a small test part are too narrow.
    assert np.mean(plain) < np.mean(forecasts) or test_n == 1000


def test_where_no_levelling_off_is_seen_none_is_claimed():
    rising = fitted(law(SIZES, 1.0, 3.0, 0.5))
    assert not rising.levels_off
    assert rising.limit_interval.high == 1.0
    assert "no levelling off is seen" in rising.sentence()
    level = fitted(law(SIZES, 0.9, 3.0, 0.7), test_n=10**6)
    assert level.levels_off
    assert "it levels off at 90.0 %" in level.sentence()


def test_points_far_from_the_curve_are_said_to_be_far():
    away = fitted([0.5, 0.72, 0.55, 0.8, 0.6, 0.85])
    assert away.misfit > 3
    assert "times what counting 1,000 pictures explains" in away.sentence()
    near = fitted(measured(generator(11, "near"), SIZES)[1])
    assert "explains" not in near.sentence()
