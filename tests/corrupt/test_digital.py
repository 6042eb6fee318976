"""Digital damage against Pillow, cv2 and scikit-image."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import color

from lightfast.corrupt import digital
from lightfast.corrupt.digital import Contrast, Elastic, Pixelation, Quality, Saturation

RNG = np.random.default_rng(0)


def test_contrast_keeps_the_mean_of_each_channel(photo_floats):
    flat = digital.contrast(photo_floats, Contrast(0.3), RNG)
    assert flat.mean(axis=(1, 2)) == pytest.approx(photo_floats.mean(axis=(1, 2)), abs=1e-5)
    assert flat.std(axis=(1, 2)) == pytest.approx(0.3 * photo_floats.std(axis=(1, 2)), abs=1e-5)


@pytest.mark.parametrize("quality", [7, 25, 80])
def test_jpeg_is_pillows_jpeg(photos, digits, quality):
    for picture in (photos[5], digits[5]):
        stream = io.BytesIO()
        Image.fromarray(picture.squeeze()).save(stream, "JPEG", quality=quality)
        expected = np.asarray(Image.open(stream)).reshape(picture.shape)
        ours = digital.jpeg_compression(picture[None], Quality(quality), RNG)[0].astype(int)
        assert np.abs(ours - expected).max() <= 3


@pytest.mark.parametrize("share", [0.75, 0.4, 0.22, 0.65])
@pytest.mark.parametrize("side", [28, 32, 130, 224])
def test_pixelate_is_pillows_box_down_and_up(photos, side, share):
    # Pillow rounds after every side, this once.
    pictures = np.resize(photos, (2, side, side, 3))
    few = int(side * share)
    small = [Image.fromarray(picture).resize((few, few), Image.Resampling.BOX) for picture in pictures]
    expected = [np.asarray(one.resize((side, side), Image.Resampling.BOX), int) for one in small]
    assert np.abs(digital.pixelate(pictures, Pixelation(share), RNG) - np.stack(expected)).max() <= 1


@pytest.mark.parametrize("gain, offset", [(0.3, 0), (2, 0), (5, 0.1), (20, 0.2)])
def test_saturate_is_that_of_hsv(photo_floats, gain, offset):
    hsv = color.rgb2hsv(photo_floats.astype(float))
    hsv[..., 1] = np.clip(hsv[..., 1] * gain + offset, 0, 1)
    ours = digital.saturate(photo_floats, Saturation(gain, offset), RNG)
    assert ours == pytest.approx(color.hsv2rgb(hsv), abs=1e-4)


def test_saturate_turns_grey_red_by_the_offset_alone():
    grey = np.full((1, 8, 8, 3), 0.5, np.float32)
    assert digital.saturate(grey, Saturation(5, 0.1), RNG)[0, 0, 0] == pytest.approx([0.5, 0.45, 0.45])


def test_saturate_of_grey_pictures_scales_the_value(digit_floats):
    assert digital.saturate(digit_floats, Saturation(2, 0.1), RNG) == pytest.approx(
        digit_floats * 2 + 0.1, abs=1e-6
    )


def test_elastic_without_strength_changes_nothing(photo_floats):
    assert digital.elastic_transform(photo_floats, Elastic(0, 0.1, 0), RNG) == pytest.approx(
        photo_floats, abs=1e-5
    )


def test_elastic_affine_carries_the_anchors(photo_floats):
    moves = np.random.default_rng(2).uniform(-4, 4, (len(photo_floats), 3, 2))
    anchors = 16 + 10 * np.array([[1, 1], [1, -1], [-1, -1]], np.float32)
    for carried, move in zip(digital._anchored(32, 32, moves), moves, strict=True):
        expected = cv2.getAffineTransform((anchors + move).astype(np.float32), anchors)
        assert carried.transpose() == pytest.approx(expected, abs=1e-4)


def test_sampling_mirrors_outside_and_blends_inside():
    image = np.arange(8, dtype=np.float32).reshape(1, 2, 4, 1)
    places = [(-1, 0, 0.0), (-2, 0, 1.0), (4, 1, 7.0), (1.5, 0.5, 3.5), (0, 2, 4.0)]
    x, y = (np.array([[place[axis] for place in places] + [0] * 3], np.float32) for axis in (0, 1))
    assert digital._sample(image, x, y).ravel()[:5] == pytest.approx([value for *_, value in places])


def test_elastic_displacement_has_the_size_of_its_smoothed_noise():
    ramp = np.tile(np.arange(64, dtype=np.float32) / 64, (50, 64, 1))[..., None]
    moved = digital.elastic_transform(ramp, Elastic(0.5, 0.04, 0), np.random.default_rng(0))
    moves = (moved - ramp)[:, :, 20:44] * 64
    sigma = 0.04 * 64
    assert moves.std() == pytest.approx(0.5 * 64 / np.sqrt(3) / (2 * np.sqrt(np.pi) * sigma), rel=0.1)
