"""Cross-validation scores are not independent: intervals and tests that know it (Nadeau and Bengio 2003)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from lightfast.base.errors import DataError, SettingsError
from lightfast.statistics.intervals import Interval

# The name to print beside the interval of a cross-validation of counted pictures.
CROSSVAL_INTERVAL = (
    "corrected resampled t (Nadeau and Bengio 2003), nowhere narrower than that of the counted pictures "
    "(accuracy: Clopper and Pearson; macro measures: bootstrap with one picture held back)"
)
# Scores of equal folds differ by rounding alone below this share of their size.
_ROUNDING = 1e-12


def corrected_interval(scores: ArrayLike, test_share_ratio: float) -> Interval:
    """95 % interval of the mean of resampled scores: mean ± t · sqrt((1 / J + n_test / n_train) · s²), J - 1
    degrees of freedom.

    Trainings share pictures, so their scores differ less than those of fresh data would; s² / J is too small.
    The added ratio stands for the correlation, taken as n_test / (n_test + n_train) (Nadeau and Bengio 2003,
    section 3, "corrected resampled").

    It covers the expected score of this recipe when trained on n_train pictures of this kind: over other
    training pictures, other test pictures and other seeds. It does not speak of one trained model, nor of a
    recipe trained on all n_train + n_test pictures. The correlation is a rule of thumb, so the coverage is
    not exact: simulated accuracies of 5 folds were covered 96 to 98 times in 100 where every fold has
    misread pictures, a skewed score of six test pictures a fold 91 times, and shares near 1 as little as 60
    times, since folds without any error do not scatter (`experiments.crossval` adds what the pictures
    themselves say). The ends may pass 0 or 1.

    Args:
        scores: (J,) one a fold of each repeat, J at least 2.
        test_share_ratio: n_test / n_train of a fold, above 0: 1 / (folds - 1) for whole folds, 0.25 with 5.

    When all scores are equal nothing is known of their spread and both ends are the mean.
    """
    values = _checked(scores, test_share_ratio)
    mean = float(values.mean())
    half = float(stdtrit(len(values) - 1, 0.975)) * _standard_error(values, test_share_ratio)
    return Interval(mean - half, mean + half)


def corrected_t_test(first: ArrayLike, second: ArrayLike, test_share_ratio: float) -> float:
    """Two-sided p-value of "both recipes score the same on average": the corrected resampled t-test (Nadeau
    and Bengio 2003).

    Args:
        first: (J,) scores, one a fold of each repeat.
        second: (J,) the other recipe on the same folds in the same order.
        test_share_ratio: n_test / n_train of a fold.

    Where all differences are 0 the p-value is 1; where all are the same other number their spread is not
    known, and it is that of the sign test: J differences of one sign.
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != other.shape:
        raise DataError(
            "corrected t-test",
            expected="two arrays (J,) of scores on the same folds",
            got=f"shapes {one.shape} and {other.shape}",
        )
    gaps = _checked(other - one, test_share_ratio)
    error, mean = _standard_error(gaps, test_share_ratio), float(gaps.mean())
    if error == 0:
        return 1.0 if mean == 0 else float(2 * 0.5 ** len(gaps))
    return float(2 * stdtr(len(gaps) - 1, -abs(mean) / error))


def _standard_error(values: NDArray[np.float64], ratio: float) -> float:
    spread = float(values.std(ddof=1))
    return (
        0.0
        if spread <= _ROUNDING * float(np.abs(values).max())
        else math.sqrt(1 / len(values) + ratio) * spread
    )


def _checked(scores: ArrayLike, ratio: float) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise DataError(
            "scores of the folds",
            expected="at least 2 finite numbers (J,)",
            got=f"shape {values.shape}",
            cure="Use at least 2 folds or repeats.",
        )
    if not (math.isfinite(ratio) and ratio > 0):
        raise SettingsError(
            f"test_share_ratio {ratio}",
            expected="n_test / n_train of a fold, above 0, such as 0.25 with 5 folds",
        )
    return values
