"""The background part of the perturbations study: measured once, kept, and shown in its table."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from lightfast.data.images import ImageSet
from lightfast.data.preprocess import Preprocess
from lightfast.models.build import fresh_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.studies.perturbations import background
from lightfast.studies.registry import StudyOptions

SHAPE, NAMES = (16, 16, 3), ("left", "right")


def subject() -> SimpleNamespace:
    """A classifier that has learned nothing, behind no enhancer, and squares on plain grounds."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 20, (24, *SHAPE))
    images[:, 5:11, 5:11] += 200
    test = ImageSet(images.astype(np.uint8), NAMES, np.arange(24) % 2, name="squares")
    network = fresh_network("cnn", "classifier", SHAPE, 2, {}, 0)
    classifier = Checkpoint("classifier", "cnn", SHAPE, 2, NAMES, Preprocess.identity(SHAPE), network)
    return SimpleNamespace(
        splits=SimpleNamespace(test=test),
        classifier=classifier,
        enhancers={},
        ours=lambda state: "ours",
        subject=SimpleNamespace(title="squares, small CNN"),
    )


def test_it_is_measured_once_kept_and_shown(tmp_path, monkeypatch):
    read, options = subject(), StudyOptions(tmp_path, device="cpu")
    found = background.backgrounds(options, read)
    assert found["none"]["n"] + found["none"]["without_foreground"] == 24
    (row,) = background.background_table([read], [found]).cells
    assert [cell.text for cell in row[:3]] == ["squares, small CNN", "the classifier alone", "24"]
    assert row[-1].text == found["none"]["verdict"]
    monkeypatch.setattr(background, "check_background", None)
    assert background.backgrounds(options, read) == found
