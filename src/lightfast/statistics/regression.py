"""Ordinary least squares with errors that hold when the scatter is not the same everywhere:
what does one class more cost?
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightfast.base.errors import DataError, UnknownName
from lightfast.statistics.intervals import Interval, p_text

INTERCEPT = "intercept"
COVARIANCE = "HC3"

_SIGNIFICANT = 0.05
# A predictor is collinear when less than this share of its length is left beside the others.
_COLLINEAR = 1e-8
# A row with more leverage than this has no residual of its own, and HC3 would divide by zero.
_FULL_LEVERAGE = 1 - 1e-9


@dataclass(frozen=True)
class Coefficient:
    """How much the response changes when `name` grows by 1 and the other predictors stay.

    Attributes:
        name: the predictor, or "intercept".
        value: response units per unit of the predictor.
        standard_error: HC3.
        interval: 95 %, by the t distribution with n − coefficients degrees of freedom.
        p_value: two-sided, of "the coefficient is 0".
    """

    name: str
    value: float
    standard_error: float
    interval: Interval
    p_value: float


@dataclass(frozen=True, eq=False)
class Regression:
    """A fitted line (plane) with robust errors.

    Attributes:
        response: name of what is explained.
        coefficients: the intercept first, then the predictors as given.
        r_squared, adjusted_r_squared: share of the response's variance that the predictors explain.
        n: rows.
        fitted, residuals: float64 (n,), response = fitted + residuals.
        condition_number: of the design with every column at unit length (Belsley, Kuh and Welsch 1980): above
            30 the predictors can hardly be told apart.
        breusch_pagan_p: of "the scatter is the same everywhere" (Koenker 1981); None when there is no scatter
            at all.
        covariance: of the coefficients' errors.
    """

    response: str
    coefficients: tuple[Coefficient, ...]
    r_squared: float
    adjusted_r_squared: float
    n: int
    fitted: NDArray[np.float64] = field(repr=False)
    residuals: NDArray[np.float64] = field(repr=False)
    condition_number: float
    breusch_pagan_p: float | None
    covariance: str = COVARIANCE

    def __getitem__(self, name: str) -> Coefficient:
        """The coefficient of one predictor, or of "intercept"."""
        for coefficient in self.coefficients:
            if coefficient.name == name:
                return coefficient
        raise UnknownName("coefficient", name, [coefficient.name for coefficient in self.coefficients])

    def sentence(self, name: str, *, each: str = "", step: float = 1.0) -> str:
        """What one predictor does, in words: "each class more changes accuracy by −1.88 points [−2.10 to
        −1.66], p < 0.001 (…)".

        Args:
            name: a predictor.
            each: words for one step, such as "each class" or "every 1,000 pictures"; "each" and the
                predictor's name when empty.
            step: how much of the predictor one such step is.
        """
        one = self[name]
        scale = step * 100
        digits = _digits(abs(scale) * one.standard_error)
        low, high = sorted(scale * end for end in one.interval)
        verdict = "" if one.p_value < _SIGNIFICANT else ": that it changes anything is not shown"
        return (
            f"{each or f'each {name}'} more changes {self.response} by {_signed(scale * one.value, digits)} "
            f"points [{_signed(low, digits)} to {_signed(high, digits)}], "
            f"{p_text(one.p_value, sentence=True)} (n = {self.n:,}, {self.covariance} errors){verdict}"
        )


def ols(columns: Mapping[str, ArrayLike], response: str, predictors: Sequence[str]) -> Regression:
    """Ordinary least squares with HC3 errors (MacKinnon and White 1985; advised for small n by Long and Ervin
    2000).

    Args:
        columns: name → numbers (N,), all of one length; others than those used may be there.
        response: the column to explain.
        predictors: the columns that explain it; an intercept is added.

    Raises:
        UnknownName: no such column.
        DataError: columns of different lengths, a value that is no finite number, fewer rows than
            coefficients + 2, a constant column, predictors that are combinations of others, or a row that
            alone decides a coefficient.
    """
    from statsmodels.regression.linear_model import OLS
    from statsmodels.stats.diagnostic import het_breuschpagan

    y, design = _design(columns, response, predictors)
    result: Any = OLS(y, design).fit(cov_type=COVARIANCE, use_t=True)
    residuals = np.asarray(result.resid, dtype=np.float64)
    # Rounding is all that is left of a perfect fit, and says nothing about how the scatter grows.
    scatter = np.ptp(residuals) > 1e-12 * np.ptp(y)
    intervals = np.asarray(result.conf_int(0.05))
    coefficients = tuple(
        Coefficient(name, float(value), float(error), Interval(float(low), float(high)), float(p_value))
        for name, value, error, (low, high), p_value in zip(
            (INTERCEPT, *predictors), result.params, result.bse, intervals, result.pvalues, strict=True
        )
    )
    return Regression(
        response,
        coefficients,
        float(result.rsquared),
        float(result.rsquared_adj),
        len(y),
        np.asarray(result.fittedvalues, dtype=np.float64),
        residuals,
        condition_number=float(np.linalg.cond(design / np.linalg.norm(design, axis=0))),
        breusch_pagan_p=float(het_breuschpagan(residuals, design)[1]) if scatter else None,
    )


def _design(
    columns: Mapping[str, ArrayLike], response: str, predictors: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Response (N,) and design (N, 1 + predictors), the intercept first; refuses what cannot be fitted."""
    if not predictors or len(set(predictors)) != len(predictors) or response in predictors:
        raise DataError(
            "regression: predictors",
            expected=f"at least one, each once, none of them {response!r}",
            got=str(list(predictors)),
        )
    values = {name: _column(columns, name) for name in (response, *predictors)}
    rows, wanted = len(values[response]), len(predictors) + 3
    if rows < wanted:
        raise DataError(
            f"regression on {len(predictors)} predictor(s)",
            expected=f"at least {wanted} rows (coefficients + 2)",
            got=str(rows),
            cure="Measure more points or use fewer predictors.",
        )
    for name, column in values.items():
        what = f"regression: column {name!r}"
        if len(column) != rows:
            raise DataError(what, expected=f"{rows} rows as {response!r} has", got=str(len(column)))
        if np.ptp(column) == 0:
            raise DataError(
                what,
                expected="values that differ",
                got=f"{column[0]:g} in all {rows} rows",
                cure="Leave it out or vary it.",
            )
    design = np.column_stack([np.ones(rows), *(values[name] for name in predictors)])
    _require_independent(design, predictors)
    return values[response], design


def _column(columns: Mapping[str, ArrayLike], name: str) -> NDArray[np.float64]:
    if name not in columns:
        raise UnknownName("column", name, columns)
    what = f"regression: column {name!r}"
    try:
        column = np.asarray(columns[name], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(what, expected="numbers", got=str(error)) from error
    if column.ndim != 1 or not np.isfinite(column).all():
        bad = f"{int((~np.isfinite(column)).sum())} of {len(column)} values that are not"
        raise DataError(
            what,
            expected="one finite number a row",
            got=bad if column.ndim == 1 else f"shape {column.shape}",
            cure="Leave out the rows that were not measured.",
        )
    return column


def _require_independent(design: NDArray[np.float64], predictors: Sequence[str]) -> None:
    """Refuses a predictor that the ones before it make up, and a row that no other row can check."""
    names = ("a constant", *predictors)
    units = design / np.linalg.norm(design, axis=0)
    for place in range(1, units.shape[1]):
        before = units[:, :place]
        weights = np.linalg.lstsq(before, units[:, place], rcond=None)[0]
        if np.linalg.norm(units[:, place] - before @ weights) < _COLLINEAR:
            parts = [name for name, weight in zip(names, weights, strict=False) if abs(weight) > 1e-6]
            raise DataError(
                f"regression: predictor {names[place]!r}",
                expected="one that the others do not make up",
                got=f"a combination of {' and '.join(parts)}",
                cure="Leave one of them out.",
            )
    leverage = (np.linalg.qr(design)[0] ** 2).sum(axis=1)
    if leverage.max() > _FULL_LEVERAGE:
        row = int(leverage.argmax())
        raise DataError(
            f"regression: row {row}",
            expected="other rows that its coefficients can be checked with",
            got="a row that alone decides a coefficient",
            cure="Add a repeat of it or leave it out.",
        )


def _digits(error: float) -> int:
    """Decimals that tell an error with two figures."""
    return int(min(9, max(0, 1 - math.floor(math.log10(error))))) if error > 0 and math.isfinite(error) else 2


def _signed(value: float, digits: int) -> str:
    text = f"{value:+.{digits}f}"
    return text.replace("-", "−")
