"""Single scores against slow, obvious references."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.curate.label_scores import (
    agreement,
    best_other,
    confident_learning,
    log_margin,
    output_spread,
    self_confidence,
)
from lightfast.train.label_quality import label_issue_mask

from .noisy import Noisy, noisy


@pytest.fixture(scope="module")
def planted() -> Noisy:
    return noisy(120)


def test_self_confidence_and_margin_row_by_row(planted: Noisy):
    for row, label in enumerate(planted.given):
        probs = planted.probs[row]
        other = np.delete(probs, label).max()
        assert self_confidence(planted.probs, planted.given)[row] == probs[label]
        assert log_margin(planted.probs, planted.given)[row] == pytest.approx(
            probs[label] / (probs[label] + other)
        )


def test_confident_learning_is_below_a_half_where_the_joint_says_so(planted: Noisy):
    low = confident_learning(planted.probs, planted.given) < 0.5
    assert np.array_equal(low, label_issue_mask(planted.probs, planted.given))


def test_spread_is_one_for_a_sure_output_and_zero_for_an_even_one():
    assert output_spread(np.array([[1.0, 0, 0, 0], [0.25] * 4])) == pytest.approx([1, 0])


def test_agreement_falls_where_repeats_differ():
    same, other = np.array([[0.8, 0.2]]), np.array([[0.6, 0.4]])
    labels = np.array([0])
    assert agreement(np.stack([same, same]), labels)[0] == pytest.approx(0.8)
    assert agreement(np.stack([same, other]), labels)[0] == pytest.approx(0.7 - 0.1)


def test_the_best_other_class_is_never_the_given_one():
    best, value = best_other(np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]]), np.array([0, 0]))
    assert best.tolist() == [1, 2]
    assert value == pytest.approx([0.2, 0.7])
