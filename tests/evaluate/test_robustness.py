"""`robustness` against a plain loop over corruptions, pictures and severities."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from lightfast.base.errors import DataError, UnknownName
from lightfast.corrupt.suite import SUITES, corrupt
from lightfast.data.images import ImageSet, sample
from lightfast.evaluate.robustness import Robustness, robustness, robustness_of_many


def brightest_third(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Reads the blobs without any training: the share of light in each third of the picture."""
    sums = images.astype(float).sum(axis=(1, 3)).reshape(len(images), 3, -1).sum(axis=2) + 1.0
    return sums / sums.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def result(blobs: ImageSet) -> Robustness:
    return robustness(brightest_third, blobs, "mnist-c", severities=(1, 4), seed=3)


def test_each_cell_is_the_accuracy_on_pictures_damaged_one_kind_at_a_time(blobs, result):
    assert len(result.rows) == 30
    for row in result.rows[::7]:
        damaged = corrupt(blobs, row.corruption, row.severity, seed=3)
        right = [
            brightest_third(image[None]).argmax() == label
            for image, label in zip(damaged.images, blobs.labels, strict=True)
        ]
        assert row.accuracy == pytest.approx(sum(right) / 120)
        assert row.interval.low <= row.accuracy <= row.interval.high


def test_the_robust_accuracy_counts_each_corruption_once(result):
    means = [
        np.mean([row.accuracy for row in result.rows if row.corruption == name])
        for name, _, _ in SUITES.get("mnist-c").entries
    ]
    assert result.robust_accuracy == pytest.approx(np.mean(means))
    assert result.robust_interval.low < result.robust_accuracy < result.robust_interval.high


def test_five_pictures_read_rightly_do_not_make_the_mean_certain(blobs):
    few = blobs.take(np.arange(5))
    perfect = robustness(lambda _: np.eye(3)[few.require_labels()], few, "mnist-c")
    assert perfect.robust_accuracy == 1.0
    assert perfect.robust_interval.high == 1.0
    assert perfect.robust_interval.low == pytest.approx(0.025 ** (1 / 5), abs=0.03)


def test_without_severities_the_suite_s_own_are_taken(blobs):
    rows = robustness(brightest_third, blobs, "mnist-c").rows
    assert [(row.corruption, (row.severity,)) for row in rows] == [
        (name, own) for name, own, _ in SUITES.get("mnist-c").entries
    ]


def test_two_readings_at_once_are_those_taken_one_by_one(blobs, result):
    both = robustness_of_many(
        lambda images: {"plain": brightest_third(images), "flipped": brightest_third(255 - images)},
        blobs,
        "mnist-c",
        severities=(1, 4),
        seed=3,
    )
    assert both["plain"].as_json() == result.as_json()
    assert both["flipped"].robust_accuracy < both["plain"].robust_accuracy


def test_without_a_baseline_there_is_no_mce_and_it_is_said(result):
    told = result.as_json()
    assert (told["mce"], told["baseline"]) == (None, "no baseline")
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_mce_is_the_mean_ratio_of_errors_summed_over_severities(result):
    baseline = {name: [0.5, 0.75] for name in result.corruption_means}
    expected = np.mean([sum(errors) / 1.25 for errors in result.errors.values()])
    named = result.against(baseline, "half wrong")
    assert (named.mce, named.baseline) == (pytest.approx(expected), "half wrong")


def test_another_result_serves_as_a_baseline(blobs, result):
    worse = robustness(
        lambda images: np.roll(brightest_third(images), 1, axis=1),
        blobs,
        "mnist-c",
        severities=(1, 4),
        seed=3,
    )
    assert worse.against(worse, "itself").mce == pytest.approx(1)
    assert (result.against(worse, "worse").mce or 0) < 1


def test_progress_is_told_after_each_corruption(blobs):
    told: list[tuple[int, int]] = []
    robustness(
        brightest_third,
        blobs,
        "mnist-c",
        report=lambda label, done, total, detail="": told.append((done, total)),
    )
    assert told == [(done, 15) for done in range(1, 16)]


def test_an_unknown_suite_is_refused_with_the_closest_names(blobs):
    with pytest.raises(UnknownName, match="mnist-c"):
        robustness(brightest_third, blobs, "mnist_c")


def test_a_reader_that_answers_in_another_shape_is_refused(blobs):
    with pytest.raises(DataError, match="120, classes"):
        robustness(lambda images: np.ones((3, 3)), blobs, "mnist-c")


def test_a_sample_is_drawn_by_seed_without_repeats_and_in_order(blobs):
    chosen = sample(blobs, 30, seed=1)
    places = [blobs.ids.index(one) for one in chosen.ids]
    assert len(set(places)) == 30
    assert places == sorted(places)
    assert sample(blobs, 30, seed=2).ids != chosen.ids
    assert sample(blobs, None) is blobs
