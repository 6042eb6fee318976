from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from lightfast.data.images import ImageSet
from lightfast.evaluate.metrics import score
from lightfast.evaluate.predictions import Predictions
from lightfast.report.page import Figure, Folded, Gallery
from lightfast.studies.svhn.figures import label_probability, probability_section

NAMES = ("0", "1")
PROBS = np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2]], np.float32)


@pytest.fixture
def outcome():
    predictions = Predictions(PROBS, NAMES, ("a", "b", "c"), np.array([0, 0, 1]), "ours")
    row = SimpleNamespace(title="ours", part="ours", paper=None)
    return SimpleNamespace(row=row, predictions=predictions, evaluation=score(predictions))


@pytest.fixture
def pictures():
    return ImageSet(np.zeros((3, 32, 32, 3), np.uint8), NAMES, np.array([0, 0, 1]), ("a", "b", "c"), "test")


def test_the_probability_is_that_of_the_right_label_not_of_the_reading(outcome):
    assert label_probability(outcome) == pytest.approx([0.9, 0.4, 0.2])


def test_the_worst_pictures_come_first_with_label_and_reading(outcome, pictures):
    section = probability_section([outcome], pictures, "three pictures")
    folded = section.parts[1]
    assert isinstance(folded, Folded)
    gallery = folded.parts[0]
    assert isinstance(gallery, Gallery)
    assert [one.caption.replace("\N{NO-BREAK SPACE}", " ") for one in gallery.pictures[:2]] == [
        "1: 20.0 %; read 0: 80.0 %",
        "0: 40.0 %; read 1: 60.0 %",
    ]


def test_the_caption_says_n_and_the_share_above_one_half_with_its_interval(outcome, pictures):
    figure = probability_section([outcome], pictures, "three pictures").parts[0]
    assert isinstance(figure, Figure)
    assert "n = 3 test pictures" in figure.caption
    assert "ours 33.3 % [6.1–79.2]" in figure.caption
