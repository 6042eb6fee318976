from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.randomness import generator
from lightfast.evaluate.calibration import apply_temperature, ece, ece_by_chance, fit_temperature, reliability
from lightfast.evaluate.metrics import score
from lightfast.evaluate.predictions import Predictions


def honest_logits(n=20_000, classes=5, seed=0):
    """Logits, and labels drawn from their softmax: perfectly calibrated at T = 1."""
    rng = generator(seed, "honest")
    logits = rng.normal(scale=1.5, size=(n, classes))
    labels = (rng.random((n, 1)) > softmax(logits, axis=1).cumsum(axis=1)).sum(axis=1).clip(0, classes - 1)
    return logits, labels


def slow_ece(probs, labels, bins):
    total = 0.0
    for k in range(bins):
        rows = [row for row, p in enumerate(probs) if k / bins < max(p) <= (k + 1) / bins]
        if rows:
            right = sum(int(np.argmax(probs[row])) == labels[row] for row in rows) / len(rows)
            sure = sum(max(probs[row]) for row in rows) / len(rows)
            total += len(rows) / len(probs) * abs(right - sure)
    return total


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_ece_agrees_with_a_loop(bins):
    logits, labels = honest_logits(n=500)
    probs = softmax(2 * logits, axis=1)
    assert ece(probs, labels, bins) == pytest.approx(slow_ece(probs, labels, bins))


def test_reliability_agrees_with_sklearn():
    logits, labels = honest_logits(n=3000)
    probs = softmax(logits, axis=1)
    accuracy, confidence = calibration_curve(probs.argmax(axis=1) == labels, probs.max(axis=1), n_bins=10)
    table = reliability(probs, labels, 10)
    assert [row.accuracy for row in table] == pytest.approx(list(accuracy))
    assert [row.confidence for row in table] == pytest.approx(list(confidence))
    assert sum(row.count for row in table) == 3000


def test_an_honest_model_has_almost_no_calibration_error():
    logits, labels = honest_logits()
    assert ece(softmax(logits, axis=1), labels) < 0.015


def test_a_model_that_is_always_sure_and_half_right_errs_by_a_half():
    assert ece(np.tile([1.0, 0.0], (10, 1)), np.arange(10) % 2) == 0.5


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_the_temperature_finds_the_scale_that_was_put_in(scale):
    logits, labels = honest_logits()
    assert fit_temperature(scale * logits, labels) == pytest.approx(scale, rel=0.04)


def test_log_probabilities_give_the_same_temperature_as_logits():
    logits, labels = honest_logits(n=1000)
    assert fit_temperature(log_softmax(2 * logits, axis=1), labels) == pytest.approx(
        fit_temperature(2 * logits, labels), rel=1e-4
    )


def test_no_other_temperature_on_a_grid_is_more_likely():
    logits, labels = honest_logits(n=1000, seed=1)
    best = fit_temperature(2.5 * logits, labels)
    losses = [log_loss(labels, softmax(2.5 * logits / t, axis=1)) for t in (best, *np.geomspace(0.1, 10, 60))]
    assert losses[0] <= min(losses[1:]) + 1e-9


def test_all_right_teaches_nothing():
    assert fit_temperature(np.eye(3) * 4, np.arange(3)) == 1.0


def test_a_probability_of_zero_for_the_label_is_survived():
    with np.errstate(divide="ignore"):
        scores = np.log([[1.0, 0.0], [0.9, 0.1], [0.8, 0.2]])
    assert np.isfinite(fit_temperature(scores, np.array([1, 0, 0])))


def test_applying_a_temperature_is_softmax_of_divided_logits():
    logits, _ = honest_logits(n=50)
    assert np.allclose(
        apply_temperature(softmax(logits, axis=1), 1.7), softmax(logits / 1.7, axis=1), atol=1e-6
    )


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_is_not_above_0_is_refused(temperature):
    with pytest.raises(SettingsError, match="above 0"):
        apply_temperature(np.eye(2), temperature)


@pytest.mark.parametrize(
    "scores, labels, message",
    [
        (np.zeros((0, 3)), np.zeros(0, int), "validation pictures"),
        (np.full((1, 2), np.nan), [0], "NaN"),
        (np.zeros((1, 2)), [2], r"0\.\.1"),
    ],
)
def test_empty_or_broken_validation_data_are_refused(scores, labels, message):
    with pytest.raises(DataError, match=message):
        fit_temperature(scores, labels)


def sides(rng, n, over=0.0):
    """Two-class probabilities (n, 2) and labels that are right less often than they say, by `over`."""
    sure = rng.uniform(0.5, 1, n)
    labels = (rng.random(n) > np.clip(sure - over, 0, 1)).astype(np.int64)
    return np.stack([sure, 1 - sure], axis=1), labels


@pytest.mark.parametrize("n", [12, 40, 300])
def test_a_perfectly_calibrated_model_is_said_to_differ_at_most_one_time_in_twenty(n):
    rng = generator(0, "calibrated", n)
    made = [sides(rng, n) for _ in range(200)]
    said = np.mean([ece(*one) > ece_by_chance(one[0]) for one in made])
    # The plain error itself is far from 0 at these n. Three standard errors of 200 models.
    assert np.mean([ece(*one) for one in made]) > 0.04
    assert said <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_a_model_that_is_too_sure_is_found():
    probs, labels = sides(generator(1, "too sure"), 300, over=0.2)
    assert ece(probs, labels) > ece_by_chance(probs)


def test_certain_and_right_is_no_difference():
    probs = np.eye(3)[[0, 1, 2, 2]]
    assert ece_by_chance(probs) == 0.0
    found = score(Predictions(probs.astype(np.float32), tuple("abc"), tuple("1234"), np.array([0, 1, 2, 2])))
    assert not found.miscalibrated
    assert found.calibration_sentence() == "That confidence differs from accuracy is not shown (n = 4)"
