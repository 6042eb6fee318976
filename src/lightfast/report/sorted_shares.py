"""The probability of the right label of every test picture, sorted: of how many a classifier is sure,
and how many it misses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightfast.base.errors import DataError
from lightfast.report.drawing import MUTED, canvas, legend_above, quarter_ticks, share_label, styled, svg
from lightfast.report.figures import WIDTH
from lightfast.report.statistics import MOST_SERIES, SERIES_STYLES

_BAND = 0.15
_HALF = 0.5


def sorted_shares_figure(series: Mapping[str, ArrayLike]) -> str:
    """Sorted shares in 0..1, one curve a series, with the 95 % band of the whole curve (Dvoretzky, Kiefer and
    Wolfowitz, in Massart's form of 1990).

    Args:
        series: name → (N,) probabilities of the right label, one a picture, in any order; up to six.
    """
    sorted_series = {name: _sorted(name, values) for name, values in series.items()}
    if not 1 <= len(series) <= MOST_SERIES:
        raise DataError("sorted shares", expected=f"1 to {MOST_SERIES} series", got=f"{len(series)}")
    figure = canvas(WIDTH, 360)
    axes = styled(figure.subplots(), grid="both")
    axes.axhline(_HALF, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    for (name, values), (colour, dash, _) in zip(sorted_series.items(), SERIES_STYLES, strict=False):
        places = (np.arange(len(values)) + 0.5) / len(values)
        low, high = shares_band(values)
        axes.fill_between(places, low, high, color=colour, alpha=_BAND, linewidth=0)
        axes.plot(places, values, color=colour, linestyle=dash, linewidth=2, label=name, zorder=3)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.02, 1.02))
    axes.set(
        xlabel="test pictures, % (from the least to the most probable)", ylabel="probability of the label, %"
    )
    quarter_ticks(axes)
    legend_above(figure, *axes.get_legend_handles_labels(), ncols=min(3, len(series)))
    words = ", ".join(
        f"{name} {share_label(float((values < _HALF).mean()))}" for name, values in sorted_series.items()
    )
    return svg(
        figure, f"Sorted probabilities of the right label; share of the pictures under one half: {words}"
    )


def shares_band(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(low, high), float64 (N,): between them lies the whole sorted curve of all such pictures in 95 of 100
    samples of N.

    `values` (N,) rise. At a share of the pictures the band reaches from the value a little before it to the
    value a little behind it, as far as the distribution function may be off: √(ln(2 / .05) / 2N). NaN where
    that is beyond the sample's ends, of which it says nothing.
    """
    count = len(values)
    steps = math.ceil(count * math.sqrt(math.log(2 / 0.05) / (2 * count)))
    places = np.arange(count)
    low = np.where(places >= steps, values[np.maximum(places - steps, 0)], np.nan)
    high = np.where(places + steps < count, values[np.minimum(places + steps, count - 1)], np.nan)
    return low, high


def _sorted(name: str, values: ArrayLike) -> NDArray[np.float64]:
    found = np.sort(np.asarray(values, dtype=np.float64))
    if found.ndim != 1 or not found.size or not (found[0] >= 0 and found[-1] <= 1):
        raise DataError(f"sorted shares of {name}", expected="(N,) numbers in 0..1, N at least 1")
    return found
