"""Do the intervals hold the truth as often as they say, and do the tests cry wolf no more often than they
say? By simulation.

Bounds are the nominal rate and three binomial standard errors of the simulation where a method promises its
rate, and one-sided, with the reason, where it is known to be careful. All seeds are fixed.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from lightfast.base.randomness import generator
from lightfast.evaluate.bootstrap import percentiles, resample
from lightfast.evaluate.macro import macro_f1_bounds
from lightfast.evaluate.metrics import class_scores, confusion_matrix, score
from lightfast.evaluate.predictions import Predictions
from lightfast.statistics.holm import holm
from lightfast.statistics.intervals import EXACT_BELOW, mcnemar_p_value, newcombe_bounds, wilson_bounds
from lightfast.statistics.resampled import corrected_interval

LEVEL = 0.95


def margin(count: int, rate: float = LEVEL) -> float:
    """Three standard errors of a rate seen in `count` simulations."""
    return 3 * float(np.sqrt(rate * (1 - rate) / count))


def covered(low, high, truth) -> float:
    return float(((low <= truth) & (truth <= high)).mean())


def confusions(shares, n, count, *purpose):
    """int64 (count, K, K): confusion matrices of n pictures each."""
    return (
        generator(0, "confusions", *purpose)
        .multinomial(n, np.ravel(shares), size=count)
        .reshape(count, *np.shape(shares))
    )


def macro_f1(shares) -> float:
    support, guesses = shares.sum(axis=1), shares.sum(axis=0)
    return float(np.mean(2 * np.diag(shares) / (support + guesses)))


@pytest.mark.parametrize("n", [30, 100, 1000])
def test_wilson(n):
    # Counts are lumpy, so the coverage at one share swings around its level; the promise is of its mean over
    # the shares.
    rng = generator(0, "wilson", n)
    truth = rng.random(50_000)
    rate = covered(*wilson_bounds(rng.binomial(n, truth), n), truth)
    assert (
        abs(rate - LEVEL) < margin(50_000) + 0.003
    )  # the mean itself is within 0.003 of the level from 30 pictures on


@pytest.mark.parametrize("n", [60, 400, 3000])
def test_newcombes_paired_difference(n):
    rng = generator(1, "newcombe", n)
    shares = rng.dirichlet([6.0, 1.0, 1.0, 2.0], size=20_000)
    counts = np.array([rng.multinomial(n, row) for row in shares])
    rate = covered(*newcombe_bounds(counts[:, 0], counts[:, 1], counts[:, 2], n), shares[:, 1] - shares[:, 2])
    # Made to be a little careful: the correlation is shrunk by a continuity correction.
    assert LEVEL - margin(20_000) < rate < 0.98


@pytest.mark.parametrize("n", [150, 1500])
def test_f1_of_a_class(n):
    shares = np.array([[0.40, 0.06, 0.01], [0.05, 0.25, 0.03], [0.01, 0.02, 0.17]])
    truth = 2 * np.diag(shares) / (shares.sum(axis=1) + shares.sum(axis=0))
    bounds = np.array(
        [[row.f1_interval for row in class_scores(one, "abc")] for one in confusions(shares, n, 3000, n)]
    )
    for k in range(3):
        # The lumps of Wilson's interval at one share and few pictures are worth one in a hundred.
        assert abs(covered(bounds[:, k, 0], bounds[:, k, 1], truth[k]) - LEVEL) < margin(3000) + 0.01


@pytest.mark.parametrize("classes, right, n", [(3, 0.8, 300), (3, 0.97, 600), (4, 0.6, 400)])
def test_macro_f1(classes, right, n):
    shares = np.full((classes, classes), (1 - right) / (classes - 1))
    np.fill_diagonal(shares, right)
    shares *= np.linspace(1, 2, classes)[:, None] / np.linspace(1, 2, classes).sum()
    bounds = np.array([macro_f1_bounds(one) for one in confusions(shares, n, 1000, classes, n)])
    # A percentile bootstrap reaches its level only as n grows: with 100 pictures a class it may miss by one
    # in a hundred.
    assert (
        LEVEL - 0.01 - margin(1000)
        < covered(bounds[:, 0], bounds[:, 1], macro_f1(shares))
        < LEVEL + margin(1000)
    )


def test_macro_f1_of_many_classes_by_the_normal_draws():
    # 40 classes with errors everywhere: over 1,000 cells, so the draws are normal. 100 data sets only: 60 ms
    # each.
    shares = np.full((40, 40), 0.4 / 39 / 40)
    np.fill_diagonal(shares, 0.6 / 40)
    drawn = confusions(shares, 8000, 100, "many")
    assert min(np.count_nonzero(one) for one in drawn) > 1000
    bounds = np.array([macro_f1_bounds(one) for one in drawn])
    assert covered(bounds[:, 0], bounds[:, 1], macro_f1(shares)) > LEVEL - margin(100)


def readings(rng, n):
    """Two models of unlike strength that share part of their errors, three classes of unlike size."""
    labels = rng.choice(3, size=n, p=[0.5, 0.3, 0.2])
    shared = rng.normal(size=(n, 3))
    found = []
    for name, strength in (("weak", 1.6), ("strong", 2.2)):
        logits = (shared + rng.normal(size=(n, 3))) / np.sqrt(2)
        logits[np.arange(n), labels] += strength
        probs = np.exp(logits)
        found.append(
            Predictions(
                probs / probs.sum(axis=1, keepdims=True),
                tuple("abc"),
                tuple(map(str, range(n))),
                labels,
                name,
            )
        )
    return found


def test_the_paired_bootstrap_of_macro_f1_and_auc():
    rng = generator(2, "paired bootstrap")
    weak, strong = (score(model) for model in readings(rng, 300_000))
    truths = strong.macro_f1 - weak.macro_f1, strong.roc_auc - weak.roc_auc
    hits = []
    # 250 data sets of 200 resamples only: each is ten times the work of the others.
    for seed in range(250):
        models = readings(rng, 200)
        drawn, (one, other) = resample(models, 200, seed), map(score, models)
        f1 = percentiles(drawn.macro_f1[1] - drawn.macro_f1[0], other.macro_f1 - one.macro_f1)
        auc = percentiles(drawn.auc[1] - drawn.auc[0], other.roc_auc - one.roc_auc)
        hits.append([not interval.excludes(truth) for interval, truth in zip((f1, auc), truths, strict=True)])
    # 200 resamples place the ends roughly, which costs a bootstrap near half a point; few pictures a class
    # cost another.
    for rate in np.mean(hits, axis=0):
        assert LEVEL - 0.01 - margin(250) < rate < LEVEL + margin(250)


@pytest.mark.parametrize(
    "splits, n, tested, least", [(15, 100, 20, 0.93), (5, 200, 50, 0.93), (10, 60, 6, 0.90)]
)
def test_the_corrected_interval_of_random_splits(splits, n, tested, least):
    # The learner says the mean of its training rows; its score is the mean squared error on the others,
    # expected 1 + 1 / n_train.
    rng = generator(3, "splits", n)
    data = rng.normal(size=(2000, n))
    scores = []
    for _ in range(splits):
        rows = rng.permutation(n)
        guess = data[:, rows[tested:]].mean(axis=1, keepdims=True)
        scores.append(((data[:, rows[:tested]] - guess) ** 2).mean(axis=1))
    bounds = np.array([corrected_interval(one, tested / (n - tested)) for one in np.transpose(scores)])
    # The correlation is a rule of thumb, so the level is not promised and a careful interval is allowed; a
    # mean of six squared errors is so skewed that t does not fit it.
    assert covered(bounds[:, 0], bounds[:, 1], 1 + 1 / (n - tested)) >= least


@pytest.mark.parametrize(
    "discordant, floor", [(8, 0.0), (15, 0.01), (24, 0.01), (25, 0.02), (60, 0.025), (400, 0.035)]
)
def test_mcnemar_cries_wolf_at_most_at_its_level(discordant, floor):
    gained = generator(4, "mcnemar", discordant).binomial(discordant, 0.5, size=50_000)
    rejected = (mcnemar_p_value(gained, discordant - gained) < 0.05).mean()
    # Both branches are careful (whole numbers below EXACT_BELOW, a continuity correction above), so only the
    # upper side is promised; the floor holds that the test is not blind.
    assert floor <= rejected <= 0.05 + margin(50_000, 0.05)
    assert EXACT_BELOW == 25


def pair_p_values(right, count):
    """(count, pairs) McNemar p-values of `count` data sets of 600 pictures,
    read by models that are right with the given shares.
    """
    rng = generator(5, "family", *[str(share) for share in right])
    hard = rng.normal(size=(count, 600))
    correct = [
        (hard + rng.normal(size=hard.shape)) / np.sqrt(2) < np.quantile(hard, share) for share in right
    ]
    return np.array(
        [
            mcnemar_p_value((~one & other).sum(axis=1), (one & ~other).sum(axis=1))
            for one, other in combinations(correct, 2)
        ]
    ).T


def test_holm_holds_the_chance_of_even_one_false_finding_where_all_models_are_equal():
    values = pair_p_values([0.85] * 5, 1500)
    corrected = np.array([holm(row) for row in values])
    assert (values < 0.05).any(axis=1).mean() > 0.15
    # At most: the ten pairs share models, which Holm does not use.
    assert (corrected < 0.05).any(axis=1).mean() <= 0.05 + margin(1500, 0.05)


def test_holm_holds_it_where_some_models_differ():
    values = pair_p_values([0.85, 0.85, 0.85, 0.7], 1500)
    corrected = np.array([holm(row) for row in values])
    equal = [index for index, pair in enumerate(combinations(range(4), 2)) if 3 not in pair]
    assert (corrected[:, equal] < 0.05).any(axis=1).mean() <= 0.05 + margin(1500, 0.05)
    assert (np.delete(corrected, equal, axis=1) < 0.05).mean() > 0.99


def test_the_confusions_of_these_simulations_are_those_of_pictures():
    labels, answers = np.array([0, 1, 2, 2]), np.array([0, 2, 2, 2])
    assert macro_f1(confusion_matrix(labels, answers, 3)) == pytest.approx((1 + 0 + 0.8) / 3)
