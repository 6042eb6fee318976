from __future__ import annotations

import numpy as np
import pytest

from lightfast.base.errors import SettingsError
from lightfast.train.label_quality import confident_labels, label_issue_mask, label_quality, out_of_fold_probs


def test_a_row_is_doubted_where_another_class_is_confidently_more_probable():
    probs = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.1, 0.9], [0.85, 0.15], [0.6, 0.4]])
    labels = np.array([0, 0, 1, 1, 1, 1])
    # Mean self-confidence: class 0 (0.9 + 0.7) / 2 = 0.8; class 1 (0.8 + 0.9 + 0.15 + 0.4) / 4 = 0.5625.
    assert label_issue_mask(probs, labels).tolist() == [False, False, False, False, True, False]
    assert confident_labels(probs, labels).tolist() == [0, -1, 1, 1, 0, -1]


def test_a_class_without_rows_makes_nobody_doubt():
    assert not label_issue_mask(np.array([[0.25, 0.05, 0.7], [0.05, 0.25, 0.7]]), np.array([0, 1])).any()


def test_trust_is_the_given_label_beside_the_best_other():
    probs = np.array([[0.6, 0.3, 0.1], [0.2, 0.4, 0.4], [0.0, 1.0, 0.0]])
    assert label_quality(probs, np.array([0, 0, 0])) == pytest.approx([1.0, 0.5, 1e-3])


def test_every_row_is_read_once_by_a_model_that_did_not_see_it():
    labels = np.repeat([0, 1, 2], [50, 7, 3])
    seen = []

    def read(rest, fold):
        assert not set(rest) & set(fold)
        assert len(rest) + len(fold) == 60
        seen.append(np.bincount(labels[fold], minlength=3))
        return np.repeat(fold[:, None], 3, axis=1).astype(float)

    found = out_of_fold_probs(labels, 5, 0, read)
    assert np.array_equal(found[:, 0], np.arange(60))
    spread = np.array(seen)
    assert (spread.max(axis=0) - spread.min(axis=0) <= 1).all()


def test_one_fold_is_refused():
    with pytest.raises(SettingsError, match="at least 2"):
        out_of_fold_probs(np.zeros(4, int), 1, 0, lambda rest, fold: np.zeros((len(fold), 2)))


def test_a_picture_and_its_mirror_image_stand_in_one_fold():
    labels = np.tile(np.repeat([0, 1], 15), 2)
    groups = np.tile(np.arange(30), 2)

    def read(rest, fold):
        assert not set(groups[rest]) & set(groups[fold])
        return np.zeros((len(fold), 2))

    assert out_of_fold_probs(labels, 5, 0, read, groups).shape == (60, 2)
