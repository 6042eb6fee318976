"""Cures of numbers that are no probabilities yet: taken literally, they give the right ones."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

from lightfast.base.errors import DataError
from lightfast.base.randomness import generator
from lightfast.evaluate.predictions import Predictions
from lightfast.evaluate.tag_predictions import TagPredictions

LOGITS = generator(0, "logits").normal(size=(6, 3)) * 2
PROBS = scipy.special.softmax(LOGITS, axis=1)
TAGS = scipy.special.expit(LOGITS)


def code_of(cure: str, condition: str) -> str:
    found = dict(part.split(": ", 1) for part in cure.removesuffix(".").split("; "))
    return next(code for words, code in found.items() if condition in words)


def cured(x, condition="", make=None):
    """`x` after the cures that are given, one after the other, taken literally."""
    make = make or (lambda probs: Predictions(probs, ("a", "b", "c"), tuple(map(str, range(len(probs))))))
    for _ in range(3):
        try:
            return make(x).pred_probs
        except DataError as error:
            if not error.cure or condition not in error.cure:
                raise
            x = eval(code_of(error.cure, condition), {"numpy": np, "scipy": scipy, "x": x})
    raise AssertionError("never accepted")


@pytest.mark.parametrize(
    ("given", "wanted", "condition"),
    [
        (100 * PROBS, PROBS, ""),
        (255 * PROBS, PROBS, ""),
        (LOGITS, PROBS, "logits"),
        (LOGITS - LOGITS.min(), PROBS, "logits"),
        (np.log(PROBS), PROBS, ""),
        (PROBS.T, PROBS, ""),
        (100 * PROBS.T, PROBS, ""),
        (PROBS[:3].T, PROBS[:3], ""),
        (PROBS[0], PROBS[:1], ""),
        (np.eye(3, dtype=int), np.eye(3), ""),
        (np.eye(3, dtype=bool), np.eye(3), ""),
        (np.array([[98, 1, 1], [0, 50, 50]]), [[0.98, 0.01, 0.01], [0, 0.5, 0.5]], ""),
        (np.array([[0.33, 0.33, 0.33]]), [[1 / 3] * 3], ""),
        (np.array([[3.0, 1, 0], [0, 8, 0]]), [[0.75, 0.25, 0], [0, 1, 0]], "counts"),
    ],
)
def test_the_cure_gives_the_right_probabilities(given, wanted, condition):
    assert cured(given, condition) == pytest.approx(np.asarray(wanted), abs=1e-5)


def test_one_number_a_picture_is_the_second_class():
    def two(probs):
        return Predictions(probs, ("no", "yes"), tuple(map(str, range(len(probs)))))

    for given in (TAGS[:, 0], TAGS[:, :1]):
        assert cured(given, "second class", two)[:, 1] == pytest.approx(TAGS[:, 0], abs=1e-6)


def test_probabilities_label_by_label_get_no_softmax():
    with pytest.raises(DataError, match="label by label: keep them as TagPredictions") as caught:
        cured(TAGS, "softmax", lambda probs: Predictions(probs, ("a", "b", "c"), tuple("uvwxyz")))
    assert "softmax" not in str(caught.value)


def test_columns_that_are_missing_are_asked_for():
    with pytest.raises(DataError, match="one column a class name"):
        Predictions(PROBS, tuple("abcde"), tuple("uvwxyz"))


@pytest.mark.parametrize(
    ("given", "condition"),
    [(100 * TAGS, "percentages"), (LOGITS, "logits"), (np.log(TAGS), "logarithms"), (LOGITS - 9, "logits")],
)
def test_the_cure_of_several_labels_gives_the_right_probabilities(given, condition):
    wanted = scipy.special.expit(given) if condition == "logits" else TAGS
    found = cured(
        given, condition, lambda x: TagPredictions(x, np.full(3, 0.5), ("a", "b", "c"), tuple("uvwxyz"))
    )
    assert found == pytest.approx(wanted, abs=1e-6)
