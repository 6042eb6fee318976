from __future__ import annotations

import json

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from lightfast.base.errors import DataError, UnknownName
from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.statistics.regression import ols

RNG = generator(0, "regression")
CLASSES = np.repeat(np.arange(3, 11), 5).astype(float)
ROWS = np.tile([500, 1000, 1500, 2000, 2400], 8).astype(float)
ACCURACY = 0.95 - 0.0188 * CLASSES + 0.000016 * ROWS + RNG.normal(0, 0.002 * CLASSES)
COLUMNS = {"classes": CLASSES, "rows": ROWS, "accuracy": ACCURACY}


@pytest.fixture(scope="module")
def fitted():
    return ols(COLUMNS, "accuracy", ["classes", "rows"])


def closed_form(design, response):
    """Coefficients and HC3 errors by the formula of MacKinnon and White (1985)."""
    inverse = np.linalg.inv(design.T @ design)
    values = inverse @ design.T @ response
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
    spread = (response - design @ values) / (1 - leverage)
    return values, np.sqrt(np.diag(inverse @ (design.T * spread**2) @ design @ inverse))


def test_values_errors_and_intervals_are_the_closed_form(fitted):
    design = np.column_stack([np.ones(40), CLASSES, ROWS])
    values, errors = closed_form(design, ACCURACY)
    half = stats.t.ppf(0.975, 40 - 3) * errors
    assert [one.value for one in fitted.coefficients] == pytest.approx(values, rel=1e-8)
    assert [one.standard_error for one in fitted.coefficients] == pytest.approx(errors, rel=1e-6)
    ends = np.column_stack([values - half, values + half])
    assert np.array([one.interval for one in fitted.coefficients]) == pytest.approx(ends, rel=1e-6)
    assert [one.p_value for one in fitted.coefficients] == pytest.approx(
        2 * stats.t.sf(np.abs(values / errors), 37), rel=1e-4
    )


def test_the_whole_fit_agrees_with_statsmodels(fitted):
    import pandas as pd
    from statsmodels.stats.diagnostic import het_breuschpagan

    result = sm.OLS.from_formula("accuracy ~ classes + rows", pd.DataFrame(COLUMNS)).fit()
    assert (fitted.r_squared, fitted.adjusted_r_squared) == (
        pytest.approx(result.rsquared),
        pytest.approx(result.rsquared_adj),
    )
    assert fitted.residuals == pytest.approx(np.asarray(result.resid))
    assert fitted.fitted + fitted.residuals == pytest.approx(ACCURACY)
    assert fitted.breusch_pagan_p == pytest.approx(het_breuschpagan(result.resid, result.model.exog)[1])
    assert fitted.n == 40


def test_intervals_cover_under_uneven_scatter_where_classical_ones_do_not():
    rng = generator(1, "uneven")
    x = np.linspace(-1, 1, 60)
    design = np.column_stack([np.ones(60), x])
    hits, classical = 0, 0
    for noise in rng.normal(size=(1200, 60)):
        y = 1 + 2 * x + noise * x**2
        low, high = ols({"x": x, "y": y}, "y", ["x"])["x"].interval
        hits += low <= 2 <= high
        values, rest, *_ = np.linalg.lstsq(design, y, rcond=None)
        half = stats.t.ppf(0.975, 58) * np.sqrt(rest[0] / 58 * np.linalg.inv(design.T @ design)[1, 1])
        classical += abs(values[1] - 2) <= half
    # Three standard errors of a rate of 95 % over 1,200 data sets are 1.9 points.
    assert 0.95 - 0.019 < hits / 1200 < 0.95 + 0.019
    assert classical / 1200 < 0.87


def test_a_coefficient_that_is_0_is_called_significant_about_5_times_in_100():
    rng = generator(2, "null")
    x, other = rng.normal(size=(2, 60))
    p_values = [
        ols({"x": x, "other": other, "y": y}, "y", ["x", "other"])["x"].p_value
        for y in rng.normal(size=(1000, 60)) + other
    ]
    assert 0.05 - 0.021 < np.mean(np.array(p_values) < 0.05) < 0.05 + 0.021


def test_the_condition_number_does_not_depend_on_the_unit(fitted):
    scaled = ols(COLUMNS | {"rows": ROWS / 1000}, "accuracy", ["classes", "rows"])
    assert scaled.condition_number == pytest.approx(fitted.condition_number)
    assert 1 < fitted.condition_number < 30


def test_the_sentence_tells_points_interval_p_and_n(fitted):
    one = fitted["classes"]
    low, high = (f"{100 * end:.2f}".replace("-", "−") for end in one.interval)
    text = fitted.sentence("classes", each="each class")
    assert text.startswith(f"each class more changes accuracy by {100 * one.value:.2f}".replace("-", "−"))
    assert text.endswith(f"points [{low} to {high}], p < 0.001 (n = 40, HC3 errors)")


def test_a_step_scales_the_sentence(fitted):
    text = fitted.sentence("rows", each="every 1,000 pictures", step=1000)
    assert text.startswith("every 1,000 pictures more changes accuracy by +1.")
    assert fitted.sentence("rows").startswith("each rows more changes accuracy by +0.001")


def test_an_effect_that_is_not_shown_is_called_so():
    y = generator(3, "none").normal(size=30)
    assert ols({"x": np.arange(30), "y": y}, "y", ["x"]).sentence("x").endswith("is not shown")


def test_json_is_plain(fitted):
    plain = json.loads(json.dumps(as_json(fitted)))
    assert [one["name"] for one in plain["coefficients"]] == ["intercept", "classes", "rows"]
    assert plain["covariance"] == "HC3"
    assert len(plain["residuals"]) == 40


def test_a_perfect_fit_has_no_scatter_to_test():
    assert ols({"x": np.arange(6.0), "y": 2 * np.arange(6.0)}, "y", ["x"]).breusch_pagan_p is None


@pytest.mark.parametrize(
    "change, predictors, message",
    [
        ({"rows": np.full(40, 500.0)}, ["classes", "rows"], r"'rows'.*500 in all 40 rows"),
        ({"rows": 2 * CLASSES + 7}, ["classes", "rows"], r"'rows'.*a combination of a constant and classes"),
        (
            {"rows": np.where(np.arange(40) == 3, np.nan, ROWS)},
            ["classes", "rows"],
            r"'rows'.*1 of 40 values that are not",
        ),
        ({"rows": ROWS[:-1]}, ["classes", "rows"], r"'rows'.*expected 40 rows.*got 39"),
        ({"rows": ["a"] * 40}, ["rows"], r"'rows'.*expected numbers"),
        ({"rows": (np.arange(40) == 7) * 1.0}, ["classes", "rows"], r"row 7.*alone decides"),
        ({"accuracy": np.ones(40)}, ["classes"], r"'accuracy'.*1 in all 40 rows"),
        ({}, ["classes", "classes"], "each once"),
        ({}, [], "at least one"),
        ({}, ["accuracy"], "none of them 'accuracy'"),
    ],
)
def test_what_cannot_be_fitted_is_refused_by_name(change, predictors, message):
    with pytest.raises(DataError, match=message):
        ols(COLUMNS | change, "accuracy", predictors)


def test_too_few_rows_are_refused_with_the_number_wanted():
    with pytest.raises(DataError, match=r"at least 5 rows \(coefficients \+ 2\), got 4"):
        ols({name: column[::9][:4] for name, column in COLUMNS.items()}, "accuracy", ["classes", "rows"])


def test_an_unknown_column_is_named():
    with pytest.raises(UnknownName, match=r"'class'.*classes"):
        ols(COLUMNS, "accuracy", ["class"])
