from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from sklearn import metrics as sk

from lightfast.base.errors import DataError
from lightfast.base.randomness import generator
from lightfast.evaluate.macro import MACRO_MEANS, _edges, macro_bounds, macro_f1_bounds, with_picture
from lightfast.evaluate.metrics import class_scores, confusion_matrix, mce, one_vs_rest_auc, score
from lightfast.evaluate.predictions import Predictions
from lightfast.statistics.intervals import wilson


@pytest.fixture(params=[(200, 4, 0.5), (50, 10, 2.0), (7, 2, 0.0)])
def made(request, make_predictions):
    n, classes, sharpness = request.param
    return make_predictions(n, classes, sharpness=sharpness)


def test_accuracy_and_confusion_agree_with_sklearn(made):
    result = score(made)
    assert result.accuracy == pytest.approx(sk.accuracy_score(made.labels, made.predicted_labels))
    labels = range(made.num_classes)
    assert np.array_equal(
        result.confusion, sk.confusion_matrix(made.labels, made.predicted_labels, labels=labels)
    )


def test_macro_scores_agree_with_sklearn(made):
    result = score(made)
    theirs = sk.precision_recall_fscore_support(
        made.labels, made.predicted_labels, average="macro", zero_division=0
    )
    assert (result.macro_precision, result.macro_recall, result.macro_f1) == pytest.approx(theirs[:3])


def test_class_scores_agree_with_sklearn(made):
    labels = range(made.num_classes)
    theirs = np.transpose(
        sk.precision_recall_fscore_support(made.labels, made.predicted_labels, labels=labels, zero_division=0)
    )
    ours = [(row.precision, row.recall, row.f1, row.support) for row in score(made).per_class]
    assert np.allclose(ours, theirs)


def test_top_k_agrees_with_sklearn(made):
    for k, (value, interval) in score(made, top_k=(1, 2, 3)).top_k.items():
        own = made.pred_probs[np.arange(len(made)), made.labels]
        hits = sum(int((probs > p).sum()) < k for probs, p in zip(made.pred_probs, own, strict=True))
        assert value == hits / len(made)
        assert interval == wilson(hits, len(made))
        if made.num_classes > 2:
            assert value == pytest.approx(
                sk.top_k_accuracy_score(made.labels, made.pred_probs, k=k, labels=range(made.num_classes))
            )


def test_top_1_is_the_accuracy_even_with_equal_probabilities():
    even = Predictions(np.full((4, 4), 0.25, np.float32), tuple("abcd"), tuple("wxyz"), np.arange(4))
    result = score(even)
    assert result.top_k[1][0] == result.accuracy == 0.25
    assert result.top_k[3][0] == 0.75


def test_a_top_k_that_every_guess_passes_is_left_out(make_predictions):
    assert list(score(make_predictions(classes=3), top_k=(1, 2, 3, 5)).top_k) == [1, 2]


def test_classes_that_never_occur_do_not_pull_the_macro_score_down():
    perfect = Predictions(
        np.eye(5, dtype=np.float32)[[0, 1, 1]], tuple("abcde"), tuple("xyz"), np.array([0, 1, 1])
    )
    assert score(perfect).macro_f1 == 1.0


def test_the_json_form_is_plain_and_has_the_shared_keys(make_predictions):
    record = json.loads(json.dumps(score(make_predictions()).as_json(), allow_nan=False))
    assert {"accuracy", "accuracy_interval", "macro_f1", "n", "per_class", "seed", "confusion", "ece"} <= set(
        record
    )
    assert record["accuracy_interval"] == list(wilson(round(record["accuracy"] * 200), 200))


def test_no_labels_and_no_pictures_are_refused(make_predictions):
    made = make_predictions()
    with pytest.raises(DataError, match="model has no labels"):
        score(dataclasses.replace(made, labels=None))
    with pytest.raises(DataError, match="no pictures"):
        score(made.take([]))


def test_confusion_rows_are_given_labels():
    assert confusion_matrix([0, 0, 1], [1, 1, 1], 2).tolist() == [[0, 2], [0, 1]]


def test_mce_of_the_baseline_is_1():
    errors = {"fog": [0.1, 0.2], "snow": [0.3, 0.5]}
    assert mce(errors, errors) == 1.0


def test_mce_agrees_with_a_loop():
    model, baseline = (
        {"fog": [0.1, 0.2, 0.6], "snow": [0.0, 0.1, 0.1]},
        {"snow": [0.2, 0.2, 0.4], "fog": [0.5, 0.6, 0.7]},
    )
    ratios = []
    for name, rates in model.items():
        above, below = 0.0, 0.0
        for mine, theirs in zip(rates, baseline[name], strict=True):
            above, below = above + mine, below + theirs
        ratios.append(above / below)
    assert mce(model, baseline) == pytest.approx(sum(ratios) / 2)


@pytest.mark.parametrize(
    "baseline, message",
    [({"snow": [0.1]}, "fog, snow"), ({"fog": [0.1, 0.2]}, "1 and 2"), ({"fog": [0.0]}, "one error")],
)
def test_mce_refuses_a_baseline_that_does_not_fit(baseline, message):
    with pytest.raises(DataError, match=message):
        mce({"fog": [0.1]}, baseline)


def test_the_intervals_of_a_class_are_those_of_its_counts():
    (first, _) = class_scores(np.array([[40, 10], [5, 45]]), "ab")
    assert first.precision_interval == wilson(40, 45)
    assert first.recall_interval == wilson(40, 50)
    assert first.f1_interval == pytest.approx([2 * j / (1 + j) for j in wilson(40, 55)])
    assert first.f1_interval.low < first.f1 < first.f1_interval.high


def test_a_class_without_pictures_may_score_anything():
    absent = class_scores(np.array([[8, 2, 0], [1, 9, 0], [0, 0, 0]]), "abc")[2]
    assert absent.precision_interval == absent.recall_interval == absent.f1_interval == (0.0, 1.0)


def test_a_class_that_is_only_guessed_has_no_known_f1():
    guessed = class_scores(np.array([[5, 5], [0, 0]]), "ab")[1]
    assert guessed.recall_interval == guessed.f1_interval == (0.0, 1.0)
    assert guessed.precision_interval == wilson(0, 5)


@pytest.mark.parametrize("n, classes, sharpness", [(400, 4, 1.5), (4000, 40, 0.5)])
def test_the_interval_of_macro_f1_is_that_of_pictures_drawn_again(n, classes, sharpness):
    rng = generator(0, "drawn again", n)
    labels = rng.integers(classes, size=n)
    predicted = np.where(rng.random(n) < sharpness / 3, labels, rng.integers(classes, size=n))
    rows = (rng.integers(n, size=n) for _ in range(400))
    drawn = [
        sk.f1_score(labels[row], predicted[row], average="macro", labels=range(classes), zero_division=0)
        for row in rows
    ]
    assert macro_f1_bounds(confusion_matrix(labels, predicted, classes)) == pytest.approx(
        np.quantile(drawn, [0.025, 0.975]), abs=0.01
    )


def test_no_error_does_not_make_macro_f1_certain():
    low, high = macro_f1_bounds(np.diag([20, 30]))
    # Clopper and Pearson's low end of accuracy, less what errors in the smaller class cost more.
    assert high == 1.0
    assert 0.90 < low < 0.025 ** (1 / 50)


@pytest.mark.parametrize(
    "confusion", [np.diag([1, 0]), np.array([[0, 1], [0, 0]]), np.array([[0, 3], [2, 0]]), np.diag([1, 1])]
)
def test_few_pictures_leave_every_macro_measure_open(confusion):
    value = {name: float(mean(*counts(confusion))) for name, mean in MACRO_MEANS.items()}
    for name, (low, high) in macro_bounds(confusion, MACRO_MEANS).items():
        assert high - low > 0.3
        assert low <= value[name] <= high


def test_one_more_picture_is_put_where_it_changes_most():
    confusion = np.array([[50, 1, 0], [0, 30, 2], [1, 0, 3]])
    every = [(one, other) for one in range(3) for other in range(3)]
    for mean in MACRO_MEANS.values():
        after = {pair: float(mean(*with_picture(counts(confusion), *pair))) for pair in every}
        misread, helped = _edges(mean, counts(confusion))
        assert after[misread] == min(after[pair] for pair in every if pair[0] != pair[1])
        assert after[helped, helped] == max(after.values())


def counts(confusion):
    return confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)


def test_the_area_agrees_with_sklearn_also_where_scores_are_equal(made):
    coarse = np.round(made.pred_probs, 1)
    for probs in (made.pred_probs, coarse):
        theirs = [
            sk.roc_auc_score(made.labels == k, probs[:, k])
            for k in range(made.num_classes)
            if (made.labels == k).any()
        ]
        ours = one_vs_rest_auc(probs, made.labels)
        assert ours[~np.isnan(ours)] == pytest.approx(theirs)
    assert score(made).roc_auc == pytest.approx(np.nanmean(one_vs_rest_auc(made.pred_probs, made.labels)))


def test_one_kind_of_picture_has_no_area(make_predictions):
    made = make_predictions(30)
    assert score(dataclasses.replace(made, labels=np.zeros(30, np.int64))).roc_auc is None


def test_the_json_form_carries_every_interval_as_a_list_of_two(make_predictions):
    record = score(make_predictions()).as_json()
    names = ("precision_interval", "recall_interval", "f1_interval")
    found = [record["macro_f1_interval"], *(row[name] for row in record["per_class"] for name in names)]
    assert all(type(pair) is list and len(pair) == 2 and 0 <= pair[0] <= pair[1] <= 1 for pair in found)
