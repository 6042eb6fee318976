from __future__ import annotations

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.base.randomness import generator
from lightfast.evaluate.tag_predictions import TagPredictions


def made() -> TagPredictions:
    """150 random predictions of 4 labels."""
    rng = generator(0, "tags")
    tags = rng.random((150, 4)) < 0.3
    ids = tuple(f"p/{row}" for row in range(150))
    return TagPredictions(
        rng.random((150, 4), np.float32), np.linspace(0.3, 0.6, 4), tuple("abcd"), ids, tags, "readings", 0
    )


def test_the_table_names_tags_the_most_probable_first():
    predictions = TagPredictions(
        np.array([[0.6, 0.9], [0.1, 0.2]], np.float32),
        [0.5, 0.5],
        ("dog", "cat"),
        ("x", "y"),
        np.array([[True, True], [False, True]]),
    )
    frame = predictions.to_frame()
    assert frame["tags"].tolist() == [["cat", "dog"], []]
    assert frame["given_tags"].tolist() == [["dog", "cat"], ["cat"]]
    assert frame["correct"].tolist() == [True, False]


@pytest.mark.parametrize("labelled", [True, False])
def test_a_file_gives_back_what_was_saved(tmp_path, labelled):
    before = made()
    before = (
        before
        if labelled
        else TagPredictions(before.pred_probs, before.thresholds, before.class_names, before.ids)
    )
    after = TagPredictions.load(before.save(tmp_path / "tags.parquet"))
    assert np.array_equal(before.pred_probs, after.pred_probs)
    assert np.array_equal(before.thresholds, after.thresholds)
    assert np.array_equal(before.predicted_tags, after.predicted_tags)
    assert (before.class_names, before.ids, before.name, before.seed) == (
        after.class_names,
        after.ids,
        after.name,
        after.seed,
    )
    assert np.array_equal(before.tags, after.tags) if labelled else after.tags is None


def test_other_files_are_refused(tmp_path, make_predictions):
    with pytest.raises(DataError, match="not one of tag predictions"):
        TagPredictions.load(make_predictions().save(tmp_path / "other.parquet"))
    (tmp_path / "text").write_text("no table")
    with pytest.raises(DataError, match="not a readable Parquet"):
        TagPredictions.load(tmp_path / "text")
    with pytest.raises(DataError, match="no such"):
        TagPredictions.load(tmp_path / "none")


@pytest.mark.parametrize(
    "change, said",
    [
        ({"pred_probs": np.full((2, 2), 1.5, np.float32)}, "row 0: expected numbers in 0..1"),
        ({"pred_probs": np.array([[0.5, 0.5], [np.nan, 0.5]], np.float32)}, "row 1"),
        ({"pred_probs": np.zeros((2, 3), np.float32)}, "one column a class name"),
        ({"thresholds": [0.5]}, "thresholds"),
        ({"thresholds": [np.nan, 0.5]}, "thresholds"),
        ({"ids": ("x",)}, "one a picture"),
        ({"tags": np.ones((2, 2), int)}, "tags: expected bool"),
    ],
)
def test_what_does_not_fit_is_refused(change, said):
    given = {
        "pred_probs": np.full((2, 2), 0.5, np.float32),
        "thresholds": [0.5, 0.5],
        "class_names": ("a", "b"),
        "ids": ("x", "y"),
    }
    with pytest.raises(DataError, match=said):
        TagPredictions(**(given | change))
