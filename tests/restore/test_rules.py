"""The rules of a repair: no re-read without a shown gain, none that harms a kind, thresholds that hold on
fresh pictures.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from lightfast.base.randomness import generator
from lightfast.data.images import ImageSet
from lightfast.restore.pairs import DamageMix
from lightfast.restore.rules import (
    NEVER_KEPT,
    NEVER_SURE,
    UNKNOWN_MARGIN,
    Rehearsal,
    choose_margin,
    choose_review_threshold,
    rehearsed,
    review_thresholds,
)


def readings(right: np.ndarray, confidence: float = 0.9) -> np.ndarray:
    """Probabilities of two classes, label 0, read as `right` says."""
    sure = np.where(right, confidence, 1 - confidence)
    return np.stack([sure, 1 - sure], axis=1).astype(np.float32)


def rehearsal(first: np.ndarray, again: np.ndarray, true: np.ndarray | None = None) -> Rehearsal:
    """All called fog by the detector; the re-reads are the surer ones."""
    names = np.full(len(first), "fog")
    labels = np.zeros(len(first), dtype=np.int64)
    return Rehearsal(names, names if true is None else true, readings(first), readings(again, 0.99), labels)


def share(wrong: int, n: int) -> np.ndarray:
    return np.arange(n) >= wrong


def test_a_re_read_that_gains_is_kept():
    assert choose_margin(rehearsal(share(40, 300), share(5, 300))) < NEVER_KEPT


def test_a_gain_that_may_be_chance_leaves_the_first_reading():
    assert choose_margin(rehearsal(share(3, 300), share(2, 300))) == NEVER_KEPT


def test_a_gain_in_all_that_harms_one_kind_is_refused():
    first, again = share(40, 400), np.r_[share(0, 300), np.ones(60, bool), np.zeros(40, bool)]
    true = np.where(np.arange(400) < 300, "fog", "shear")
    assert choose_margin(rehearsal(first, again)) < NEVER_KEPT or again.sum() <= first.sum()
    assert choose_margin(rehearsal(first, again, true)) == NEVER_KEPT


def test_without_pictures_the_margin_is_that_of_unknown_damage():
    assert choose_margin(rehearsal(np.zeros(0, bool), np.zeros(0, bool))) == UNKNOWN_MARGIN


def test_the_review_threshold_is_the_lowest_whose_exact_bound_reaches_the_target():
    rng = np.random.default_rng(0)
    confidence = rng.random(3000)
    correct = rng.random(3000) < 0.8 + 0.2 * confidence
    threshold = choose_review_threshold(confidence, correct, 0.95)
    slow = []
    for cut in np.sort(confidence)[::10]:
        n, good = (confidence >= cut).sum(), correct[confidence >= cut].sum()
        if beta.ppf(0.05, good, n - good + 1) >= 0.95:
            slow.append(cut)
    # Every tenth cut is tried.
    assert 0 <= min(slow) - threshold <= 0.01


@pytest.mark.parametrize("n, expected", [(299, 0.0), (298, NEVER_SURE)])
def test_so_many_faultless_pictures_show_99_of_100(n: int, expected: float):
    assert choose_review_threshold(np.full(n, 0.9), np.ones(n, bool), 0.99) == expected


def test_a_threshold_holds_on_fresh_pictures_nineteen_times_in_twenty():
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        confidence = rng.random(1000)
        threshold = choose_review_threshold(confidence, rng.random(1000) < 0.9 + 0.1 * confidence, 0.97)
        # Of all confidences above the threshold this share is right in truth.
        held += threshold > 1 or 0.9 + 0.1 * (1 + threshold) / 2 >= 0.97
    assert held >= 0.9 * 200


def test_a_kind_that_hides_among_another_raises_its_threshold():
    true = np.where(np.arange(4000) < 3600, "fog", "shear")
    confidence = np.where(np.arange(4000) < 3600, 0.95, 0.9)
    right = np.where(np.arange(4000) < 3600, np.arange(4000) % 500 > 0, np.arange(4000) % 40 > 0)
    rows = rehearsal(right, right, true)
    assert choose_review_threshold(confidence, right, 0.99) == 0.0
    assert review_thresholds(confidence, right, rows, 0.99)[1]["fog"] == 0.95


def test_every_kind_is_rehearsed_on_each_picture_once(blobs: ImageSet):
    mix = DamageMix((("brightness", 5), ("stripe", 3), ("stripe", 1)))
    pictures, labels, true = rehearsed(blobs, mix, generator(0, "t"))
    assert np.unique(true, return_counts=True)[1].tolist() == [len(blobs)] * 3
    assert len(pictures) == len(labels) == len(true)
    clean = pictures[true == "clean"]
    assert sorted(one.tobytes() for one in clean) == sorted(one.tobytes() for one in blobs.images)
