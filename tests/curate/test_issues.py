"""find_label_issues: planted errors come first, are counted, explained; bad input is refused."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from lightfast.base.errors import DataError
from lightfast.curate.combine import _ordered
from lightfast.curate.evidence import checked_evidence
from lightfast.curate.issues import LabelIssues, find_label_issues

from .noisy import Noisy, noisy


@pytest.fixture(scope="module")
def planted() -> Noisy:
    return noisy(share=0.15)


@pytest.fixture(scope="module")
def issues(planted: Noisy) -> LabelIssues:
    return find_label_issues(planted.probs, planted.given, features=planted.features, class_names="abcd")


def test_features_rank_errors_of_which_the_probabilities_say_nothing(planted: Noisy):
    probs = planted.probs.copy()
    probs[::2] = 0.25
    found = find_label_issues(probs, planted.given, features=planted.features)
    alone = average_precision_score(planted.wrong, -found.scores["self_confidence"])
    assert average_precision_score(planted.wrong, -found.label_quality) > alone + 0.2


def test_the_cut_is_close_to_the_best_one(planted: Noisy, issues: LabelIssues):
    best = max(f1_score(planted.wrong, issues.label_quality <= cut) for cut in np.linspace(0, 1, 201))
    assert f1_score(planted.wrong, issues.is_issue) > 0.95 * best
    assert issues.is_issue.sum() == issues.cut.issues


def test_the_margin_decides_the_order_and_not_how_many(planted: Noisy, issues: LabelIssues):
    """Where the model takes a label for right because such errors are rare, the margin moves it forward."""
    evidence = checked_evidence(planted.probs, planted.given, features=planted.features)
    rows = np.argsort(planted.probs[np.arange(len(planted.given)), planted.given])[:2]
    chances = np.full(len(planted.given), 0.9)
    chances[rows[::-1]], chances[-1] = (0.5, 0.5001), 0.1
    found = _ordered(chances, evidence)
    assert np.sort(found).tolist() == np.sort(chances).tolist()
    margin = issues.scores["log_margin"]
    doubted = rows[np.argsort(margin[rows], kind="stable")]
    assert found[doubted[0]] <= found[doubted[1]]
    even = np.linspace(0.5, 0.5 + 1e-9, len(chances))
    assert (
        np.argsort(_ordered(even, evidence), kind="stable")[:5] == np.argsort(margin, kind="stable")[:5]
    ).all()


def test_the_suggestion_is_another_class_and_mostly_the_true_one(planted: Noisy, issues: LabelIssues):
    assert (issues.suggested_label != issues.given_label).all()
    assert (issues.suggested_label == planted.true)[planted.wrong].mean() > 0.9


def test_the_number_of_wrong_labels_lies_in_its_interval(planted: Noisy, issues: LabelIssues):
    assert issues.wrong.interval.low <= planted.wrong.sum() <= issues.wrong.interval.high
    assert sum(one.wrong for one in issues.wrong_by_class) == pytest.approx(issues.wrong.wrong)
    assert [one.n for one in issues.wrong_by_class] == np.bincount(planted.given).tolist()


def test_clean_labels_have_hardly_any_issue():
    clean = noisy(share=0.0, sharp=0.5)
    assert find_label_issues(clean.probs, clean.given).is_issue.mean() < 0.05


def test_errors_between_two_classes_are_found_with_features():
    planted = noisy(share=0.3, pair=True)
    found = find_label_issues(planted.probs, planted.given, features=planted.features)
    assert f1_score(planted.wrong, found.is_issue) > 0.9


def test_a_reason_names_both_labels_and_nothing_is_said_without_cause(issues: LabelIssues):
    worst, best = issues.worst_first()[[0, -1]]
    given, other = (issues.class_names[row[worst]] for row in (issues.given_label, issues.suggested_label))
    assert f"{given!r}" in issues.reason_of(worst)
    assert f"{other!r}" in issues.reason_of(worst)
    assert issues.reason[best] == f"nothing speaks against {issues.class_names[issues.given_label[best]]!r}"


def test_the_same_picture_under_two_labels_is_said():
    planted = noisy(200, share=0.0)
    features, given, probs = (
        np.concatenate([one, one[:1]]) for one in (planted.features, planted.given, planted.probs)
    )
    given[-1] = (given[0] + 1) % 4
    found = find_label_issues(probs, given, features=features)
    assert found.same_picture is not None
    assert found.same_picture[[0, -1]].tolist() == [200, 0]
    assert found.is_issue[-1]
    assert "the same picture is also labelled" in found.reason_of(200)


def test_constant_features_are_left_aside_and_that_is_said(planted: Noisy):
    found = find_label_issues(planted.probs, planted.given, features=np.ones((len(planted.given), 5)))
    assert "left aside" in found.notes[0]
    assert np.array_equal(found.label_quality, find_label_issues(planted.probs, planted.given).label_quality)


def test_classes_of_one_picture_and_none_are_judged_and_said():
    planted = noisy(200)
    probs = np.concatenate([planted.probs * 0.9, np.full((200, 2), 0.05)], axis=1).astype(np.float32)
    given = planted.given.copy()
    given[0] = 4
    found = find_label_issues(probs, given, features=planted.features)
    assert np.isfinite(found.label_quality).all()
    assert "1 or 2 pictures are hard to judge: 4 (1)" in found.notes[0]
    assert "without a picture: 5" in found.notes[1]


def test_two_pictures_are_enough():
    probs = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert len(find_label_issues(probs, [0, 1], features=np.eye(2)).label_quality) == 2


def test_repeats_and_margins_are_scores_of_their_own(planted: Noisy):
    repeats = np.stack([planted.probs, np.roll(planted.probs, 1, axis=1)])
    margins = np.where(planted.wrong, -0.5, 0.5)[:, None].repeat(3, axis=1)
    margins[0] = np.nan
    found = find_label_issues(planted.probs, planted.given, repeats=repeats, margins=margins)
    assert {"agreement", "epoch_margin"} <= set(found.scores)
    assert np.isnan(found.scores["epoch_margin"][0])
    assert found.scores["epoch_margin"][1] in (0.25, 0.75)


def changed(array: np.ndarray, value: float) -> np.ndarray:
    copy = np.array(array, dtype=np.float64)
    copy[3, 1] = value
    return copy


BAD = {
    "NaN": (lambda one: {"pred_probs": changed(one.probs, np.nan)}, "`pred_probs` of row 3.*NaN"),
    "sum": (lambda one: {"pred_probs": changed(one.probs, 3.0)}, "`pred_probs` of row 3.*sum to 1"),
    "negative": (lambda one: {"pred_probs": changed(one.probs, -0.5)}, "`pred_probs` of row 3"),
    "label": (lambda one: {"labels": one.given + 1}, r"label of row .*0\.\.3"),
    "lengths": (lambda one: {"labels": one.given[1:]}, "`labels`"),
    "features": (lambda one: {"features": changed(one.features, np.nan)}, "`features` of row 3.*NaN"),
    "feature rows": (lambda one: {"features": one.features[1:]}, "`features`"),
    "repeats": (lambda one: {"repeats": one.probs}, "`repeats`"),
    "margins": (lambda one: {"margins": np.full((600, 2), 7.0)}, "`margins`"),
    "names": (lambda one: {"class_names": "abc"}, "`class_names`"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_by_name(planted: Noisy, name: str):
    make, said = BAD[name]
    given = {"pred_probs": planted.probs, "labels": planted.given} | make(planted)
    with pytest.raises(DataError, match=said):
        find_label_issues(given.pop("pred_probs"), given.pop("labels"), **given)
