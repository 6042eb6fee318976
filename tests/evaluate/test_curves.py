from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from scipy.stats import norm
from sklearn import metrics as sk

from lightfast.base.errors import DataError
from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.evaluate.curves import auc_interval, macro_area, pr_curves, roc_curves
from lightfast.evaluate.metrics import score


def test_areas_agree_with_sklearn(make_predictions):
    made = make_predictions(300, 4)
    for k, (roc, pr) in enumerate(zip(roc_curves(made), pr_curves(made), strict=True)):
        own = made.labels == k
        assert roc.area == pytest.approx(sk.roc_auc_score(own, made.pred_probs[:, k]))
        assert pr.area == pytest.approx(sk.average_precision_score(own, made.pred_probs[:, k]))
        assert (roc.class_name, roc.positives, roc.negatives) == ("abcd"[k], own.sum(), (~own).sum())


def test_the_macro_area_is_the_score_of_the_evaluation(make_predictions):
    made = make_predictions(300, 4)
    assert macro_area(roc_curves(made)) == pytest.approx(score(made).roc_auc)
    assert macro_area(()) is None


@pytest.mark.parametrize("sharpness", [0.2, 1.0, 4.0])
def test_thinned_curves_keep_their_area(make_predictions, sharpness):
    made = make_predictions(20_000, 10, sharpness=sharpness)
    for k, (roc, pr) in enumerate(zip(roc_curves(made), pr_curves(made), strict=True)):
        assert len(roc.x) <= 200
        assert len(pr.x) <= 200
        assert np.trapezoid(roc.y, roc.x) == pytest.approx(roc.area, abs=1e-3)
        precision, recall, _ = sk.precision_recall_curve(made.labels == k, made.pred_probs[:, k])
        assert np.trapezoid(pr.y, pr.x) == pytest.approx(sk.auc(recall, precision), abs=4e-3)


def test_curves_run_from_end_to_end(make_predictions):
    made = make_predictions(5000, 3)
    for roc, pr in zip(roc_curves(made), pr_curves(made), strict=True):
        assert (roc.x[0], roc.y[0], roc.x[-1], roc.y[-1]) == (0, 0, 1, 1)
        assert (pr.x[0], pr.y[0], pr.x[-1]) == (0, 1, 1)
        assert (np.diff(roc.x) >= 0).all()
        assert (np.diff(pr.x) >= 0).all()


def test_a_class_of_all_or_no_pictures_has_no_curve(make_predictions):
    made = make_predictions(60, 3)
    assert [curve.class_name for curve in roc_curves(made.take(np.flatnonzero(made.labels < 2)))] == [
        "a",
        "b",
    ]
    assert pr_curves(made.take(np.flatnonzero(made.labels == 1))) == ()


@pytest.mark.parametrize(
    "gap, m, n", [(0.0, 20, 80), (1.5, 20, 180), (1.5, 200, 200), (3.0, 15, 150), (2.0, 5, 50)]
)
def test_the_interval_of_the_area_covers_the_truth_at_least_95_times_in_100(gap, m, n):
    truth, rng, covered = norm.cdf(gap / np.sqrt(2)), generator(0, "areas", m, n), []
    for _ in range(1000):
        inside, outside = rng.normal(size=m) + gap, np.sort(rng.normal(size=n))
        low, high = auc_interval(np.searchsorted(outside, inside).mean() / n, m, n)
        covered.append(low <= truth <= high)
    # Three standard errors of 1,000 runs below 0.95; above it may be wider than needed near an area of 1, as
    # its docstring says.
    assert 0.929 < np.mean(covered) < 0.995


def test_the_interval_solves_its_equation():
    # Hanley and McNeil's error at each end, written out another way (Q1 = A / (2 - A), Q2 = 2 A² / (1 + A)),
    # with both counts halved.
    area, m, n = 0.83, 40, 90
    half = (m + n) / 2
    for end in auc_interval(area, m, n):
        q1, q2 = end / (2 - end), 2 * end**2 / (1 + end)
        variance = (end * (1 - end) + (half - 1) * (q1 - end**2) + (half - 1) * (q2 - end**2)) / (m * n)
        assert abs(area - end) / np.sqrt(variance) == pytest.approx(1.96, abs=1e-4)


def test_all_pairs_in_order_are_no_certainty():
    for n in (10, 100, 1000):
        low, high = auc_interval(1.0, n, n)
        assert 0.3 / n < 1 - low < 5 / n
        assert high == 1.0


def test_the_interval_turns_round_with_its_sides():
    for area in (0.0, 0.3, 0.5):
        low, high = auc_interval(area, 12, 40)
        assert auc_interval(1 - area, 40, 12) == pytest.approx((1 - high, 1 - low))


def test_the_json_form_is_plain(make_predictions):
    record = json.loads(
        json.dumps(as_json([*roc_curves(make_predictions()), *pr_curves(make_predictions())]))
    )
    assert all(curve["area_interval"][0] <= curve["area"] <= curve["area_interval"][1] for curve in record)


def test_one_kind_of_picture_and_no_labels_are_refused(make_predictions):
    with pytest.raises(DataError, match="5 and 0"):
        auc_interval(0.5, 5, 0)
    with pytest.raises(DataError, match="no labels"):
        roc_curves(dataclasses.replace(make_predictions(), labels=None))
