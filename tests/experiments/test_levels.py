"""Levels of a sweep: their intervals cover at their rate,
and the models through them are wired to the right columns.
"""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
from scipy import stats

from lightfast.base.errors import DataError
from lightfast.base.plain import as_json
from lightfast.experiments.levels import (
    class_regression,
    held_out_forecast,
    imbalance_regression,
    levels,
    recall_of,
    size_curve,
    size_regression,
)
from lightfast.experiments.sweep import PointResult, SweepPoint
from lightfast.statistics.intervals import wilson

SIZES = (100, 200, 400, 800, 1600)


def measured(point: SweepPoint, accuracy: float, n_test: int = 500, **recalls: float) -> PointResult:
    return PointResult(
        point,
        n_train=point.train_size or 10,
        n_test=n_test,
        accuracy=accuracy,
        macro_f1=accuracy,
        recalls=recalls,
    )


def simulated(
    rng: np.random.Generator, truth: np.ndarray, n_test: int, repeats: int, seed_noise: np.ndarray
) -> list[PointResult]:
    """A sweep: the accuracy of a trained model scatters around that of its level,
    and is counted on `n_test` pictures.
    """
    shares = np.clip(truth + seed_noise * rng.standard_normal((repeats, len(truth))), 0, 1)
    counted = rng.binomial(n_test, shares) / n_test
    return [
        measured(SweepPoint(train_size=size, repeat=repeat), float(counted[repeat, place]), n_test)
        for repeat in range(repeats)
        for place, size in enumerate(SIZES)
    ]


def covered(
    n_test: int, repeats: int, noise: str, sweeps: int = 1000, worst: float = 0.6, best: float = 0.95
) -> np.ndarray:
    """Share of sweeps whose interval holds the true accuracy, a level."""
    rng = np.random.default_rng(11)
    truth = np.linspace(worst, best, len(SIZES))
    spread = {
        "none": 0 * truth,
        "shrinking": 0.06 * np.sqrt(truth * (1 - truth)),
        "constant": np.full(len(truth), 0.015),
    }[noise]
    hits = np.zeros(len(SIZES))
    for _ in range(sweeps):
        found = levels(simulated(rng, truth, n_test, repeats, spread))
        hits += [
            level.interval.low <= true <= level.interval.high
            for level, true in zip(found, truth, strict=True)
        ]
    return hits / sweeps


@pytest.mark.parametrize(
    ("n_test", "repeats", "noise"),
    [
        (100, 2, "shrinking"),
        (500, 3, "none"),
        (500, 3, "shrinking"),
        (10_000, 3, "shrinking"),
        (10_000, 3, "constant"),
    ],
)
def test_the_interval_of_a_level_covers_the_true_accuracy(n_test: int, repeats: int, noise: str):
    rates = covered(n_test, repeats, noise)
    assert rates.mean() >= 0.95
    # Scatter that does not shrink with p(1 - p) beside next to no counting error is the worst case: 0.92 in
    # the best level.
    assert rates.min() >= (0.90 if noise == "constant" else 0.93)


def test_one_repeat_alone_covers_what_counting_alone_can_say():
    rates = covered(500, 1, "none")
    assert rates.min() >= 0.93
    assert rates.mean() < 0.97


def test_a_single_repeat_has_wilsons_interval():
    level = levels([measured(SweepPoint(train_size=100), 0.9)])[0]
    assert tuple(level.interval) == pytest.approx(tuple(wilson(450, 500)))


def test_scatter_and_counting_error_add_in_squares():
    values = [0.80, 0.84, 0.85]
    level = levels(
        [measured(SweepPoint(train_size=100, repeat=repeat), value) for repeat, value in enumerate(values)]
    )[0]
    mean = float(np.mean(values))
    spread = stats.t.ppf(0.975, 2) * np.std(values, ddof=1) / np.sqrt(3)
    counting = wilson(415, 500)
    assert mean * 500 == pytest.approx(415)
    assert level.value == pytest.approx(mean)
    assert level.interval.low == pytest.approx(mean - np.hypot(spread, mean - counting.low))
    assert level.interval.high == pytest.approx(mean + np.hypot(spread, counting.high - mean))


def test_a_level_borrows_scatter_from_the_others_so_that_lucky_repeats_are_not_taken_for_exact():
    rows = [
        measured(SweepPoint(train_size=100, repeat=repeat), value) for repeat, value in enumerate([0.8, 0.8])
    ]
    rows += [
        measured(SweepPoint(train_size=200, repeat=repeat), value)
        for repeat, value in enumerate([0.75, 0.85])
    ]
    lucky, other = levels(rows)
    assert lucky.interval.high - lucky.interval.low < other.interval.high - other.interval.low
    assert lucky.interval.high - lucky.interval.low > 2 * (wilson(400, 500).high - 0.8)


def test_repeats_are_put_together_in_the_order_of_their_first_appearance():
    points = [
        SweepPoint(train_size=200),
        SweepPoint(train_size=100),
        SweepPoint(train_size=200, repeat=1),
        SweepPoint(train_size=200, balance="weights"),
    ]
    found = levels([measured(point, 0.5 + 0.1 * place) for place, point in enumerate(points)])
    assert [(level.n_train, level.point.balance, level.repeats) for level in found] == [
        (200, "none", 2),
        (100, "none", 1),
        (200, "weights", 1),
    ]
    assert [level.value for level in found] == pytest.approx([0.6, 0.6, 0.8])
    assert json.loads(json.dumps(as_json(found[0])))["interval"] == list(found[0].interval)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_right_or_all_wrong_is_no_certainty(value: float):
    low, high = levels(
        [measured(SweepPoint(train_size=100, repeat=repeat), value, 50) for repeat in range(3)]
    )[0].interval
    assert 0 <= low < high <= 1
    assert high - low > 0.05


def test_a_recall_is_counted_on_the_pictures_of_its_class():
    level = levels(
        [measured(SweepPoint(minority=("fox", 5)), 0.9, 500, fox=0.4, dog=1.0)],
        recall_of("fox"),
        lambda _: 25,
    )[0]
    assert (level.value, level.n_test) == (0.4, 25)
    assert tuple(level.interval) == pytest.approx(tuple(wilson(10, 25)))


def power_law(noise: float = 0.0) -> list[PointResult]:
    rng = np.random.default_rng(2)
    return [
        measured(
            SweepPoint(train_size=size, repeat=repeat),
            0.97 - 3 * size**-0.6 + noise * float(rng.standard_normal()),
            5000,
        )
        for repeat in range(3)
        for size in SIZES
    ]


def test_the_curve_goes_through_all_points_with_the_held_out_number():
    curve = size_curve(power_law(), seed=1)
    assert (curve.n_points, curve.test_n, curve.largest) == (15, 5000, 1600)
    assert curve.limit == pytest.approx(0.97, abs=0.003)
    assert curve.predict(3200) == size_curve(power_law(), seed=1).predict(3200)


def test_the_forecast_of_the_largest_size_is_made_without_it():
    rows = power_law(0.003)
    spoilt = [measured(one.point, 0.2, 5000) if one.n_train == 1600 else one for one in rows]
    forecast, mean = held_out_forecast(rows, seed=1)
    assert (forecast.n, mean) == (
        1600,
        pytest.approx(np.mean([one.accuracy for one in rows if one.n_train == 1600])),
    )
    assert forecast.low <= mean <= forecast.high
    again, low_mean = held_out_forecast(spoilt, seed=1)
    assert again == forecast
    assert low_mean == pytest.approx(0.2)


def test_a_forecast_needs_three_smaller_sizes():
    with pytest.raises(
        DataError,
        match=r"forecast of the largest size: expected at least three smaller sizes\. Sweep over more sizes",
    ):
        held_out_forecast([one for one in power_law() if one.n_train >= 400], seed=1)


def test_the_size_regression_tells_what_a_doubling_brings():
    rows = [
        measured(
            SweepPoint(train_size=size, repeat=repeat),
            0.5 + 0.03 * np.log2(size / 100) + 0.002 * (repeat - 1),
        )
        for repeat in range(3)
        for size in SIZES
    ]
    assert size_regression(rows)["doublings"].value == pytest.approx(0.03)


def test_the_class_regression_takes_what_varies():
    rows = [
        measured(
            SweepPoint(classes=classes, rows=row, repeat=repeat),
            0.9 - 0.02 * classes + 1e-4 * row + (-1) ** repeat / 1000,
        )
        for classes, row, repeat in product((3, 5, 8, 10), (100, 200, 400), range(4))
    ]
    both = class_regression(rows)
    assert [one.name for one in both.coefficients[1:]] == ["classes", "rows"]
    design = np.array([[1, one.point.classes or 0, one.point.rows or 0] for one in rows], dtype=float)
    wanted = np.linalg.lstsq(design, np.array([one.accuracy for one in rows]), rcond=None)[0]
    assert [one.value for one in both.coefficients] == pytest.approx(wanted.tolist())
    only = class_regression([one for one in rows if one.point.rows == 100])
    assert [one.name for one in only.coefficients[1:]] == ["classes"]


def test_the_imbalance_regression_takes_points_without_a_remedy():
    rows = [
        measured(
            SweepPoint(minority=("fox", count), repeat=repeat),
            0.9,
            fox=0.3 + 0.2 * np.log10(count) + 0.001 * (-1) ** repeat,
        )
        for count in (10, 100, 1000)
        for repeat in range(2)
    ]
    rows += [measured(SweepPoint(minority=("fox", 10), balance="weights"), 0.9, fox=1.0)]
    found = imbalance_regression(rows, "fox")
    assert (found.n, found["tenfold"].value) == (6, pytest.approx(0.2))
