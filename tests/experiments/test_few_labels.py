"""A head for few labels: pictures without one help, and its accuracy is honest."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.experiments.few_labels import LabelledRows, UnlabelledRows, fit_few_labels


def _pictures(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Three clouds on twelve of sixty axes; the other axes say nothing."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    features = rng.normal(0, 1, (count, 60))
    features[:, :12] += 1.1 * np.random.default_rng(9).normal(0, 1, (3, 12))[labels]
    return features.astype(np.float32), labels.astype(np.int64)


def _rows(count: int, seed: int) -> LabelledRows:
    features, labels = _pictures(count, seed)
    return LabelledRows(features, labels, np.arange(count))


def _free(count: int, seed: int) -> UnlabelledRows:
    return UnlabelledRows(_pictures(count, seed)[0], np.zeros((count, 3), np.bool_))


def _right(head, seed: int) -> float:
    features, labels = _pictures(3_000, seed)
    return float(((features @ head.weight.T + head.bias).argmax(axis=1) == labels).mean())


def test_pictures_without_a_label_make_the_head_better():
    gains = []
    for seed in range(4):
        alone = fit_few_labels(_rows(18, seed), None, 3)
        helped = fit_few_labels(_rows(18, seed), _free(600, 100 + seed), 3)
        assert not alone.guesses
        gains.append(_right(helped, 50) - _right(alone, 50))
    assert np.mean(gains) > 0.02


def test_its_accuracy_is_that_of_pictures_that_it_did_not_learn():
    """Labels by chance: a head that has seen them knows more of them by heart than a third."""
    rng = np.random.default_rng(0)
    chance = LabelledRows(_pictures(90, 1)[0], rng.integers(0, 3, 90), np.arange(90))
    head = fit_few_labels(chance, None, 3)
    assert head.accuracy < 0.5
    by_heart = (chance.features @ head.weight.T + head.bias).argmax(axis=1) == chance.labels
    assert by_heart.mean() > 0.6
    assert head.accuracy == pytest.approx(float((head.probs.argmax(axis=1) == chance.labels).mean()))


def test_copies_share_a_fold():
    """Each picture twice, with a label by chance: through its copy it would be known."""
    rng = np.random.default_rng(2)
    features, labels = _pictures(60, 3)[0], rng.integers(0, 3, 60)
    twice = np.concatenate([features, features]), np.concatenate([labels, labels])
    apart = fit_few_labels(LabelledRows(*twice, np.tile(np.arange(60), 2)), None, 3)
    mixed = fit_few_labels(LabelledRows(*twice, np.arange(120)), None, 3)
    assert apart.accuracy < 0.55 < mixed.accuracy


def test_a_class_of_one_picture_does_not_make_the_others_less_sure():
    """A head that was fitted without the picture cannot know its class; the one that is used does."""
    rows = _rows(60, 11)
    alone = fit_few_labels(rows, None, 3)
    rare = np.full((1, 60), 1.5, np.float32)
    labelled = LabelledRows(np.vstack([rows.features, rare]), np.append(rows.labels, 3), np.arange(61))
    beside = fit_few_labels(labelled, None, 4)
    assert beside.temperature == pytest.approx(alone.temperature, rel=0.5)
    assert beside.loss == pytest.approx(alone.loss, rel=0.5)
    assert beside.accuracy == pytest.approx(60 / 61 * alone.accuracy, abs=0.02)


def test_what_a_picture_is_not_teaches():
    """Of the third class two pictures are known; many others are neither of the first two."""
    features, labels = _pictures(600, 4)
    own = np.concatenate([np.flatnonzero(labels == one)[:count] for one, count in ((0, 9), (1, 9), (2, 2))])
    rows = LabelledRows(features[own], labels[own], np.arange(len(own)))
    third = np.setdiff1d(np.flatnonzero(labels == 2), own)[:40]
    ruled_out = np.tile([True, True, False], (len(third), 1))
    taught = fit_few_labels(rows, UnlabelledRows(features[third], ruled_out), 3)
    free = fit_few_labels(rows, UnlabelledRows(features[third], np.zeros_like(ruled_out)), 3)
    assert _right(taught, 60) > _right(free, 60) + 0.05


def test_a_class_without_labels_is_never_said():
    features, labels = _pictures(60, 5)
    two = labels < 2
    rows = LabelledRows(features[two], labels[two], np.arange(two.sum()))
    head = fit_few_labels(rows, _free(90, 6), 3)
    assert not ((features @ head.weight.T + head.bias).argmax(axis=1) == 2).any()


def test_one_class_is_refused():
    features, _ = _pictures(10, 7)
    with pytest.raises(DataError, match="at least 2 classes"):
        fit_few_labels(LabelledRows(features, np.zeros(10, np.int64), np.arange(10)), None, 3)
