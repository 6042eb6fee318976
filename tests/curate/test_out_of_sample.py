"""Probabilities of every picture by models that never saw it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lightfast.curate.out_of_sample import judged_rows, linear_out_of_sample, only_classes, possible_folds
from lightfast.data.images import ImageSet
from lightfast.experiments.crossval import FoldOptions

OPTIONS = FoldOptions(folds=4)


def clusters(counts: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, ImageSet]:
    """Features around one point a class, and pictures of random pixels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    features = 2.5 * np.eye(len(counts), 12)[labels] + 0.5 * rng.normal(size=(len(labels), 12))
    pixels = rng.integers(0, 256, (len(labels), 5, 5, 1)).astype(np.uint8)
    names = tuple("abcdefgh"[: len(counts)])
    return features.astype(np.float32), ImageSet(pixels, names, labels)


def test_a_wrong_label_is_read_as_what_it_is():
    features, images = clusters((20, 20, 20))
    wrong = images.relabel({0: "b"}, step={"verb": "test"})
    probs = linear_out_of_sample(features, wrong, OPTIONS, 0).pred_probs
    assert probs[0].argmax() == 0


def test_features_of_chance_tell_nothing():
    features, images = clusters((60, 60))
    noise = np.random.default_rng(1).normal(size=features.shape).astype(np.float32)
    found = linear_out_of_sample(noise, images, OPTIONS, 0)
    assert abs(found.validated.scores().mean() - 0.5) < 0.2
    assert found.pred_probs.max() < 0.95


def test_copies_stand_in_one_fold():
    # Each picture twice, its label drawn by chance: only a leak could read it.
    rng = np.random.default_rng(2)
    features = np.repeat(rng.normal(size=(60, 40)), 2, axis=0).astype(np.float32)
    pixels = np.repeat(rng.integers(0, 256, (60, 5, 5, 1)), 2, axis=0).astype(np.uint8)
    images = ImageSet(pixels, ("a", "b"), np.repeat(rng.integers(0, 2, 60), 2))
    right = linear_out_of_sample(features, images, OPTIONS, 0).validated.scores().mean()
    assert right < 0.75


def test_each_repeat_is_kept_and_the_mean_is_theirs():
    features, images = clusters((9, 9, 9))
    found = linear_out_of_sample(features, images, FoldOptions(3, 2), 0)
    assert found.repeats.shape == (2, 27, 3)
    np.testing.assert_allclose(found.pred_probs, found.repeats.mean(axis=0))
    assert len(found.validated.folds) == 6


def test_the_same_seed_gives_the_same_probabilities():
    features, images = clusters((8, 8))
    first, second = (linear_out_of_sample(features, images, OPTIONS, 5).pred_probs for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_class_rarer_than_the_folds_is_judged_too():
    features, images = clusters((20, 20, 3))
    found = linear_out_of_sample(features, images, FoldOptions(folds=5), 0)
    assert (found.pred_probs[-3:].argmax(axis=1) == 2).all()


def test_tags_get_one_probability_each():
    features, images = clusters((15, 15, 15))
    tags = np.eye(3, dtype=bool)[images.labels]
    tagged = dataclasses.replace(images, labels=None, tags=tags)
    probs = linear_out_of_sample(features, tagged, OPTIONS, 0).pred_probs
    assert ((probs > 0.5) == tags).mean() > 0.95


def test_classes_of_one_or_two_pictures_are_not_judged():
    _, images = clusters((5, 2, 1, 4))
    rows, small = judged_rows(images)
    assert small == ("b", "c")
    left = only_classes(images, rows)
    assert (left.class_names, left.labels.tolist()) == (("a", "d"), [0] * 5 + [1] * 4)


def test_copies_count_once_for_a_class():
    _, images = clusters((5, 4))
    pixels = images.images.copy()
    pixels[6:] = pixels[5]
    assert judged_rows(dataclasses.replace(images, images=pixels))[1] == ("b",)


@pytest.mark.parametrize("spread, expected", [(True, 10), (False, 3)])
def test_more_folds_than_pictures_become_fewer(spread, expected):
    assert possible_folds(clusters((7, 3))[1], 20, spread=spread) == expected
