"""A power law through points: accuracy(n) = limit − scale · n^(−exponent).

For a fixed exponent the law is linear, so it is solved in closed form over a grid of exponents: the best of
them is the curve, and all of them, weighted by how well they explain the points, are the uncertainty.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from lightfast.base.errors import DataError

_EXPONENTS = np.geomspace(0.05, 2.0, 60)
# The law is only nearly right: in half of the uncertain curves it counts from another number of pictures, in
# units of the smallest size.
_SHIFTS = (0.0, -0.5, 1.0, 3.0)
_CANDIDATES, _CURVES = 6000, 3000
# Few points alone cannot tell how much they scatter: twice the counting noise (the rest is that of seeds) is
# taken as if it had been seen with so many degrees of freedom.
_PRIOR_DEGREES, _PRIOR_SCATTER = 2.0, 2.0
_MIN_RISING = 0.025

Floats = NDArray[np.float64]


def scatter(accuracy: Floats, test_n: int) -> Floats:
    """p(1 − p), kept from 0 where nothing was wrong: counting noise is proportional to it,
    and that of seeds about so.
    """
    share = np.clip(accuracy, 0.25 / test_n, 1 - 0.25 / test_n)
    return share * (1 - share)


def best(n: Floats, y: Floats, weights: Floats) -> tuple[float, float, float]:
    """Limit, scale and exponent of the least weighted squares, limit kept at most 1 and scale above 0."""
    from scipy.optimize import minimize_scalar

    def squares(log_exponent: float) -> float:
        return float(_solve(np.exp([log_exponent]), n, y, weights)[2][0])

    grid = np.log(_EXPONENTS)
    place = int(_solve(_EXPONENTS, n, y, weights)[2].argmin())
    ends = (grid[max(0, place - 1)], grid[min(len(grid) - 1, place + 1)])
    found: Any = minimize_scalar(squares, bounds=ends, method="bounded", options={"xatol": 1e-9})
    exponent = math.exp(found.x)
    limit, rise, _ = _solve(np.array([exponent]), n, y, weights)
    return float(limit[0]), float(rise[0]) * n.min() ** exponent, exponent


def _solve(exponents: Floats, n: Floats, y: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Limit, scale · smallest size^(−exponent), and weighted squares, each (C,), for fixed exponents (C,)."""
    x = (n / n.min()) ** -exponents[:, None]
    share = weights / weights.sum()
    x_mean, y_mean = x @ share, y @ share
    slope = ((x - x_mean[:, None]) * share) @ (y - y_mean) / (((x - x_mean[:, None]) ** 2) @ share)
    drop = np.maximum(-slope, 1e-9)
    limit = y_mean + drop * x_mean
    # Above 1 the limit stays at 1 and only the scale is free; the squares are convex, so the edge is the
    # best.
    over = limit > 1
    drop = np.where(over, np.maximum(((1 - y) * x) @ share / ((x**2) @ share), 1e-9), drop)
    limit = np.where(over, 1.0, limit)
    return limit, drop, ((y - limit[:, None] + drop[:, None] * x) ** 2) @ weights


def posterior(n: Floats, y: Floats, weights: Floats, test_n: int, rng: np.random.Generator) -> Floats:
    """`LearningCurve.draws`, float64 (D, 6): for each exponent and shift,
    the accuracies at the smallest and largest size are Student's t.
    """
    exponents, shifts = (part.ravel() for part in np.meshgrid(_EXPONENTS, np.array(_SHIFTS) * n.min()))
    start = n.min() + shifts
    far_end = ((n.max() + shifts) / start) ** -exponents
    t = (1 - ((n + shifts[:, None]) / start[:, None]) ** -exponents[:, None]) / (1 - far_end[:, None])
    # Two weighted sums of squares and their product: the normal equations of both ends, solved by hand for
    # all exponents at once.
    left, both, right = ((1 - t) ** 2) @ weights, (t * (1 - t)) @ weights, (t**2) @ weights
    det = left * right - both**2
    to_left, to_right = (1 - t) @ (weights * y), t @ (weights * y)
    small, large = (right * to_left - both * to_right) / det, (left * to_right - both * to_left) / det
    squares = (
        (y - small[:, None] * (1 - t) - large[:, None] * t) ** 2
    ) @ weights + _PRIOR_DEGREES * _PRIOR_SCATTER / test_n
    degrees = len(n) - 2 + _PRIOR_DEGREES
    belief = (
        -0.5 * np.log(det)
        - 0.5 * degrees * np.log(squares)
        + np.log(np.where(shifts == 0, max(1, len(_SHIFTS) - 1), 1))
    )
    belief = np.exp(belief - belief.max())
    belief /= belief.sum()

    # Half of the candidates come evenly from all exponents, in case the most likely ones need a limit above
    # 1.
    offer = 0.5 * belief + 0.5 / len(belief)
    place = np.searchsorted(np.cumsum(offer), rng.random(_CANDIDATES) * offer.sum()).clip(max=len(offer) - 1)
    dispersion = squares[place] / rng.chisquare(degrees, size=_CANDIDATES)
    one, two = np.sqrt(dispersion) * rng.standard_normal((2, _CANDIDATES))
    low_end = small[place] + one * np.sqrt(right / det)[place]
    high_end = large[place] - one * (both / np.sqrt(det * right))[place] + two / np.sqrt(right)[place]
    drop = (high_end - low_end) / (1 - far_end[place])
    limit, chance = low_end + drop, (belief / offer)[place]
    chosen = _resample(chance, drop > 0, (limit <= 1) & (low_end >= 0), rng)
    scale = drop * start[place] ** exponents[place]
    columns = (limit, scale, exponents[place], shifts[place], dispersion)
    return np.column_stack([*(column[chosen] for column in columns), rng.standard_normal(_CURVES)])


def _resample(
    chance: Floats, rising: NDArray[np.bool_], allowed: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Places of `_CURVES` candidates that rise and are allowed, each as often as its chance says
    (systematic resampling).
    """
    if (chance * rising).sum() < _MIN_RISING * chance.sum():
        raise DataError(
            "learning curve",
            expected="accuracies that grow with the number of pictures",
            got="accuracies that fall",
            cure="Measure more repeats a size, or look at the pictures that were added last.",
        )
    kept = chance * (rising & allowed)
    if kept.sum() <= 0:
        raise DataError(
            "learning curve",
            expected="points that bend towards a limit of at most 100 %",
            got="points that do not",
            cure="Measure larger sizes.",
        )
    steps = (np.arange(_CURVES) + rng.random()) / _CURVES * kept.sum()
    return np.searchsorted(np.cumsum(kept), steps).clip(max=len(kept) - 1)


def on_other_pictures(accuracy: Floats, place: Floats, test_n: int) -> Floats:
    """Accuracies (D,) on other pictures of the kind, where those on `test_n` pictures were `accuracy`.

    `place` 0..1 says how lucky these pictures were: 0.5 leaves the accuracy, 0.025 and 0.975 give the ends of
    Clopper and Pearson's interval, the same luck for all accuracies.
    """
    right, wrong = accuracy * test_n, (1 - accuracy) * test_n
    low = betaincinv(np.maximum(right, 1e-9), wrong + 1, np.minimum(place, 0.5))
    high = betaincinv(right + 1, np.maximum(wrong, 1e-9), np.maximum(place, 0.5))
    below, above = np.minimum(np.where(right > 0, low, 0.0), accuracy), np.maximum(high, accuracy)
    return np.where(place < 0.5, below, np.where(place > 0.5, np.where(wrong > 0, above, 1.0), accuracy))


def crossing(limit: Floats, scale: Floats, exponent: Floats, target: Floats) -> Floats:
    """The number of pictures at which each curve reaches its `target`; infinite where it never does."""
    gap = np.where(limit > target, limit - target, 1.0)
    with np.errstate(over="ignore"):
        return np.where(limit > target, np.maximum(1.0, (scale / gap) ** (1 / exponent)), np.inf)
