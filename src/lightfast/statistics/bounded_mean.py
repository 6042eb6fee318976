"""An interval for the mean of values whose range is known, for few of them and any shape of distribution."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightfast.base.errors import DataError
from lightfast.statistics.intervals import Interval

_DRAWS = 4000
# Shares held in memory at once.
_BLOCK = 4_000_000


def bounded_mean(values: ArrayLike, ends: tuple[float, float], rng: np.random.Generator) -> Interval:
    """95 % interval of the mean of `values` (N,), N at least 1, all of which lie within `ends` (Gaffke 2005;
    Learned-Miller and Thomas 2019, arXiv:1905.06208).

    The ordered values get random shares (spacings of N uniform numbers), and the one share left over goes to
    the upper end of the range for the upper bound, to the lower end for the lower one. With values of 0 and 1
    this is Clopper and Pearson's interval, so that equal values do not give one of width 0. No distribution
    is known of which it covers less than 95 %; it is wider than needed for most.
    """
    data = np.asarray(values, dtype=np.float64).ravel()
    low, high = ends
    if data.size == 0 or not ((data >= low) & (data <= high)).all():
        expected = f"at least one value, all in {low:g}..{high:g}"
        raise DataError("interval of a bounded mean", expected=expected, got=f"{data.size} values")
    inner, left = np.empty(_DRAWS), np.empty(_DRAWS)
    ordered, rows = np.sort(data), max(1, _BLOCK // (data.size + 1))
    for start in range(0, _DRAWS, rows):
        part = slice(start, min(start + rows, _DRAWS))
        shares: NDArray[np.float64] = rng.exponential(size=(part.stop - start, data.size + 1))
        shares /= shares.sum(axis=1, keepdims=True)
        inner[part], left[part] = shares[:, :-1] @ ordered, shares[:, -1]
    below, above = np.quantile(inner + left * low, 0.025), np.quantile(inner + left * high, 0.975)
    return Interval(max(float(below), low), min(float(above), high))
