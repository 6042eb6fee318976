from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.evaluate.predictions import Predictions, require_same_classes

PROBS = np.array([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]], dtype=np.float32)


def predictions(probs=PROBS, **changes):
    return Predictions(
        **{
            "pred_probs": probs,
            "class_names": ("cat", "dog"),
            "ids": ("a", "b", "c"),
            "labels": [1, 0, 1],
            **changes,
        }
    )


def test_the_predicted_label_is_the_most_probable_class_and_the_first_of_equals():
    made = predictions()
    assert made.predicted_labels.tolist() == [1, 0, 0]
    assert made.confidence == pytest.approx([0.8, 0.5, 0.9])
    assert made.correct.tolist() == [True, True, False]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"probs": np.array([[np.nan, 1.0]] * 3)}, "row 0: expected finite numbers, got NaN"),
        ({"probs": PROBS * 2}, "row 0: .*sum to 1, got sum 2.*All rows sum to about 2: x / x"),
        ({"probs": np.array([[1.2, -0.2]] * 3)}, "smallest -0.2"),
        ({"probs": PROBS[:, :1]}, r"shape \(N, 2\).*float32 \(3, 1\)"),
        ({"ids": ("a",)}, r"ids: expected 3 \(one a picture\), got 1"),
        ({"labels": [0, 1, 2]}, r"label 2: expected 0\.\.1"),
        ({"labels": [0.0, 1.0, 1.0]}, "whole numbers"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(DataError, match=message):
        predictions(**changes)


def test_half_precision_rows_pass():
    probs = np.array([[0.3335, 0.333, 0.332]], dtype=np.float16)
    assert Predictions(probs, ("a", "b", "c"), ("x",)).pred_probs.dtype == np.float32


def test_without_labels_nothing_is_correct_or_wrong():
    with pytest.raises(DataError, match="no labels"):
        _ = predictions(labels=None).correct


def test_take_keeps_rows_together():
    taken = predictions().take([2, 0], name="two")
    assert (taken.ids, taken.labels.tolist(), taken.name) == (("c", "a"), [1, 1], "two")
    assert np.array_equal(taken.pred_probs, PROBS[[2, 0]])


def test_the_frame_has_the_top_guesses_in_order(make_predictions):
    made = make_predictions(n=20, classes=4)
    frame = made.to_frame(top=3)
    names = np.array(made.class_names)
    for row, probs in enumerate(made.pred_probs):
        best = sorted(range(4), key=lambda k, probs=probs: -probs[k])
        assert frame.loc[row, ["predicted_label", "label_2", "label_3"]].tolist() == names[best[:3]].tolist()
        assert frame.loc[row, "prob_3"] == probs[best[2]]


@pytest.mark.parametrize("labelled", [True, False])
def test_a_saved_file_loads_back_bit_for_bit(tmp_path, make_predictions, labelled):
    made = make_predictions(n=50, seed=3)
    made = made if labelled else dataclasses.replace(made, labels=None)
    loaded = Predictions.load(made.save(tmp_path / "new" / "predictions.parquet"))
    assert np.array_equal(loaded.pred_probs, made.pred_probs)
    assert np.array_equal(loaded.labels, made.labels) if labelled else loaded.labels is None
    assert (loaded.ids, loaded.class_names, loaded.name, loaded.seed) == (
        made.ids,
        made.class_names,
        made.name,
        made.seed,
    )


def test_no_pictures_can_be_saved_and_loaded(tmp_path):
    empty = Predictions(np.zeros((0, 2), np.float32), ("a", "b"), (), np.zeros(0, np.int64))
    assert len(Predictions.load(empty.save(tmp_path / "empty.parquet"))) == 0


def test_a_missing_a_damaged_and_a_foreign_file_are_named(tmp_path):
    damaged, foreign = tmp_path / "damaged.parquet", tmp_path / "foreign.parquet"
    damaged.write_bytes(b"PAR1 but not really")
    predictions().to_frame().to_parquet(foreign)
    for path, message in (
        (tmp_path / "none", "no such"),
        (damaged, "not a readable Parquet"),
        (foreign, "not one of predictions"),
    ):
        with pytest.raises(DataError, match=message) as caught:
            Predictions.load(path)
        assert str(path) in str(caught.value)


def test_other_class_lists_are_refused_by_both_names():
    first, second = predictions(name="first"), predictions(class_names=("cat", "fox"), name="second")
    with pytest.raises(DataError, match=r"first and second .*cat, dog.*cat, fox"):
        require_same_classes(first, second)
