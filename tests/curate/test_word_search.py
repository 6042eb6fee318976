"""Word vectors from the files of an installed package, and words against classes."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from lightfast.base.errors import SettingsError
from lightfast.curate.backbone_words import imagenet_words
from lightfast.curate.word_search import best_of_any_words, class_fits, word_scores
from lightfast.curate.word_vectors import load_word_vectors


@pytest.mark.parametrize("word, class_name", [("umbrella", "umbrella"), ("piano", "grand piano")])
def test_a_word_fits_its_own_class_best(word, class_name):
    assert imagenet_words()[int(class_fits([word])[:, 0].argmax())] == class_name


def test_words_that_mean_alike_lie_nearer_than_others():
    cat, kitten, economy = load_word_vectors().embed(["cat", "kitten", "economy"])
    assert cat @ kitten > cat @ economy


def test_one_word_scores_as_it_does_among_many():
    rng = np.random.default_rng(0)
    classes, probs = rng.integers(1_000, size=(20, 10)), rng.random((20, 10))
    fits = class_fits(["sea", "dog", "shirt"])
    many = word_scores(classes, probs, fits)
    for at in range(3):
        np.testing.assert_allclose(many[:, at], word_scores(classes, probs, fits[:, [at]])[:, 0], rtol=1e-4)
    weights = np.sqrt(probs[0]) / np.sqrt(probs[0]).sum()
    assert many[0, 1] == pytest.approx(float(fits[classes[0], 1] @ weights), rel=1e-4)


def test_what_random_words_reach_rises_and_is_the_same_again():
    rng = np.random.default_rng(0)
    classes, probs = rng.integers(1_000, size=(50, 10)), rng.random((50, 10))
    first = best_of_any_words(classes, probs, 30, 0)
    assert (np.diff(first) >= 0).all()
    np.testing.assert_array_equal(first, best_of_any_words(classes, probs, 30, 0))


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    load_word_vectors.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"lightfast\[words\]"):
        load_word_vectors()
