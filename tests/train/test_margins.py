"""The margins that a training records: one number a picture and epoch, the same after a resume."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lightfast.base.errors import CheckpointError
from lightfast.data.images import ImageSet
from lightfast.train.fit import fit
from lightfast.train.margins import load_epoch_margins, save_epoch_margins
from lightfast.train.objectives import ROW_MARGINS, margin_measure
from lightfast.train.recipe import Recipe, Training

SMALL = {"widths": [4], "dense": 8}


def recorded(blobs: ImageSet, folder: Path, **settings: object) -> np.ndarray | None:
    recipe = Recipe.of(epochs=3, batch_size=16, learning_rate=1e-2, **settings)
    fit(blobs, blobs, model="cnn", recipe=recipe, config=SMALL, training=Training(folder=folder))
    return load_epoch_margins(folder / ".training" / "classifier", 3)


def test_a_margin_is_the_label_less_the_best_other_class():
    logits = torch.tensor([[3.0, 1.0, 0.0], [0.0, 2.0, 1.0]])
    probs = logits.softmax(1)
    found = margin_measure(logits, torch.tensor([0, 2]))[ROW_MARGINS]
    assert torch.allclose(found, torch.stack([probs[0, 0] - probs[0, 1], probs[1, 2] - probs[1, 1]]))
    assert margin_measure(logits, torch.ones(2, 3, dtype=torch.bool)) == {}


def test_margins_are_float32_whatever_the_logits_are():
    logits = torch.tensor([[2.0, 1.0, 0.0]], dtype=torch.bfloat16)
    assert margin_measure(logits, torch.tensor([0]))[ROW_MARGINS].dtype == torch.float32


def test_every_picture_has_one_an_epoch_and_they_grow(blobs: ImageSet, tmp_path: Path):
    margins = recorded(blobs, tmp_path)
    assert margins is not None
    assert margins.shape == (len(blobs), 3)
    assert np.nanmean(margins[:, -1]) > np.nanmean(margins[:, 0])


def test_a_wrong_label_is_learned_last(blobs: ImageSet, tmp_path: Path):
    labels = blobs.require_labels().copy()
    labels[:3] = (labels[:3] + 1) % blobs.num_classes
    margins = recorded(ImageSet(blobs.images, blobs.class_names, labels), tmp_path)
    assert margins is not None
    assert np.nanmean(margins[:3]) < np.nanmean(margins[3:])


def test_pictures_drawn_anew_every_epoch_have_none(blobs: ImageSet, tmp_path: Path):
    assert recorded(blobs, tmp_path, balance="sampling") is None


def test_files_of_other_pictures_are_refused(tmp_path: Path):
    save_epoch_margins(tmp_path, 0, np.zeros(3, np.float32))
    save_epoch_margins(tmp_path, 1, np.zeros(4, np.float32))
    with pytest.raises(CheckpointError, match="do not fit together"):
        load_epoch_margins(tmp_path, 2)
