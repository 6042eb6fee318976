"""`fit` refuses what nothing can be learnt from, and fits forests by the same door."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from lightfast.base.errors import DataError
from lightfast.data.images import ImageSet
from lightfast.evaluate.predict import calibrate, evaluate, predict
from lightfast.train.augment import augment
from lightfast.train.fit import check_trainable, fit


def test_a_forest_is_fitted_by_the_same_door(blobs: ImageSet):
    made = fit(blobs, blobs, model="random-forest", config={"trees": 10})
    assert evaluate(made, blobs).accuracy > 0.95
    assert fit(blobs, blobs, model="random-forest", config={"trees": 10}).network.pred_probs(
        blobs.images
    ).tolist() == (made.network.pred_probs(blobs.images).tolist())


@pytest.mark.parametrize(
    ("rows", "names", "message"),
    [
        ([0], ("left", "middle", "right"), "expected at least 2, got 1"),
        ([0, 1, 3], ("left", "middle", "right"), "no training pictures of right"),
    ],
)
def test_too_little_is_said(blobs: ImageSet, rows: list[int], names: tuple[str, ...], message: str):
    with pytest.raises(DataError, match=message):
        check_trainable(dataclasses.replace(blobs.take(rows), class_names=names))


def test_one_class_is_said(blobs: ImageSet):
    only = ImageSet(blobs.images, ("left",), np.zeros(len(blobs), dtype=np.int64))
    with pytest.raises(DataError, match=r"classes: expected at least 2, got 1 \(left\)"):
        check_trainable(only)


def test_unlabelled_pictures_are_said(blobs: ImageSet):
    with pytest.raises(DataError, match="has no labels"):
        check_trainable(ImageSet(blobs.images))


def test_calibration_keeps_the_ranking_and_lowers_the_loss(blobs: ImageSet):
    noisy = np.where(
        np.arange(len(blobs)) % 4 == 0, np.roll(blobs.require_labels(), 1), blobs.require_labels()
    )
    mislabelled = dataclasses.replace(blobs, labels=noisy)
    made = fit(blobs, blobs, model="random-forest", config={"trees": 5})
    fitted = calibrate(made, mislabelled)
    plain, softened = predict(made, mislabelled), predict(fitted, mislabelled)
    rows = np.arange(len(blobs))
    assert (plain.predicted_labels == softened.predicted_labels).all()
    assert fitted.temperature > 1
    assert (
        -np.log(softened.pred_probs[rows, noisy]).mean()
        < -np.log(np.maximum(plain.pred_probs[rows, noisy], 1e-9)).mean()
    )


@pytest.mark.parametrize("kind", ["none", "shift", "mirror", "affine", "natural", "cutout"])
@pytest.mark.parametrize("channels", [1, 3])
def test_augmentation_keeps_shape_range_and_input(kind: str, channels: int):
    pixels = torch.rand(6, channels, 12, 10)
    before = pixels.clone()
    first, again = (augment(pixels, kind, torch.Generator().manual_seed(4)) for _ in range(2))
    assert first.shape == pixels.shape
    assert first.min() >= 0
    assert first.max() <= 1
    assert torch.equal(first, again)
    assert torch.equal(pixels, before)
    assert torch.equal(first, pixels) == (kind == "none")


def test_cutout_fills_a_square_of_half_the_side_about_any_pixel_with_the_mean():
    pixels = torch.rand(600, 2, 8, 10, generator=torch.Generator().manual_seed(0))
    cut = augment(pixels, "cutout", torch.Generator().manual_seed(1))
    fill = pixels.mean(dim=(0, 2, 3))
    squares = set()
    for before, after in zip(pixels, cut, strict=True):
        changed = (before != after).any(dim=0)
        rows, columns = (torch.nonzero(changed.any(dim=axis))[:, 0] for axis in (1, 0))
        # The square of 4 × 4, less what sticks out.
        assert changed.sum() == len(rows) * len(columns)
        assert torch.equal(after[:, changed], fill[:, None].expand(-1, int(changed.sum())))
        for found, extent in ((rows, 8), (columns, 10)):
            inside = found[0] > 0 and found[-1] < extent - 1
            assert len(found) == 4 if inside else 2 <= len(found) <= 4
        squares.add((int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])))
    assert len(squares) == 8 * 10


def test_mirror_turns_about_half_of_the_pictures_left_to_right_and_shifts_them_by_two_of_28_pixels():
    # One bright column on a dark ground: its place tells mirror and shift apart.
    pixels = torch.zeros(400, 1, 28, 28)
    pixels[..., 5] = 1
    moved = augment(pixels, "mirror", torch.Generator().manual_seed(3))
    places = moved[:, 0, 14].argmax(dim=1)
    assert set(places.tolist()) == {*range(3, 8), *range(20, 25)}
    assert 150 < int((places > 14).sum()) < 250
    assert (moved.sum(dim=(1, 2, 3)) == 28).all()
