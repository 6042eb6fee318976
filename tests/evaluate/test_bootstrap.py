from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn import metrics as sk

from lightfast.base.errors import SettingsError
from lightfast.base.randomness import generator
from lightfast.evaluate import bootstrap
from lightfast.evaluate.bootstrap import percentiles, resample
from lightfast.evaluate.metrics import score


def drawn_rows(n, resamples, seed):
    """The rows that stand behind the counts of a resample."""
    rng = generator(seed, "pictures drawn again", n)
    return [rng.integers(n, size=n) for _ in range(resamples)]


@pytest.mark.parametrize("coarse", [False, True])
def test_every_resample_scores_as_sklearn_does_on_the_pictures_drawn(make_predictions, coarse):
    models = [make_predictions(150, 3, seed=seed) for seed in (1, 2)]
    if coarse:  # equal scores, which count half
        models = [
            dataclasses.replace(made, pred_probs=np.eye(3)[made.predicted_labels] * 0.4 + 0.2)
            for made in models
        ]
    result = resample(models, 20, seed=5)
    for m, made in enumerate(models):
        for r, rows in enumerate(drawn_rows(150, 20, 5)):
            taken = made.take(rows)
            theirs = np.mean([sk.roc_auc_score(taken.labels == k, taken.pred_probs[:, k]) for k in range(3)])
            assert result.auc[m, r] == pytest.approx(theirs)
            assert result.macro_f1[m, r] == pytest.approx(
                sk.f1_score(taken.labels, taken.predicted_labels, average="macro")
            )


def test_a_class_that_was_not_drawn_is_left_out_of_the_mean(make_predictions):
    made = make_predictions(6, 4)
    result = resample([made], 200, seed=0)
    rows = drawn_rows(6, 200, 0)
    assert any(len(set(made.labels[row])) < len(set(made.labels)) for row in rows)
    for r, row in enumerate(rows):
        taken = score(made.take(row))
        assert result.macro_f1[0, r] == pytest.approx(taken.macro_f1)
        assert result.auc[0, r] == pytest.approx(
            np.nan if taken.roc_auc is None else taken.roc_auc, nan_ok=True
        )


def test_the_size_of_a_block_changes_nothing(make_predictions, monkeypatch):
    models = [make_predictions(100, 4, seed=seed) for seed in (1, 2)]
    whole = resample(models, 50, seed=3)
    monkeypatch.setattr(bootstrap, "_BLOCK", 1)
    parts = resample(models, 50, seed=3)
    assert np.allclose(whole.macro_f1, parts.macro_f1)
    assert np.allclose(whole.auc, parts.auc)


def test_percentiles_leave_out_what_is_no_number_and_hold_the_measured_value():
    values = np.array([np.nan, *np.linspace(0, 1, 1001)])
    assert percentiles(values, 0.5) == pytest.approx((0.025, 0.975))
    assert percentiles(values, 1.0) == pytest.approx((0.025, 1.0))
    assert percentiles(np.array([np.nan]), 0.5) is None


def test_no_resamples_are_refused(make_predictions):
    with pytest.raises(SettingsError, match="at least 1"):
        resample([make_predictions()], 0, seed=0)
