from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.randomness import generator
from lightfast.evaluate.compare import mcnemar
from lightfast.evaluate.compare_many import compare
from lightfast.evaluate.metrics import score
from lightfast.evaluate.predictions import Predictions
from lightfast.statistics.holm import holm


@pytest.fixture
def reader():
    """A model that misreads the pictures of a given row range, of 1,000 pictures of four classes."""

    def read(wrong, name: str) -> Predictions:
        labels = np.arange(1000) % 4
        answers = np.where(np.isin(np.arange(1000), list(wrong)), (labels + 1) % 4, labels)
        probs = np.eye(4, dtype=np.float32)[answers] * 0.6 + 0.1
        return Predictions(probs, tuple("abcd"), tuple(map(str, range(1000))), labels, name)

    return read


@pytest.mark.parametrize("count", [1, 2, 7, 190])
def test_holm_agrees_with_statsmodels(count):
    values = np.round(generator(0, "p", count).random(count) ** 3, 2)  # rounding makes equal ones
    assert holm(values) == pytest.approx(multipletests(values, method="holm")[1])


def test_holm_of_nothing_is_nothing_and_of_no_share_is_refused():
    assert holm([]).shape == (0,)
    with pytest.raises(DataError, match=r"0\.\.1"):
        holm([0.2, 1.2])


def test_each_pair_is_mcnemars_test_of_the_two(make_predictions):
    models = [make_predictions(seed=seed, name=f"m{seed}", sharpness=seed) for seed in (1, 2, 3)]
    result = compare(models, resamples=50)
    assert [pair.names for pair in result.pairs] == [("m1", "m2"), ("m1", "m3"), ("m2", "m3")]
    assert [pair.test for pair in result.pairs] == [
        mcnemar(models[a], models[b]) for a, b in ((0, 1), (0, 2), (1, 2))
    ]
    assert [pair.p_holm for pair in result.pairs] == pytest.approx(
        multipletests([p.test.p_value for p in result.pairs], method="holm")[1]
    )


def test_the_bootstrap_intervals_agree_with_a_plain_loop(make_predictions):
    first, second = make_predictions(seed=1, name="a"), make_predictions(seed=2, name="b", sharpness=1.5)
    pair = compare([first, second], seed=4, resamples=1500).pairs[0]

    def gap(one, other):
        return float(score(second.take(other)).roc_auc - score(first.take(one)).roc_auc)

    rows = np.arange(len(first))
    rng = generator(5, "loop")
    draws = [rng.integers(len(rows), size=len(rows)) for _ in range(300)]
    auc = np.quantile([gap(drawn, drawn) for drawn in draws], [0.025, 0.975])
    assert pair.auc_difference == pytest.approx(gap(rows, rows))
    assert pair.auc_interval == pytest.approx(auc, abs=0.015)
    assert pair.macro_f1_interval.low < pair.macro_f1_difference < pair.macro_f1_interval.high


def test_the_same_seed_gives_the_same_comparison(make_predictions):
    models = [make_predictions(seed=seed, name=f"m{seed}") for seed in (1, 2)]
    assert compare(models, 7, 100).as_json() == compare(models, 7, 100).as_json()
    assert (
        compare(models, 7, 100).pairs[0].macro_f1_interval
        != compare(models, 8, 100).pairs[0].macro_f1_interval
    )


def test_groups_are_the_largest_sets_that_no_pair_tells_apart(reader):
    # 20, 34 and 48 errors on other pictures each: neighbours are alike, the ends are not. 300 errors stand
    # alone.
    wrong = {"poor": range(300), "best": range(400, 420), "middle": range(500, 534), "low": range(600, 648)}
    models = [reader(rows, name) for name, rows in wrong.items()]
    result = compare(models, resamples=20)
    apart = {pair.names for pair in result.pairs if pair.told_apart}
    assert apart == {("poor", "best"), ("poor", "middle"), ("poor", "low"), ("best", "low")}
    assert result.groups == (("best", "middle"), ("middle", "low"), ("poor",))


def test_the_sentence_names_who_is_beaten_and_who_is_not(reader):
    models = [reader(range(300), "poor"), reader(range(400, 420), "best"), reader(range(500, 534), "middle")]
    sentence = compare(models, resamples=20).sentence()
    assert sentence.startswith(
        "On the same 1,000 pictures best is right most often (98.00 %). It is better than poor beyond what "
        "chance"
    )
    assert "No difference between best and middle is shown, which does not make them equal" in sentence
    assert sentence.count(". ") == 2


def test_the_sentence_of_two_alike_models_does_not_call_them_equal(reader):
    sentence = compare([reader(range(20), "one"), reader(range(30, 54), "other")], resamples=20).sentence()
    assert "no difference between one (98.00 %) and other (97.60 %) is shown (McNemar, p = 0.651)" in sentence
    assert "which does not make them equal: a difference of up to" in sentence


def test_the_sentence_of_two_models_apart_says_so(reader):
    assert (
        "other is right more often than one"
        in compare([reader(range(90), "one"), reader(range(30), "other")], resamples=20).sentence()
    )


def test_three_models_level_at_the_top_are_said_to_be_level(reader):
    sentence = compare(
        [reader(range(9), "a"), reader(range(9, 18), "b"), reader(range(18, 27), "c")], resamples=20
    ).sentence()
    assert "a is right most often (99.10 %, as often as b and c)" in sentence
    assert "No difference (McNemar, Holm-corrected over 3 pairs) between a and b or c is shown" in sentence


def test_equal_names_are_numbered_in_the_order_given(make_predictions):
    models = [
        make_predictions(seed=seed, name=name)
        for seed, name in enumerate(("cnn", "cnn (1)", "cnn", "forest"))
    ]
    result = compare(models, resamples=5)
    assert result.names == ("cnn (2)", "cnn (1)", "cnn (3)", "forest")
    assert tuple(one.name for one in result.evaluations) == result.names


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda made: made.take(range(100)), "expected 200, got 100"),
        (lambda made: made.take([*range(1, 200), 0]), "not of the same pictures in the same order: row 0"),
        (lambda made: dataclasses.replace(made, labels=(made.labels + 1) % 4), "different labels"),
        (lambda made: dataclasses.replace(made, class_names=tuple("wxyz")), "different class lists"),
        (lambda made: dataclasses.replace(made, labels=None), "no labels"),
    ],
)
def test_other_pictures_labels_and_classes_are_refused_by_name(make_predictions, change, message):
    models = [make_predictions(seed=seed, name=f"m{seed}") for seed in range(3)]
    with pytest.raises(DataError, match=rf"m2.*{message}"):
        compare([*models[:2], change(models[2])])


@pytest.mark.parametrize("count", [0, 1, 21])
def test_one_model_or_too_many_are_refused(make_predictions, count):
    with pytest.raises(SettingsError, match=f"comparison of {count} models: expected 2 to 20"):
        compare([make_predictions(10)] * count)


def test_pictures_of_one_class_have_no_auc_to_compare(make_predictions):
    made = [
        dataclasses.replace(make_predictions(seed=seed, name=f"m{seed}"), labels=np.zeros(200, np.int64))
        for seed in (1, 2)
    ]
    pair = compare(made, resamples=20).pairs[0]
    assert (pair.auc_difference, pair.auc_interval) == (None, None)
    assert pair.macro_f1_interval.low < pair.macro_f1_interval.high


def test_the_json_form_is_plain(make_predictions):
    models = [make_predictions(seed=seed, name=f"m{seed}") for seed in range(3)]
    record = json.loads(json.dumps(compare(models, resamples=20).as_json(), allow_nan=False))
    assert [row["name"] for row in record["evaluations"]] == record["names"] == ["m0", "m1", "m2"]
    assert (record["n"], record["seed"], record["resamples"], len(record["pairs"])) == (200, 0, 20, 3)
    assert all(len(pair["auc_interval"]) == len(pair["macro_f1_interval"]) == 2 for pair in record["pairs"])


@pytest.mark.parametrize("second", [(0, 1, 2, 0, 1), (1, 2, 0, 1, 2)])
def test_five_pictures_leave_every_difference_open(second):
    labels = np.array([0, 1, 2, 0, 1])

    def read(answers, name):
        probs = np.full((5, 3), 0.05, np.float32)
        probs[np.arange(5), list(answers)] = 0.9
        return Predictions(probs, tuple("abc"), tuple("12345"), labels, name)

    (pair,) = compare([read(labels, "one"), read(second, "two")]).pairs
    for value, (low, high) in (
        (pair.test.difference, pair.test.difference_interval),
        (pair.macro_f1_difference, pair.macro_f1_interval),
        (pair.auc_difference, pair.auc_interval),
    ):
        assert high - low > 0.2
        assert low <= value <= high
