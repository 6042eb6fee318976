from __future__ import annotations

import json

import numpy as np
import pytest
from statsmodels.stats import inter_rater

from lightfast.base.errors import DataError
from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.statistics.agreement import cohen_kappa, fleiss_kappa
from lightfast.statistics.intervals import wilson


def raters(n, count, share, classes=4, seed=0):
    """(n, count) answers that follow a common truth with probability `share`."""
    rng = generator(seed, "raters", n, count)
    truth = rng.integers(classes, size=(n, 1))
    return np.where(rng.random((n, count)) < share, truth, rng.integers(classes, size=(n, count)))


@pytest.mark.parametrize("n, share", [(30, 0.5), (200, 0.9), (1000, 0.0)])
def test_cohens_kappa_agrees_with_statsmodels(n, share):
    answers = raters(n, 2, share)
    table = np.zeros((4, 4))
    np.add.at(table, (answers[:, 0], answers[:, 1]), 1)
    theirs = inter_rater.cohens_kappa(table)
    ours = cohen_kappa(answers[:, 0], answers[:, 1])
    assert ours.value == pytest.approx(theirs.kappa)
    assert ours.interval == pytest.approx((theirs.kappa_low, theirs.kappa_upp))
    assert ours.n == n


@pytest.mark.parametrize("n, count, share", [(40, 3, 0.5), (200, 6, 0.8)])
def test_fleiss_kappa_agrees_with_statsmodels_and_its_error_with_the_jackknife(n, count, share):
    answers = raters(n, count, share)
    counts, _ = inter_rater.aggregate_raters(answers)
    ours = fleiss_kappa(answers)
    assert ours.value == pytest.approx(inter_rater.fleiss_kappa(counts))
    left_out = np.array([inter_rater.fleiss_kappa(np.delete(counts, row, axis=0)) for row in range(n)])
    error = np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())
    assert (ours.interval.high - ours.interval.low) / 2 == pytest.approx(1.96 * error, rel=0.05)


@pytest.mark.parametrize("share", [0.3, 0.8])
def test_the_interval_of_cohens_kappa_covers_the_truth_about_95_times_in_100(share):
    # Both give the truth with probability `share` and any of four classes otherwise: they agree with share² +
    # (1 - share²) / 4.
    covered = []
    for seed in range(1000):
        answers = raters(150, 2, share, seed=seed)
        low, high = cohen_kappa(answers[:, 0], answers[:, 1]).interval
        covered.append(low <= share**2 <= high)
    # The error is a large-sample one: three standard errors of 1,000 runs, and one in a hundred for 150
    # pictures.
    assert 0.92 < np.mean(covered) < 0.972


def test_names_and_numbers_give_the_same():
    answers = raters(50, 2, 0.6)
    names = np.array(["ape", "bat", "cat", "dog"])[answers]
    assert cohen_kappa(names[:, 0], names[:, 1]) == cohen_kappa(answers[:, 0], answers[:, 1])
    assert fleiss_kappa(names) == fleiss_kappa(answers)


def test_full_agreement_is_not_certain_agreement():
    kappa = cohen_kappa([0, 1] * 10, [0, 1] * 10)
    assert kappa.value == 1.0
    assert kappa.interval == pytest.approx((2 * wilson(20, 20).low - 1, 1.0))
    assert "full agreement" in kappa.note


def test_one_answer_throughout_has_no_kappa_and_says_why():
    for kappa in (cohen_kappa([3] * 8, [3] * 8), fleiss_kappa([[3, 3, 3]] * 8)):
        assert kappa.value is None
        assert kappa.interval == (-1.0, 1.0)
        assert "not defined" in kappa.note


def test_one_rater_who_never_changes_agrees_as_chance_would_have_it():
    assert cohen_kappa([0] * 10, [0, 1] * 5).value == 0.0


def test_full_disagreement_stays_inside_its_range():
    kappa = cohen_kappa([0, 1] * 3, [1, 0] * 3)
    assert kappa.value == -1.0
    assert -1 <= kappa.interval.low <= kappa.interval.high <= 1


@pytest.mark.parametrize(
    "first, second",
    [
        ([0], [1]),
        ([0] * 9 + [1], [0] * 10),
        ([0, 1], [1, 0]),
        ([0] * 90 + [1] * 10, [0] * 100),
        ([0, 1], [0, 1]),
    ],
)
def test_few_pictures_or_one_answer_throughout_leave_kappa_open(first, second):
    # Fleiss's needs two pictures.
    twice = 2 if len(first) == 1 else 1
    for kappa in (cohen_kappa(first, second), fleiss_kappa(np.array([first * twice, second * twice]).T)):
        assert kappa.value is not None
        assert kappa.interval.high - kappa.interval.low > 0.25
        assert -1 <= kappa.interval.low <= kappa.value <= kappa.interval.high <= 1


@pytest.mark.parametrize("n", [6, 40])
@pytest.mark.parametrize("right", [0.97, 0.999, 1.0])
@pytest.mark.parametrize("kappa_of", [cohen_kappa, lambda *sides: fleiss_kappa(np.stack(sides, 1))])
def test_kappa_near_full_agreement_is_covered(n, right, kappa_of):
    # Two readers of two classes as 7 : 3, each right with the same chance.
    read = np.array([[right, 1 - right], [1 - right, right]])
    joint = (read * [[0.7], [0.3]]).T @ read
    chance = (joint.sum(axis=0) ** 2).sum()
    truth = (joint.trace() - chance) / (1 - chance)
    cells = generator(0, "kappa", n).choice(4, size=(60, n), p=joint.ravel())
    held = [not kappa_of(row // 2, row % 2).interval.excludes(truth) for row in cells]
    assert np.mean(held) >= 0.93


def test_the_json_form_is_plain():
    assert json.loads(json.dumps(as_json(cohen_kappa([0, 1, 1], [0, 1, 0]))))["n"] == 3


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: cohen_kappa([0, 1], [0]), "same pictures"),
        (lambda: cohen_kappa([], []), "N at least 1"),
        (lambda: cohen_kappa([0, 1], ["a", "b"]), "one kind"),
        (lambda: fleiss_kappa([[0.0, np.nan], [1.0, 1.0]]), "did not answer"),
        (lambda: fleiss_kappa([[0], [1]]), "2 raters"),
    ],
)
def test_answers_that_do_not_fit_are_refused(call, message):
    with pytest.raises(DataError, match=message):
        call()
