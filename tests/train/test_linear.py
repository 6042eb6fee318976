from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from lightfast.base.errors import DataError, SettingsError
from lightfast.train.linear import LinearData, LinearSettings, fit_linear, fit_one_vs_rest, fit_tree

ONE = LinearSettings(strengths=(0.1,))


def normal(n: int = 400, d: int = 6, k: int = 3, seed: int = 0):
    """Overlapping classes; the columns differ in place and scale, one never changes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(k, size=n)
    features = rng.normal(size=(n, d)) + np.random.default_rng(9).normal(size=(k, d))[labels]
    features = features * np.geomspace(0.01, 100, d) + np.arange(d) * 10
    return np.concatenate([features, np.full((n, 1), 7.0)], axis=1).astype(np.float32), labels


def standardised(features, like):
    spread = like.std(axis=0, dtype=np.float64)
    return (features - like.mean(axis=0, dtype=np.float64)) / np.where(spread > 1e-6, spread, 1)


def tight(features, labels, strength, weights=None):
    """sklearn's solution of the same problem."""
    n = len(labels) if weights is None else weights.sum()
    return LogisticRegression(C=1 / (strength * n), tol=1e-10, max_iter=5000).fit(
        standardised(features, features), labels, weights
    )


@pytest.fixture(scope="module")
def parts():
    features, labels = normal(800)
    return LinearData(features[:400], labels[:400]), LinearData(features[400:], labels[400:])


@pytest.mark.parametrize("weighted", [False, True])
def test_probabilities_are_those_of_sklearn(parts, weighted):
    train, val = parts
    weights = np.random.default_rng(1).uniform(0.1, 3, 400) if weighted else None
    head = fit_linear(LinearData(train.features, train.targets, weights), val, 3, ONE)
    theirs = tight(train.features, train.targets, 0.1, weights).predict_proba(
        standardised(val.features, train.features)
    )
    assert np.allclose(head.probs(val.features), theirs, atol=2e-3)


def test_the_strength_with_the_lowest_validation_loss_is_kept(parts):
    train, val = parts
    options = LinearSettings(strengths=(1e-4, 10.0, 0.03, 0.3))
    losses = {
        one: fit_linear(train, val, 3, LinearSettings(strengths=(one,))).val_loss for one in options.strengths
    }
    head = fit_linear(train, val, 3, options)
    assert head.strength == min(losses, key=losses.__getitem__)
    logits = val.features.astype(np.float64) @ head.weight.T.astype(np.float64) + head.bias
    assert head.val_loss == pytest.approx(
        -log_softmax(logits, axis=1)[np.arange(400), val.targets].mean(), abs=1e-4
    )


def test_balanced_counts_every_class_the_same(parts):
    train, val = parts
    keep = np.flatnonzero((train.targets > 0) | (np.arange(400) % 5 == 0))
    few = train.take(keep)
    counts = np.bincount(few.targets)
    weights = (len(keep) / (3 * counts))[few.targets]
    ours = fit_linear(few, val, 3, LinearSettings(strengths=(0.1,), balanced=True))
    theirs = fit_linear(LinearData(few.features, few.targets, weights), val, 3, ONE)
    assert np.allclose(ours.weight, theirs.weight, atol=1e-5)
    plain = fit_linear(few, val, 3, ONE)
    assert ours.probs(val.features)[:, 0].mean() > 1.3 * plain.probs(val.features)[:, 0].mean()


def test_a_class_without_training_rows_is_improbable_and_named(parts):
    train, val = parts
    shifted = LinearData(train.features, np.where(train.targets == 2, 3, train.targets))
    head = fit_linear(shifted, LinearData(val.features, val.targets), 4, ONE)
    assert head.absent == (2,)
    assert (head.weight[2] == 0).all()
    assert 0 < head.probs(train.features)[:, 2].mean() < 0.02
    assert np.isfinite(head.val_loss)


def test_one_class_alone_and_strange_labels_are_refused(parts):
    train, val = parts
    with pytest.raises(DataError, match="at least 2 classes"):
        fit_linear(LinearData(train.features, np.zeros(400, int)), val, 3)
    with pytest.raises(DataError, match=r"in 0\.\.1"):
        fit_linear(train, val, 2)
    with pytest.raises(DataError, match="features of row 3"):
        LinearData(np.where(np.arange(8)[:, None] == 3, np.nan, np.ones((8, 2))), np.zeros(8, int))
    with pytest.raises(DataError, match="N targets"):
        LinearData(train.features, train.targets[:3])
    with pytest.raises(SettingsError, match="above 0"):
        LinearSettings(strengths=(0.0,))


def test_a_tree_fits_each_decision_on_the_classes_of_its_sides(parts):
    train, val = parts
    fitted = fit_tree(train, val, [[0, 2], 1], 3, ONE)
    scaled, wanted = standardised(train.features, train.features), standardised(val.features, train.features)
    for place, rows, first in ((0, np.arange(400), (0, 2)), (1, np.flatnonzero(train.targets != 1), (0,))):
        side = np.isin(train.targets[rows], first)
        theirs = LogisticRegression(C=1 / (0.1 * len(rows)), tol=1e-10, max_iter=5000).fit(scaled[rows], side)
        assert np.allclose(
            fitted.probs(val.features)[:, place], theirs.predict_proba(wanted)[:, 1], atol=2e-3
        )


def test_a_decision_of_a_tree_without_rows_follows_its_counts(parts):
    train, val = parts
    fitted = fit_tree(train, val, [[0, 3], [1, 2]], 4, ONE)
    seen = int((train.targets == 0).sum())
    assert fitted.constant == (1,)
    assert fitted.probs(val.features)[:, 1] == pytest.approx((seen + 1) / (seen + 2))


def test_every_tag_is_a_problem_of_its_own(parts):
    train, val = parts
    tags = [
        np.stack([rows.targets == 0, rows.targets != 1, rows.targets == 5, rows.targets < 5], axis=1)
        for rows in parts
    ]
    fitted = fit_one_vs_rest(LinearData(train.features, tags[0]), LinearData(val.features, tags[1]), ONE)
    wanted = standardised(val.features, train.features)
    for k in range(2):
        theirs = tight(train.features, tags[0][:, k], 0.1).predict_proba(wanted)[:, 1]
        assert np.allclose(fitted.probs(val.features)[:, k], theirs, atol=2e-3)
    assert fitted.constant == (2, 3)
    assert fitted.probs(val.features)[0, 2:] == pytest.approx([1 / 402, 401 / 402])


def test_each_tag_takes_its_own_strength(parts):
    train, val = parts
    rng = np.random.default_rng(0)
    tags = [np.stack([rows.targets == 0, rng.random(400) < 0.5], axis=1) for rows in parts]
    fitted = fit_one_vs_rest(LinearData(train.features, tags[0]), LinearData(val.features, tags[1]))
    assert fitted.strengths[1] > fitted.strengths[0]
    alone = fit_one_vs_rest(
        LinearData(train.features, tags[0][:, 1:]), LinearData(val.features, tags[1][:, 1:])
    )
    assert alone.strengths[0] == fitted.strengths[1]


def test_tags_must_be_a_table_of_yes_and_no(parts):
    with pytest.raises(DataError, match="bool"):
        fit_one_vs_rest(*parts)


def noisy_digits(noise: float, seed: int):
    """(train, val, clean labels of train, test features, test labels) of 8 × 8 digits."""
    digits = load_digits()
    rng = np.random.default_rng(seed)
    order, given = rng.permutation(len(digits.target)), digits.target.copy()
    flipped = rng.random(len(given)) < noise
    given[flipped] = (given[flipped] + rng.integers(1, 10, flipped.sum())) % 10
    train, val, test = order[:700], order[700:900], order[900:]
    return (
        LinearData(digits.data[train], given[train]),
        LinearData(digits.data[val], given[val]),
        digits.target[train],
        digits.data[test],
        digits.target[test],
    )


def test_robust_finds_planted_wrong_labels_and_reads_better():
    gains = []
    for seed in range(2):
        train, val, clean, features, labels = noisy_digits(0.1, seed)
        plain, robust = (
            fit_linear(train, val, 10, LinearSettings((0.1, 0.03, 0.01), robust=one, seed=seed))
            for one in (False, True)
        )
        wrong = train.targets != clean
        assert wrong[robust.label_issues].mean() > 0.8
        assert wrong[robust.label_issues].sum() > 0.6 * wrong.sum()
        assert robust.remedy in ("drop", "weigh")
        gains.append(
            (robust.probs(features).argmax(axis=1) == labels).mean()
            - (plain.probs(features).argmax(axis=1) == labels).mean()
        )
    assert np.mean(gains) > 0.003


def test_robust_gives_the_same_for_the_same_seed():
    train, val, *_ = noisy_digits(0.2, 0)
    small, options = train.take(np.arange(150)), LinearSettings(strengths=(0.1,), robust=True, seed=4)
    first, second = (fit_linear(small, val, 10, options) for _ in range(2))
    assert np.array_equal(first.label_issues, second.label_issues)
    assert np.array_equal(first.weight, second.weight)


def test_robust_survives_a_class_of_one_row(parts):
    train, val = parts
    rows = np.concatenate([np.flatnonzero(train.targets == 0), np.flatnonzero(train.targets == 1)[:1]])
    head = fit_linear(train.take(rows), val, 3, LinearSettings(strengths=(0.1,), robust=True))
    assert head.absent == (2,)
    assert np.isfinite(head.weight).all()
