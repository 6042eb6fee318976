from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar

from lightfast.base.errors import DataError
from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.evaluate.compare import mcnemar
from lightfast.statistics.intervals import mcnemar_p_value


def readings(both, gained, lost, neither):
    before = np.repeat([True, False, True, False], [both, gained, lost, neither])
    after = np.repeat([True, True, False, False], [both, gained, lost, neither])
    return before, after


@pytest.mark.parametrize(
    "gained, lost", [(0, 0), (1, 0), (5, 1), (12, 12), (0, 24), (25, 0), (30, 28), (200, 120)]
)
def test_p_values_agree_with_statsmodels(gained, lost):
    exact = gained + lost < 25
    theirs = their_mcnemar([[50, gained], [lost, 7]], exact=exact, correction=True).pvalue
    result = mcnemar(*readings(50, gained, lost, 7))
    assert result.p_value == pytest.approx(min(1.0, theirs), rel=1e-9)
    assert ("exact" in result.method) == exact


def test_the_counts_and_shares_are_those_put_in():
    result = mcnemar(*readings(70, 20, 4, 6))
    assert (result.n, result.gained, result.lost) == (100, 20, 4)
    assert (result.before_accuracy, result.after_accuracy, result.difference) == pytest.approx(
        (0.74, 0.90, 0.16)
    )


@pytest.mark.parametrize("n, discordant", [(100, 0.1), (400, 0.05), (1500, 0.1)])
def test_two_equally_good_models_are_told_apart_at_most_5_times_in_100(n, discordant):
    changed = generator(0, "null", n).multinomial(
        n, [1 - discordant, discordant / 2, discordant / 2], size=20_000
    )
    false_positives = (mcnemar_p_value(changed[:, 1], changed[:, 2]) < 0.05).mean()
    assert 0.005 < false_positives <= 0.052


def test_a_true_gain_is_found():
    counts = generator(1, "power").multinomial(1500, [0.9, 0.08, 0.02], size=2000)
    assert (mcnemar_p_value(counts[:, 1], counts[:, 2]) < 0.05).mean() > 0.99


def test_predictions_give_the_same_test_as_their_correct_arrays(make_predictions):
    before, after = (
        make_predictions(seed=1, name="plain"),
        make_predictions(seed=2, sharpness=3.0, name="repaired"),
    )
    named = mcnemar(before, after)
    assert dataclasses.replace(named, before_name="before", after_name="after") == mcnemar(
        before.correct, after.correct
    )
    assert "repaired is right more often than plain" in named.sentence()


def test_other_pictures_are_refused_by_both_names(make_predictions):
    before, after = make_predictions(name="plain"), make_predictions(name="repaired")
    with pytest.raises(
        DataError, match=r"plain and repaired are not of the same pictures.*row 0.*picture/0.*picture/1"
    ):
        mcnemar(before, after.take([*range(1, 200), 0]))
    with pytest.raises(DataError, match="expected 200, got 50"):
        mcnemar(before, after.take(range(50)))


def test_other_labels_and_other_classes_are_refused(make_predictions):
    made = make_predictions()
    with pytest.raises(DataError, match="different labels"):
        mcnemar(made, dataclasses.replace(made, labels=(made.labels + 1) % 4))
    with pytest.raises(DataError, match="different class lists"):
        mcnemar(made, dataclasses.replace(made, class_names=tuple("wxyz")))


@pytest.mark.parametrize(
    "counts, words",
    [
        ((80, 15, 1, 4), "after is right more often than before, beyond"),
        ((80, 1, 15, 4), "before is right more often than after, beyond"),
        ((80, 3, 2, 15), "no difference between before and after is shown"),
        ((80, 0, 0, 20), "exactly the same ones"),
    ],
)
def test_the_sentence_says_what_may_be_concluded(counts, words):
    sentence = mcnemar(*readings(*counts)).sentence()
    assert words in sentence
    assert sentence.startswith("On the same 100 pictures")


def test_the_json_form_is_plain():
    record = json.loads(json.dumps(as_json(mcnemar(*readings(80, 15, 1, 4)))))
    assert record["difference_interval"][0] < record["difference"] < record["difference_interval"][1]
    assert record["significant"] is True


def test_nothing_to_compare_is_refused():
    with pytest.raises(DataError, match="N at least 1"):
        mcnemar([], [])
