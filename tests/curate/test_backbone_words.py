"""The words that a published backbone knows, and how probable it finds them."""

from __future__ import annotations

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.curate.backbone_words import backbone_class_probs, imagenet_names, imagenet_words


def test_the_backbone_has_a_thousand_words():
    words = imagenet_words()
    assert len(words) == 1_000
    assert words[779] == "school bus"


def test_every_class_has_its_names_the_plainest_first():
    assert imagenet_names()[0] == ("tench", "Tinca tinca")


def test_probabilities_of_its_classes_sum_to_one():
    probs = backbone_class_probs(np.random.default_rng(0).random((3, 1280)).astype(np.float16))
    assert probs.shape == (3, 1_000)
    np.testing.assert_allclose(probs.sum(axis=1), 1, rtol=1e-5)


def test_features_of_another_width_have_no_words():
    with pytest.raises(DataError, match="1280"):
        backbone_class_probs(np.zeros((2, 7)))
