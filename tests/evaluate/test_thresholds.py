from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm
from sklearn.metrics import f1_score

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.evaluate.thresholds import NEVER_GIVEN, choose_thresholds


def drawn(n: int, labels: int, share: float, distance: float, seed: int = 0):
    """Normal scores, those of carried labels `distance` higher, squeezed into 0..1."""
    rng = generator(seed, "scores")
    tags = rng.random((n, labels)) < share
    return norm.cdf(rng.normal(size=(n, labels)) + distance * tags), tags


def true_precision(threshold, share, distance):
    scores = norm.ppf(threshold)
    right, wrong = share * norm.sf(scores - distance), (1 - share) * norm.sf(scores)
    return right / (right + wrong)


@pytest.mark.parametrize(
    "wanted, n, share, distance", [(0.8, 600, 0.05, 3.0), (0.9, 500, 0.2, 2.0), (0.95, 1500, 0.2, 2.0)]
)
def test_at_most_one_label_in_ten_falls_short_of_the_wanted_precision_on_fresh_pictures(
    wanted, n, share, distance
):
    names = [str(k) for k in range(400)]
    values = choose_thresholds(*drawn(n, 400, share, distance), names, wanted).values
    fresh = true_precision(values[values < NEVER_GIVEN], share, distance)
    # 400 labels: two standard errors above one in ten.
    assert (fresh < wanted).sum() / 400 <= 0.1 + 2 * np.sqrt(0.09 / 400)
    assert fresh.mean() >= wanted


def test_the_plain_precision_would_fall_short_far_more_often():
    probs, tags = drawn(500, 400, 0.2, 2.0)
    values = choose_thresholds(probs, tags, [str(k) for k in range(400)], 0.9, confidence=0.5).values
    assert (true_precision(values[values < NEVER_GIVEN], 0.2, 2.0) < 0.9).sum() / 400 > 0.3


def test_the_threshold_is_the_lowest_whose_exact_bound_reaches_the_wish():
    probs, tags = drawn(300, 1, 0.3, 2.5)
    row = choose_thresholds(probs, tags, ["a"], 0.8, 0.9).labels[0]
    passing = []
    for cut in np.unique(probs):
        given, right = int((probs >= cut).sum()), int(tags[probs >= cut].sum())
        if right and binomtest(right, given, alternative="greater").proportion_ci(0.9, "exact").low >= 0.8:
            passing.append(cut)
    assert row.threshold == min(passing)
    assert row.right / row.given == row.precision


def test_labels_that_cannot_show_the_precision_are_never_given_and_named():
    probs, tags = drawn(400, 2, 0.3, 3.0)
    tags[:, 1] = generator(1, "chance").random(400) < 0.3
    chosen = choose_thresholds(probs, tags, ["seen", "noise"], 0.9)
    assert chosen.never == ("noise",)
    assert chosen.values[1] == NEVER_GIVEN > 1
    assert (chosen.labels[1].given, chosen.labels[1].precision) == (0, None)


def test_twenty_two_right_pictures_are_the_fewest_that_show_nine_in_ten():
    for n, status in ((21, "unproven"), (22, "chosen")):
        probs = np.linspace(0.9, 0.1, 60)[:, None]
        tags = (np.arange(60) < n)[:, None]
        assert choose_thresholds(probs, tags, ["a"], 0.9).labels[0].status == status


def test_without_a_wish_f1_is_the_best_of_all_thresholds():
    probs, tags = drawn(50, 2, 0.4, 1.5)
    for k, row in enumerate(choose_thresholds(probs, tags, ["a", "b"]).labels):
        best = max(f1_score(tags[:, k], probs[:, k] >= cut) for cut in np.unique(probs[:, k]))
        assert f1_score(tags[:, k], probs[:, k] >= row.threshold) == pytest.approx(best)


def test_labels_with_few_pictures_are_not_judged_and_named():
    probs, tags = drawn(50, 2, 0.4, 1.0)
    tags[4:, 1] = False
    chosen = choose_thresholds(probs, tags, ["often", "rare"])
    assert chosen.unjudged == ("rare",)
    assert chosen.values[1] == 0.5


def test_equal_scores_are_given_together():
    probs = np.array([0.9] * 30 + [0.5] * 10)[:, None]
    tags = np.array([True] * 30 + [True] * 5 + [False] * 5)[:, None]
    row = choose_thresholds(probs, tags, ["a"], 0.9).labels[0]
    assert (row.threshold, row.given) == (0.9, 30)


def test_the_json_is_plain():
    said = as_json(choose_thresholds(*drawn(50, 2, 0.4, 1.0), ["a", "b"], 0.9))
    assert json.loads(json.dumps(said, allow_nan=False)) == said


@pytest.mark.parametrize(
    "settings", [{"precision": 0.0}, {"precision": 1.5}, {"precision": 0.9, "confidence": 1.0}]
)
def test_impossible_wishes_are_refused(settings):
    with pytest.raises(SettingsError):
        choose_thresholds(*drawn(50, 2, 0.4, 1.0), ["a", "b"], **settings)


def test_shapes_that_do_not_fit_are_refused():
    probs, tags = drawn(50, 2, 0.4, 1.0)
    two = ["a", "b"]
    for wrong in (
        (probs, tags[:, :1], two),
        (probs, tags, ["a"]),
        (probs, tags.astype(int), two),
        (probs[:0], tags[:0], two),
    ):
        with pytest.raises(DataError):
            choose_thresholds(*wrong)


@settings(max_examples=50)
@given(
    seed=st.integers(0, 50),
    wishes=st.tuples(st.floats(0.05, 0.99), st.floats(0.05, 0.99)).map(sorted),
    sureness=st.tuples(st.floats(0.5, 0.99), st.floats(0.5, 0.99)).map(sorted),
)
def test_who_asks_for_more_is_given_less(seed, wishes, sureness):
    def rows(wish, sure):
        return choose_thresholds(*drawn(80, 6, 0.4, 1.5, seed), list("abcdef"), wish, sure).labels

    least = rows(wishes[0], sureness[0])
    for more in (rows(wishes[1], sureness[0]), rows(wishes[0], sureness[1])):
        for low, high in zip(least, more, strict=True):
            if high.status == "chosen":
                assert low.status == "chosen"
                assert low.threshold <= high.threshold
                assert low.given >= high.given


@given(
    seed=st.integers(0, 50), wish=st.none() | st.floats(0.05, 0.99), power=st.sampled_from((0.5, 2.0, 3.0))
)
def test_only_the_order_of_the_scores_counts_and_not_that_of_the_pictures(seed, wish, power):
    probs, tags = drawn(60, 4, 0.4, 1.5, seed)
    order = generator(seed, "order").permutation(60)
    first = choose_thresholds(probs, tags, list("abcd"), wish).labels
    again = choose_thresholds(probs[order] ** power, tags[order], list("abcd"), wish).labels
    assert [(row.status, row.given, row.right) for row in first] == [
        (row.status, row.given, row.right) for row in again
    ]
