from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.randomness import generator
from lightfast.statistics.resampled import corrected_interval, corrected_t_test

SETS, ROWS, FEATURES, FOLDS, REPEATS, GAP = 1000, 100, 4, 5, 3, 0.45
RATIO = 1 / (FOLDS - 1)


def centroid_accuracy(pictures, labels, train):
    """Accuracy (S,) of nearest centroids on the rows outside `train`, for S data sets at once: (S, N, D), ±1
    (S, N), bool (N,).
    """
    signs = labels[:, train]
    sums = (
        np.einsum("sn,snd->sd", (signs > 0) / 1.0, pictures[:, train]),
        np.einsum("sn,snd->sd", (signs < 0) / 1.0, pictures[:, train]),
    )
    counts = (signs > 0).sum(axis=1)[:, None], (signs < 0).sum(axis=1)[:, None]
    up, down = sums[0] / counts[0], sums[1] / counts[1]
    side = (
        np.einsum("snd,sd->sn", pictures[:, ~train], up - down) - ((up**2 - down**2).sum(axis=1) / 2)[:, None]
    )
    return ((side > 0) == (labels[:, ~train] > 0)).mean(axis=1)


def folds(rng):
    """The train rows, bool (N,), of every fold of every repeat."""
    places = (rng.permutation(ROWS) % FOLDS for _ in range(REPEATS))
    return [place != fold for place in places for fold in range(FOLDS)]


@pytest.fixture(scope="module")
def simulated():
    """Cross-validation scores (2, S, J) of two learners that are equally good by symmetry:
    each sees its own half of the features.
    """
    rng = generator(0, "cross-validations")
    labels = np.where(rng.permuted(np.tile(np.arange(ROWS) % 2, (SETS, 1)), axis=1) > 0, 1.0, -1.0)
    pictures = rng.normal(size=(SETS, ROWS, 2 * FEATURES)) + GAP * labels[:, :, None]
    halves = pictures[:, :, :FEATURES], pictures[:, :, FEATURES:]
    plans = folds(rng)
    return np.array(
        [[centroid_accuracy(half, labels, train) for train in plans] for half in halves]
    ).transpose(0, 2, 1)


@pytest.fixture(scope="module")
def expected_accuracy():
    """The expected accuracy of the learner when trained on as many pictures as a fold has,
    over 4,000 fresh sets of training pictures.
    """
    rng, side = generator(1, "truth"), ROWS * (FOLDS - 1) // FOLDS // 2
    centres = (
        rng.normal(size=(2, 4000, FEATURES)) / np.sqrt(side) + GAP * np.array([1.0, -1.0])[:, None, None]
    )
    line, middle = centres[0] - centres[1], (centres[0] ** 2 - centres[1] ** 2).sum(axis=1) / 2
    size = np.sqrt((line**2).sum(axis=1))
    right = [stats.norm.cdf((sign * (GAP * line.sum(axis=1) * sign - middle)) / size) for sign in (1, -1)]
    return float(np.mean(right))


def test_the_plain_t_test_finds_differences_that_are_not_there(simulated):
    rejected = np.mean(
        [stats.ttest_rel(one, other).pvalue < 0.05 for one, other in zip(*simulated, strict=True)]
    )
    assert rejected > 0.15


def test_the_corrected_t_test_holds_its_level(simulated):
    rejected = np.mean(
        [corrected_t_test(one, other, RATIO) < 0.05 for one, other in zip(*simulated, strict=True)]
    )
    # 5 % and three standard errors of 1,000 runs are 7.1 %; it may be conservative, but not blind.
    assert 0.005 < rejected <= 0.07


def test_the_corrected_interval_covers_the_expected_score(simulated, expected_accuracy):
    bounds = np.array([corrected_interval(scores, RATIO) for scores in simulated[0]])
    assert ((bounds[:, 0] <= expected_accuracy) & (expected_accuracy <= bounds[:, 1])).mean() >= 0.93


def test_the_plain_interval_does_not_cover_it(simulated, expected_accuracy):
    half = stats.t.ppf(0.975, FOLDS * REPEATS - 1) * stats.sem(simulated[0], axis=1)
    assert (np.abs(simulated[0].mean(axis=1) - expected_accuracy) <= half).mean() < 0.85


def test_a_real_difference_is_found():
    rng = generator(2, "power")
    first = rng.normal(0.8, 0.02, size=15)
    assert corrected_t_test(first, first + rng.normal(0.05, 0.01, size=15), RATIO) < 0.001


def test_the_formula_is_that_of_the_paper():
    scores, ratio = np.array([0.81, 0.85, 0.79, 0.84, 0.80]), 0.25
    half = stats.t.ppf(0.975, 4) * np.sqrt((1 / 5 + ratio) * np.var(scores, ddof=1))
    assert corrected_interval(scores, ratio) == pytest.approx((scores.mean() - half, scores.mean() + half))
    statistic = scores.mean() / np.sqrt((1 / 5 + ratio) * np.var(scores, ddof=1))
    assert corrected_t_test(np.zeros(5), scores, ratio) == pytest.approx(2 * stats.t.sf(statistic, 4))


def test_the_p_value_and_the_interval_of_the_differences_agree():
    rng = generator(3, "both")
    for shift in (0.0, 0.01, 0.02, 0.05):
        first, second = rng.normal(0.8, 0.02, size=10), rng.normal(0.8 + shift, 0.02, size=10)
        assert corrected_interval(second - first, RATIO).excludes(0) == (
            corrected_t_test(first, second, RATIO) < 0.05
        )


def test_equal_scores_show_no_difference_and_no_spread():
    assert corrected_t_test([0.9, 0.8, 0.7], [0.9, 0.8, 0.7], 0.5) == 1.0
    assert corrected_interval([0.9, 0.9, 0.9], 0.5) == pytest.approx((0.9, 0.9))
    # Three differences of one sign, all the same: the sign test, not certainty.
    assert corrected_t_test([0.1, 0.2, 0.3], [0.2, 0.3, 0.4], 0.5) == 2 * 0.5**3


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: corrected_interval([0.9], 0.25), "at least 2 folds or repeats"),
        (lambda: corrected_interval([0.9, float("nan")], 0.25), "finite"),
        (lambda: corrected_t_test([0.9, 0.8], [0.9], 0.25), "same folds"),
    ],
)
def test_scores_that_cannot_be_used_are_refused(call, message):
    with pytest.raises(DataError, match=message):
        call()


def test_a_ratio_out_of_range_is_refused():
    with pytest.raises(SettingsError, match="n_test / n_train"):
        corrected_interval([0.9, 0.8], 0)
