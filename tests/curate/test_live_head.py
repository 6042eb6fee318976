"""A head that is refitted after every handful of decisions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from lightfast.base.errors import DataError, UnknownName
from lightfast.curate.live_fit import PRIOR
from lightfast.curate.live_head import LiveHead
from lightfast.train.principal import PrincipalFeatures

NAMES = ("ant", "bee", "cat")


def blobs(n: int = 240, spread: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=n)
    return (np.eye(8)[labels] * 2 + spread * rng.normal(size=(n, 8)) + 5).astype(np.float32), labels


def decided(count: int = 60, spread: float = 1.0) -> tuple[LiveHead, np.ndarray]:
    features, labels = blobs(spread=spread)
    head = LiveHead.start(features, NAMES)
    return head.decide(np.arange(count), [NAMES[one] for one in labels[:count]]), labels


def test_it_is_logistic_regression():
    head, labels = decided(60)
    space = PrincipalFeatures.of(blobs()[0], kept=1)
    plain = (blobs()[0] - blobs()[0].mean(0)) / blobs()[0].std(0)
    reference = LogisticRegression(C=1 / PRIOR, max_iter=2000, tol=1e-8).fit(plain[:60], labels[:60])
    import dataclasses

    whole = dataclasses.replace(head, features=space).refit(check=False)
    probs = whole.probs()
    assert probs is not None
    assert np.abs(probs - reference.predict_proba(plain)).max() < 0.02


def test_a_warm_start_ends_where_a_cold_one_does():
    head, labels = decided(60)
    warm = head.refit()
    for start in range(60, 120, 10):
        rows = np.arange(start, start + 10)
        warm = warm.decide(rows, [NAMES[one] for one in labels[rows]]).refit(check=False)
    cold = decided(120)[0].refit(check=False)
    one, two = warm.probs(), cold.probs()
    assert one is not None
    assert two is not None
    assert np.abs(one - two).max() < 0.02


def test_the_accuracy_is_of_rows_that_their_head_did_not_see():
    features, _ = blobs()
    rng = np.random.default_rng(3)
    lies = rng.integers(3, size=200)
    head = LiveHead.start(features, NAMES).decide(np.arange(200), [NAMES[one] for one in lies]).refit()
    assert head.fit is not None
    assert head.fit.accuracy is not None
    assert head.fit.accuracy.interval.low < 1 / 3 < head.fit.accuracy.interval.high


def test_near_duplicates_share_a_fold_for_ever():
    features, labels = blobs(200)
    groups = np.arange(200) // 2
    head = LiveHead.start(features, NAMES, None, groups)
    for start in range(0, 200, 25):
        rows = np.arange(start, start + 25)
        before = head.folds.copy()
        head = head.decide(rows, [NAMES[one] for one in labels[rows]])
        assert (head.folds[before >= 0] == before[before >= 0]).all()
    assert (head.folds[::2] == head.folds[1::2]).all()


def test_folds_hold_as_many_of_each_class_as_can_be():
    head, labels = decided(150)
    for label in range(3):
        counts = np.bincount(head.folds[:150][labels[:150] == label], minlength=5)
        assert counts.max() - counts.min() <= 1


def test_a_rejected_class_gets_no_probability_and_teaches():
    head, labels = decided(30, spread=2.5)
    head = head.refit()
    rows = np.flatnonzero(labels[30:] != 0) + 30
    before = head.probs(rows)
    taught = head.reject(rows, "ant").refit().refit()
    after = taught.probs()
    assert before is not None
    assert after is not None
    assert (after[rows, 0] == 0).all()
    assert np.allclose(after.sum(axis=1), 1, atol=1e-5)
    # Other pictures that are no ants are taken for ants less often, too: the head itself has learned.
    ants = taught.weights()
    assert ants is not None
    logits = blobs(2_000, 2.5, seed=9)[0] @ ants[0].T + ants[1]
    plain = head.weights()
    assert plain is not None
    first = blobs(2_000, 2.5, seed=9)[0] @ plain[0].T + plain[1]
    truth = blobs(2_000, 2.5, seed=9)[1]
    assert (logits.argmax(1)[truth != 0] == 0).mean() < (first.argmax(1)[truth != 0] == 0).mean()


def test_rejecting_the_given_label_takes_it_back():
    head, labels = decided(30)
    name = NAMES[labels[0]]
    again = head.reject(0, name)
    assert again.labels[0] == -1
    assert again.decide(0, name).labels[0] == labels[0]
    assert not again.decide(0, name).rejected[0].any()


def test_nothing_is_changed_in_place():
    head, _ = decided(30)
    kept = head.labels.copy(), head.rejected.copy(), head.folds.copy()
    head.decide([40], "bee").reject([41], "ant").withdraw([1]).with_class("dog").refit()
    assert (head.labels == kept[0]).all()
    assert (head.rejected == kept[1]).all()
    assert (head.folds == kept[2]).all()
    assert head.class_names == NAMES


def test_withdrawn_decisions_leave_no_trace():
    head, _ = decided(30)
    again = head.decide([50, 51], "ant").withdraw([50, 51])
    one, two = head.refit().probs(), again.refit().probs()
    assert one is not None
    assert np.array_equal(one, two)


def test_a_class_that_comes_later_is_learned():
    features, labels = blobs()
    head = LiveHead.start(features, NAMES[:2])
    known = np.flatnonzero(labels[:120] < 2)
    head = head.decide(known, [NAMES[one] for one in labels[known]]).refit().with_class("cat")
    fresh = head.probs()
    assert fresh is not None
    assert fresh[:, 2].max() < 0.05
    cats = np.flatnonzero(labels[:120] == 2)
    probs = head.decide(cats, "cat").refit().probs(np.flatnonzero(labels == 2))
    assert probs is not None
    assert (probs.argmax(axis=1) == 2).mean() > 0.8


def test_what_was_said_of_many_at_once_teaches_and_is_not_scored():
    head, labels = decided(30)
    rows = np.flatnonzero(labels[30:] == 1) + 30
    after = head.decide(rows, "bee", together=True).refit()
    assert after.fit is not None
    assert after.fit.accuracy is not None
    assert after.fit.accuracy.n <= 30
    assert len(set(after.folds[rows].tolist())) == 1


def test_probabilities_are_calibrated_on_rows_that_the_head_did_not_see():
    features, labels = blobs(1_500, spread=2.0)
    head = LiveHead.start(features, NAMES).decide(np.arange(300), [NAMES[one] for one in labels[:300]])
    head = head.refit()
    probs = head.probs(np.arange(300, 1_500))
    assert probs is not None
    right = (probs.argmax(axis=1) == labels[300:]).mean()
    assert head.expected_accuracy() == pytest.approx(right, abs=0.04)


def test_the_weights_say_the_same_of_other_pictures():
    head, _ = decided(60)
    head = head.refit()
    weights = head.weights()
    assert weights is not None
    logits = blobs()[0] @ weights[0].T + weights[1]
    probs = np.exp(logits - logits.max(1, keepdims=True))
    assert np.allclose(probs / probs.sum(1, keepdims=True), head.probs(), atol=2e-3)


def test_below_two_classes_there_is_no_head():
    features, _ = blobs()
    head = LiveHead.start(features, NAMES).decide([1, 2, 3], "ant").refit()
    assert head.fit is None
    assert head.probs() is None
    assert head.weights() is None
    assert head.expected_accuracy() is None


def test_one_picture_a_class_is_fitted_and_not_scored():
    features, labels = blobs()
    rows = [int(np.flatnonzero(labels == one)[0]) for one in range(3)]
    head = LiveHead.start(features, NAMES).decide(rows, NAMES).refit()
    assert head.fit is not None
    assert head.fit.accuracy is None
    assert head.fit.temperature == 1


@pytest.mark.parametrize("rows", [[-1], [240], [0.5]])
def test_rows_that_are_not_there_are_refused(rows):
    with pytest.raises(DataError, match=r"0\.\.239"):
        decided()[0].decide(rows, "ant")


def test_unknown_classes_and_broken_features_are_refused():
    with pytest.raises(UnknownName, match="bee"):
        decided()[0].decide([0], "beee")
    with pytest.raises(DataError, match="row 1"):
        LiveHead.start(np.array([[1, 2], [np.nan, 1]], np.float32))
    with pytest.raises(DataError, match="labels of a live head"):
        LiveHead.start(np.eye(4, dtype=np.float32), ("a",), np.array([0, 1, -1, -1]))
