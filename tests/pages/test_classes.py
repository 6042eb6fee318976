"""The confused pictures on a page: every click leads somewhere, no picture is lost silently,
the page stays small.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.data.images import ImageSet
from lightfast.evaluate.metrics import score
from lightfast.evaluate.predictions import Predictions
from lightfast.pages.classes import SHOWN_PAIRS, SHOWN_PICTURES, classes_sections, hardest_pairs
from lightfast.report.page import Folded, Gallery, render_page


def made(n: int, classes: int, right: float, side: int = 8) -> tuple[Predictions, ImageSet]:
    """Readings of noise, a share of them right, with even confidences."""
    rng = np.random.default_rng(3)
    names = tuple(f"class {k}" for k in range(classes))
    labels = np.arange(n) % classes
    read = np.where(rng.random(n) < right, labels, rng.integers(0, classes, n))
    sure = rng.uniform(1.5 / classes, 1.0, n)
    probs = np.repeat((1 - sure)[:, None] / (classes - 1), classes, axis=1)
    probs[np.arange(n), read] = sure
    images = ImageSet(rng.integers(0, 256, (n, side, side, 3), dtype=np.uint8), names, labels, name="noise")
    return Predictions(probs.astype(np.float32), names, images.ids, labels, "noise"), images


def page_of(predictions: Predictions, images: ImageSet) -> str:
    return render_page("A", "B", classes_sections(predictions, score(predictions), images), {})


def folds_of(predictions: Predictions, images: ImageSet) -> tuple[list[tuple[Folded, Gallery]], str]:
    """The folded galleries of the confused pictures, and the sentence above them."""
    section = next(
        one
        for one in classes_sections(predictions, score(predictions), images)
        if one.title == "Confused pictures"
    )
    pairs = []
    for part in section.parts:
        assert isinstance(part, Folded)
        gallery = part.parts[0]
        assert isinstance(gallery, Gallery)
        pairs.append((part, gallery))
    return pairs, section.lead


def test_every_link_leads_to_an_id_that_stands_on_the_page_once():
    text = page_of(*made(400, 12, 0.6))
    ids = re.findall(r'\bid="([^"]+)"', text)
    links = re.findall(r'<a href="#([^"]+)"', text)
    cells = [link for link in links if link.startswith("cell-")]
    assert len(set(cells)) == SHOWN_PAIRS
    assert all(ids.count(link) == 1 for link in links)


def test_a_cell_of_the_matrix_leads_to_the_pictures_of_that_confusion():
    predictions, images = made(400, 4, 0.8)
    text = page_of(predictions, images)
    for row, column in ((0, 1), (2, 3)):
        found = np.flatnonzero(
            (predictions.require_labels() == row) & (predictions.predicted_labels == column)
        )
        link = (
            f'<a href="#cell-{row}-{column}" aria-label="class {row} read as class {column}: {len(found)}">'
        )
        assert link in text
        fold = text.partition(f'<span id="cell-{row}-{column}"></span>')[2].partition("</details>")[0]
        assert {int(number) for number in re.findall(r'alt="noise/(\d+):', fold)} <= set(found.tolist())
        assert fold.count("<img") == min(len(found), SHOWN_PICTURES)


def test_all_wrong_readings_are_shown_and_said_so_when_they_are_few():
    predictions, images = made(200, 3, 0.9)
    folds, lead = folds_of(predictions, images)
    wrong = int((~predictions.correct).sum())
    assert sum(len(gallery.pictures) for _, gallery in folds) == wrong
    assert f"All {wrong:,} wrong readings are shown" in lead


def test_pairs_and_pictures_that_are_left_out_are_counted():
    predictions, images = made(3000, 12, 0.5)
    folds, lead = folds_of(predictions, images)
    shown = sum(len(gallery.pictures) for _, gallery in folds)
    told = re.search(r"([\d,]+) of ([\d,]+) wrong .* (\d+) rarer pairs with ([\d,]+) pictures are not", lead)
    assert told
    counts = [int(text.replace(",", "")) for text in told.groups()]
    confusion = score(predictions).confusion
    off = np.sort(confusion[~np.eye(12, dtype=bool)])[::-1]
    assert len(folds) == SHOWN_PAIRS
    assert counts == [
        shown,
        int((~predictions.correct).sum()),
        int((off > 0).sum()) - SHOWN_PAIRS,
        int(off[SHOWN_PAIRS:].sum()),
    ]


def test_the_most_confident_wrong_readings_come_first():
    predictions, images = made(400, 4, 0.5)
    for fold, gallery in folds_of(predictions, images)[0]:
        row, column = map(int, fold.anchor.split("-")[1:])
        own = (predictions.require_labels() == row) & (predictions.predicted_labels == column)
        surest = np.sort(predictions.confidence[own])[::-1][:SHOWN_PICTURES]
        assert [picture.caption.split(" ")[0] for picture in gallery.pictures] == [
            f"{100 * value:.0f}" for value in surest
        ]


@pytest.mark.parametrize("side", [28, 224])
def test_a_page_of_many_errors_stays_below_three_megabytes(side):
    # Noise is the worst that a picture can be to a compressor; 10,000 pictures of 28 pixels, as many as the
    # test part of MNIST.
    predictions, images = made(10_000 if side == 28 else 600, 10, 0.5, side)
    assert len(page_of(predictions, images)) < 3_000_000


def test_without_errors_there_is_neither_a_script_nor_a_section_of_them():
    predictions, images = made(60, 3, 1.0)
    assert [one.title for one in classes_sections(predictions, score(predictions), images)] == [
        "Classes",
        "ROC and precision-recall",
    ]
    assert "<script" not in page_of(predictions, images)


def test_other_pictures_than_those_that_were_read_are_refused():
    predictions, images = made(60, 3, 0.5)
    for other in (images.take(range(50)), images.take(range(59, -1, -1))):
        with pytest.raises(DataError, match="in the same order"):
            classes_sections(predictions, score(predictions), other)


def test_one_class_alone_has_no_curves():
    predictions, images = made(30, 3, 1.0)
    alone = np.arange(0, 30, 3)
    text = page_of(predictions.take(alone), images.take(alone))
    assert "nothing to tell it from" in text


def test_the_hardest_pairs_of_the_metrics_are_plain_values():
    predictions, _ = made(400, 4, 0.5)
    first = hardest_pairs(score(predictions))[0]
    confusion = score(predictions).confusion.copy()
    np.fill_diagonal(confusion, 0)
    assert first["count"] == confusion.max()
    assert isinstance(first["interval"], list)
