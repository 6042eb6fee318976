from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from sklearn import metrics as sk

from lightfast.base.errors import DataError
from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.evaluate import tags as module
from lightfast.evaluate.tag_predictions import TagPredictions
from lightfast.evaluate.tags import label_scores, score_tags, tag_curves
from lightfast.statistics.intervals import wilson


def made(n: int = 150, classes: int = 4, seed: int = 0, digits: int = 6) -> TagPredictions:
    """Random predictions; few `digits` make equal scores."""
    rng = generator(seed, "tags")
    tags = rng.random((n, classes)) < np.linspace(0.1, 0.5, classes)
    probs = (1 / (1 + np.exp(-rng.normal(size=(n, classes)) - 2 * tags + 1))).round(digits).astype(np.float32)
    thresholds = np.linspace(0.3, 0.6, classes)
    return TagPredictions(
        probs,
        thresholds,
        tuple("abcdefgh"[:classes]),
        tuple(f"p/{row}" for row in range(n)),
        tags,
        "readings",
        seed,
    )


def test_figures_are_those_of_sklearn():
    predictions = made()
    result, tags, given = score_tags(predictions), predictions.tags, predictions.predicted_tags
    for average, key in (("macro", "macro_f1"), ("micro", "micro_f1")):
        assert getattr(result, key) == pytest.approx(sk.f1_score(tags, given, average=average))
    assert result.micro_precision == pytest.approx(sk.precision_score(tags, given, average="micro"))
    assert result.micro_recall == pytest.approx(sk.recall_score(tags, given, average="micro"))
    assert result.mean_average_precision == pytest.approx(
        sk.average_precision_score(tags, predictions.pred_probs, average="macro")
    )
    assert result.exact_match == pytest.approx(sk.accuracy_score(tags, given))
    each = sk.precision_recall_fscore_support(tags, given)
    for row, (precision, recall, f1, support) in zip(result.per_label, zip(*each, strict=True), strict=True):
        assert (row.precision, row.recall, row.f1, row.positives) == pytest.approx(
            (precision, recall, f1, support)
        )


def test_intervals_of_shares_are_wilsons():
    predictions = made()
    result = score_tags(predictions)
    row, right = result.per_label[1], int((predictions.tags & predictions.predicted_tags)[:, 1].sum())
    assert row.precision_interval == wilson(right, row.given)
    assert row.recall_interval == wilson(right, row.positives)
    assert result.exact_match_interval == wilson(round(result.exact_match * 150), 150)


@pytest.mark.parametrize("digits", [6, 1])
def test_every_resample_scores_as_sklearn_does_on_the_pictures_drawn(digits):
    predictions = made(80, 3, digits=digits)
    drawn = module._resampled(predictions, 12)
    rng = generator(0, "tags drawn again", 80)
    for r in range(12):
        rows = rng.integers(80, size=80)
        taken = dataclasses.replace(
            predictions, pred_probs=predictions.pred_probs[rows], tags=predictions.tags[rows]
        )
        areas = [sk.average_precision_score(taken.tags[:, k], taken.pred_probs[:, k]) for k in range(3)]
        assert drawn["mean_average_precision"][0, r] == pytest.approx(np.mean(areas), abs=1e-5)
        assert drawn["macro_f1"][0, r] == pytest.approx(
            sk.f1_score(taken.tags, taken.predicted_tags, average="macro"), abs=1e-6
        )
        assert drawn["micro_recall"][0, r] == pytest.approx(
            sk.recall_score(taken.tags, taken.predicted_tags, average="micro"), abs=1e-6
        )


def test_the_bootstrap_interval_holds_the_truth_about_as_often_as_it_says():
    truth = score_tags(made(4000, 2, seed=99))
    held = [
        [
            low <= value <= high
            for (low, high), value in (
                (result.macro_f1_interval, truth.macro_f1),
                (result.mean_average_precision_interval, truth.mean_average_precision),
            )
        ]
        for result in (score_tags(made(100, 2, seed=seed)) for seed in range(40))
    ]
    assert (np.mean(held, axis=0) >= 0.85).all()


def test_a_label_that_nothing_carries_says_nothing():
    predictions = made()
    tags = predictions.tags.copy()
    tags[:, 0] = False
    tags[:, 1] = True
    result = score_tags(
        TagPredictions(
            predictions.pred_probs, [2.0, 0.5, 0.5, 0.5], predictions.class_names, predictions.ids, tags
        )
    )
    nothing, everything = result.per_label[:2]
    assert (nothing.precision, nothing.recall, nothing.f1, nothing.average_precision) == (
        None,
        None,
        None,
        None,
    )
    assert nothing.f1_interval == (0.0, 1.0)
    assert everything.average_precision is None
    assert [curve.class_name for curve in tag_curves(predictions)[0]] == list("abcd")
    assert result.label_coverage == 1.0
    assert result.mean_average_precision == pytest.approx(
        np.mean([row.average_precision for row in result.per_label[2:]])
    )


def test_no_tags_at_all_can_still_be_scored():
    blank = TagPredictions(
        np.full((5, 2), 0.1, np.float32), [0.5, 0.5], ("a", "b"), tuple("12345"), np.zeros((5, 2), bool)
    )
    result = score_tags(blank)
    assert (result.exact_match, result.tagged, result.mean_average_precision, result.macro_f1) == (
        1.0,
        0.0,
        None,
        0.0,
    )
    json.dumps(as_json(result), allow_nan=False)


def test_the_json_is_plain():
    content = json.loads(json.dumps(as_json(score_tags(made())), allow_nan=False))
    assert len(content["macro_f1_interval"]) == 2
    assert len(content["per_label"][0]["precision_interval"]) == 2


def test_unlabelled_predictions_cannot_be_scored():
    with pytest.raises(DataError, match="no tags"):
        label_scores(TagPredictions(np.zeros((1, 1), np.float32), [0.5], ("a",), ("x",)))


@pytest.mark.parametrize("right", [True, False])
def test_three_pictures_do_not_make_any_mean_certain(right):
    tags = np.array([[True, False], [False, True], [True, True]])
    probs = np.where(tags == right, 0.9, 0.1).astype(np.float32)
    result = score_tags(TagPredictions(probs, [0.5, 0.5], ("a", "b"), tuple("123"), tags))
    for name in ("macro_f1", "micro_precision", "micro_recall", "micro_f1", "mean_average_precision"):
        low, high = getattr(result, f"{name}_interval")
        assert high - low > 0.2
        assert low <= getattr(result, name) <= high
