"""Which predictions go to a person, beside the definitions spelled out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from lightfast.base.errors import SettingsError
from lightfast.evaluate.predictions import Predictions
from lightfast.evaluate.review import ReviewRule, review_threshold


def predictions(n: int = 600, seed: int = 0) -> Predictions:
    """Calibrated ones of three classes: a prediction of confidence c is right in c of all cases."""
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet([0.25, 0.25, 0.25], n).astype(np.float32)
    labels = np.minimum((probs.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1), 2)
    return Predictions(probs, ("a", "b", "c"), tuple(map(str, range(n))), labels)


@pytest.mark.parametrize("text", ["gap=0.2", " precision = 0.95 "])
def test_a_rule_is_read_as_it_is_typed(text):
    rule = ReviewRule.from_text(text)
    assert f"{rule.kind}={rule.value:g}" == text.replace(" ", "")


@pytest.mark.parametrize(
    "text",
    ["gap", "gap=", "gap=x", "gap=nan", "gap=0", "gap=1.1", "precision=1", "sure=0.9", "gap=.1,precision=.9"],
)
def test_what_can_be_no_rule_is_refused_with_an_example(text):
    with pytest.raises(SettingsError, match=r"review_below=precision=0\.99"):
        ReviewRule.from_text(text)


def test_the_gap_is_between_the_two_highest_probabilities():
    threshold = review_threshold(ReviewRule("gap", 0.2), None)
    probs = np.array([[0.5, 0.35, 0.15], [0.2, 0.2, 0.6], [0.41, 0.21, 0.38]])
    assert threshold.needs_review(probs).tolist() == [True, False, True]
    assert threshold.scores(probs) == pytest.approx([0.15, 0.4, 0.03])


def test_what_is_known_of_a_gap_is_counted_on_the_validation_pictures():
    known = predictions()
    found = review_threshold(ReviewRule("gap", 0.5), known)
    ordered = np.sort(known.pred_probs, axis=1)
    passed = ordered[:, -1] - ordered[:, -2] >= 0.5
    assert (found.n, found.passed, found.right) == (600, passed.sum(), (passed & known.correct).sum())
    assert found.interval.low < found.precision < found.interval.high
    assert found.proven is None


def test_the_confidence_is_the_lowest_that_proves_the_precision():
    known = predictions()
    found = review_threshold(ReviewRule("precision", 0.9), known)
    proving = []
    for cut in np.unique(known.confidence):
        passed = known.confidence >= cut
        right = int((passed & known.correct).sum())
        if right and beta.ppf(0.1, right, passed.sum() - right + 1) >= 0.9:
            proving.append(cut)
    assert found.threshold == min(proving)
    assert found.proven >= 0.9
    assert 0 < found.passed < 600
    assert f"{found.passed} reach it, {found.right} of them" in found.sentence()


def test_the_precision_holds_on_fresh_pictures():
    kept = []
    for seed in range(40):
        found = review_threshold(ReviewRule("precision", 0.9), predictions(400, seed))
        fresh = predictions(4_000, 1_000 + seed)
        kept.append(fresh.correct[~found.needs_review(fresh.pred_probs)].mean())
    # Promised are 90 of 100; the figures of 4,000 pictures scatter by about .006.
    assert np.mean(np.array(kept) >= 0.9 - 0.006) >= 0.85


def test_a_precision_that_cannot_be_proven_is_refused_and_the_offered_one_is_granted():
    known = predictions()
    with pytest.raises(SettingsError, match=r"takes 2,302 pictures that are all right.*at most") as refused:
        review_threshold(ReviewRule("precision", 0.999), known)
    offered = float(str(refused.value).split("at most ")[1].split(",")[0])
    assert review_threshold(ReviewRule("precision", offered), known).proven >= offered
    with pytest.raises(SettingsError, match="validation predictions"):
        review_threshold(ReviewRule("precision", 0.9), None)
