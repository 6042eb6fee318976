"""Intervals for counts, means and paired differences. Every figure that the product prints carries one."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightfast.base.errors import DataError

# The name to print beside an interval.
NEWCOMBE = (
    "paired difference, Newcombe (1998), method 10, with 0 inside where McNemar's test does not reject it"
)
SIGNIFICANT = 0.05
# Below this many discordant pictures the chi-square approximation is poor and the binomial is exact.
EXACT_BELOW = 25

# scipy.special is loaded by who computes an interval: it takes a fifth of the start of a prediction.
# A normal variable lies within ± this in 95 of 100 cases: scipy's ndtri(0.975).
Z = 1.959963984540054
# Shares of a distribution below the two ends of its middle 95 %.
TAILS = (0.025, 0.975)
# Resampled values held in memory at once by the bootstraps.
_BLOCK = 4_000_000


class Interval(NamedTuple):
    """Both ends of a confidence interval, in the unit of what it surrounds."""

    low: float
    high: float

    def excludes(self, value: float) -> bool:
        """Whether `value` lies outside."""
        return not self.low <= value <= self.high


def p_text(p_value: float, *, sentence: bool = False) -> str:
    """0.0312 → "0.031", below a thousandth "< 0.001"; in a sentence "p = 0.031" and "p < 0.001"."""
    text = "< 0.001" if p_value < 0.001 else f"= {p_value:.3f}"
    return f"p {text}" if sentence else text.removeprefix("= ")


def wilson(successes: int, n: int) -> Interval:
    """95 % Wilson score interval of a proportion (Wilson 1927; Brown, Cai and DasGupta 2001), in 0..1.

    With `n = 0` nothing is known: (0, 1). Raises DataError when `successes` is not in 0..n.
    """
    if n < 0 or not 0 <= successes <= n:
        raise DataError(
            "interval of a proportion", expected=f"successes in 0..{max(n, 0)} (n = {n})", got=str(successes)
        )
    low, high = wilson_bounds(successes, n)
    return Interval(float(low), float(high))


def wilson_bounds(successes: ArrayLike, n: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`wilson` for whole arrays of counts: (low, high), broadcast together."""
    hits, trials = np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64)
    z2 = Z**2
    safe = np.maximum(trials, 1)
    share = hits / safe
    centre = (share + z2 / (2 * safe)) / (1 + z2 / safe)
    half = np.sqrt(z2 * (share * (1 - share) + z2 / (4 * safe)) / safe) / (1 + z2 / safe)
    # At 0 and n the formula gives the end exactly, up to rounding; the rounding must not push the value
    # outside.
    low = np.where((trials == 0) | (hits == 0), 0.0, centre - half)
    high = np.where((trials == 0) | (hits == trials), 1.0, centre + half)
    return low, high


def clopper_pearson(successes: float, n: int) -> Interval:
    """95 % interval of a proportion that covers at least 95 times in 100 whatever the share (Clopper and
    Pearson 1934), in 0..1; also of a mean of shares, as `successes` out of `n` ≥ 1 that need not be whole.
    """
    from scipy.special import betaincinv

    low = betaincinv(successes, n - successes + 1, TAILS[0]) if successes > 0 else 0.0
    high = betaincinv(successes + 1, n - successes, TAILS[1]) if successes < n else 1.0
    return Interval(float(low), float(high))


def difference_interval(before_correct: ArrayLike, after_correct: ArrayLike) -> Interval:
    """95 % interval of accuracy(after) − accuracy(before) on the same pictures, in −1..1, by `NEWCOMBE`.

    It leaves out 0 exactly where `mcnemar_p_value` is below 0.05. Newcombe's alone can differ from the test:
    5 : 0 has p = 0.062 and an interval beside 0. Where it does, its end next to 0 becomes 0, or, with p below
    0.05, that of the share of gains among the discordant pictures, which is what the test is about.

    Args:
        before_correct: bool (N,), whether the first prediction of each picture is right.
        after_correct: bool (N,), the second prediction of the same pictures in the same order.

    Raises DataError when the lengths differ or there is no picture.
    """
    before, after = paired(before_correct, after_correct)
    both, gained = int((before & after).sum()), int((~before & after).sum())
    lost = int((before & ~after).sum())
    return paired_interval(both, gained, lost, len(before))


def paired_interval(both: int, gained: int, lost: int, n: int) -> Interval:
    """`difference_interval` from counts (those of `newcombe_bounds`)."""
    if lost > gained:
        low, high = paired_interval(both, lost, gained, n)
        # Not -low, which would print 0 as −0.
        return Interval(-high, 0.0 - low)
    low, high = (float(end) for end in newcombe_bounds(both, gained, lost, n))
    if mcnemar_p_value(gained, lost) >= SIGNIFICANT:
        return Interval(min(low, 0.0), high)
    if low <= 0:
        low = (2 * _low_share(gained, gained + lost) - 1) * (gained + lost) / n
    return Interval(low, high)


def _low_share(gained: int, discordant: int) -> float:
    """Low end of the share of gains: above a half exactly where McNemar's test rejects it. Clopper and
    Pearson's where the test is the binomial, else Wilson's with continuity correction (Newcombe 1998).
    """
    from scipy.special import betaincinv

    if discordant < EXACT_BELOW:
        return float(betaincinv(gained, discordant - gained + 1, TAILS[0]))
    share = gained / discordant
    root = Z**2 - 2 - 1 / discordant + 4 * share * (discordant * (1 - share) + 1)
    return float((2 * gained + Z**2 - 1 - Z * np.sqrt(root)) / (2 * (discordant + Z**2)))


def mcnemar_p_value(gained: ArrayLike, lost: ArrayLike) -> NDArray[np.float64]:
    """Two-sided p-values of McNemar's test (1947) from counts of discordant pictures (broadcast): exact
    binomial below 25, else chi-square with Edwards's continuity correction.
    """
    from scipy.special import bdtr, chdtrc

    up, down = np.broadcast_arrays(np.asarray(gained, dtype=np.int64), np.asarray(lost, dtype=np.int64))
    total = up + down
    exact = np.minimum(1.0, 2 * bdtr(np.minimum(up, down).astype(np.float64), total, 0.5))
    gap = np.maximum(np.abs(up - down) - 1, 0)
    approximate = chdtrc(1, gap**2 / np.maximum(total, 1))
    return np.where(total < EXACT_BELOW, exact, approximate)


def newcombe_bounds(
    both: ArrayLike, gained: ArrayLike, lost: ArrayLike, n: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Newcombe's hybrid score interval of a paired difference, from counts (Statistics in Medicine 17,
    2635-2650, method 10).

    Args:
        both: pictures right both times.
        gained: wrong, then right.
        lost: right, then wrong.
        n: all pictures.
    """
    a, b, c = (np.asarray(count, dtype=np.float64) for count in (both, gained, lost))
    d = n - a - b - c
    after, before = (a + b) / n, (a + c) / n
    after_low, after_high = wilson_bounds(a + b, n)
    before_low, before_high = wilson_bounds(a + c, n)
    scale = np.sqrt((a + b) * (c + d) * (a + c) * (b + d))
    product = a * d - b * c
    product = np.where(product > 0, np.maximum(product - n / 2, 0), product)
    phi = np.divide(product, scale, out=np.zeros_like(product), where=scale > 0)
    down, up = after - after_low, after_high - after
    other_down, other_up = before - before_low, before_high - before
    difference = after - before
    low = difference - np.sqrt(np.maximum(down**2 - 2 * phi * down * other_up + other_up**2, 0))
    high = difference + np.sqrt(np.maximum(up**2 - 2 * phi * up * other_down + other_down**2, 0))
    return low, high


def bootstrap_mean(values: ArrayLike, rng: np.random.Generator, resamples: int = 2000) -> Interval:
    """95 % percentile bootstrap interval of the mean of `values` (N,) (Efron 1979)."""
    data = np.asarray(values, dtype=np.float64).ravel()
    if data.size == 0 or not np.isfinite(data).all():
        raise DataError(
            "bootstrap of a mean", expected="at least one value, all finite", got=f"{data.size} values"
        )
    rows = max(1, _BLOCK // data.size)
    shapes = [(min(rows, resamples - start), data.size) for start in range(0, resamples, rows)]
    means = [data[rng.integers(data.size, size=shape)].mean(axis=1) for shape in shapes]
    return tails(np.concatenate(means))


def student_mean(values: ArrayLike, ends: tuple[float, float] | None = None) -> Interval:
    """95 % interval of the mean of `values` (N,) by Student's t (1908), for few values without far outliers,
    of which the percentile bootstrap is too narrow; of skewed ones (shares near 1) it covers a little less
    than 95 times in 100 (92 of five draws, where measured). Of one value the scatter is not known: the
    whole range.

    Args:
        values: at least one, all finite.
        ends: the finite range in which they lie, out of which the interval does not go; None = all numbers.
            With a range values that are all equal get the interval of `bounded_mean`, which then has a closed
            form, and not one of width 0.
    """
    from scipy.special import stdtrit

    data = np.asarray(values, dtype=np.float64).ravel()
    if data.size == 0 or not np.isfinite(data).all():
        raise DataError(
            "interval of a mean", expected="at least one value, all finite", got=f"{data.size} values"
        )
    low, high = ends or (-np.inf, np.inf)
    if data.size == 1:
        return Interval(low, high)
    mean, spread = float(data.mean()), float(data.std(ddof=1))
    if ends is not None and spread <= 1e-12 * (high - low):
        left = 1 - TAILS[0] ** (1 / data.size)
        return Interval(mean - left * (mean - low), mean + left * (high - mean))
    half = float(stdtrit(data.size - 1, TAILS[1])) * spread / math.sqrt(data.size)
    return Interval(max(low, mean - half), min(high, mean + half))


def tails(values: NDArray[np.float64]) -> Interval:
    """The middle 95 % of drawn values."""
    low, high = np.quantile(values, TAILS)
    return Interval(float(low), float(high))


def paired(
    before_correct: ArrayLike, after_correct: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Both as bool (N,); raises DataError when they cannot be the same pictures."""
    before, after = np.asarray(before_correct), np.asarray(after_correct)
    if before.ndim != 1 or before.shape != after.shape or before.size == 0:
        raise DataError(
            "paired comparison",
            expected="two arrays (N,) of the same pictures, N at least 1",
            got=f"shapes {before.shape} and {after.shape}",
        )
    for side in (before, after):
        if not np.isin(side, (0, 1)).all():
            raise DataError(
                "paired comparison", expected="right or wrong a picture (bool)", got=f"values of {side.dtype}"
            )
    return before.astype(bool), after.astype(bool)
