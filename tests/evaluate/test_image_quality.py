from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.randomness import generator
from lightfast.evaluate import image_quality as quality
from lightfast.evaluate.image_quality import psnr, ssim

SHAPES = [(3, 28, 28, 1), (2, 33, 40, 3), (2, 7, 7, 1), (2, 6, 9, 1), (2, 3, 3, 3), (1, 200, 160, 3)]


def pair(shape, dtype):
    rng = generator(0, "pictures", *shape)
    clean = rng.integers(0, 256, size=shape)
    noisy = np.clip(clean + rng.normal(scale=30, size=shape), 0, 255)
    if dtype is np.uint8:
        return clean.astype(np.uint8), noisy.astype(np.uint8), 255
    return (clean / 255).astype(dtype), (noisy / 255).astype(dtype), 1.0


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_ssim_agrees_with_skimage(shape, dtype):
    clean, noisy, data_range = pair(shape, dtype)
    side = min(7, *shape[1:3])
    window = side if side % 2 else side - 1
    theirs = [
        structural_similarity(a, b, data_range=data_range, channel_axis=-1, win_size=window)
        for a, b in zip(clean, noisy, strict=True)
    ]
    assert ssim(clean, noisy, data_range) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_psnr_agrees_with_skimage(shape, dtype):
    clean, noisy, data_range = pair(shape, dtype)
    theirs = [peak_signal_noise_ratio(a, b, data_range=data_range) for a, b in zip(clean, noisy, strict=True)]
    assert psnr(clean, noisy, data_range) == pytest.approx(theirs, rel=1e-6)


def test_equal_pictures_are_perfect():
    clean, _, _ = pair((2, 28, 28, 1), np.uint8)
    assert np.isposinf(psnr(clean, clean, 255)).all()
    assert ssim(clean, clean, 255) == pytest.approx([1.0, 1.0])


def test_blocks_do_not_change_the_result(monkeypatch):
    clean, noisy, _ = pair((9, 28, 28, 1), np.uint8)
    whole = ssim(clean, noisy, 255), psnr(clean, noisy, 255)
    monkeypatch.setattr(quality, "_BLOCK_PIXELS", 2 * 28 * 28)
    assert np.array_equal(whole, (ssim(clean, noisy, 255), psnr(clean, noisy, 255)))


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_no_pictures_give_no_numbers(measure):
    assert measure(np.zeros((0, 8, 8, 1), np.uint8), np.zeros((0, 8, 8, 1), np.uint8), 255).shape == (0,)


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_what_cannot_be_compared_is_refused(measure):
    clean, noisy, _ = pair((2, 28, 28, 1), np.float64)
    with pytest.raises(DataError, match=r"\(2, 28, 28, 1\) and \(1, 28, 28, 1\)"):
        measure(clean, noisy[:1], 1.0)
    with pytest.raises(DataError, match="NaN"):
        measure(clean, np.full_like(noisy, np.nan), 1.0)
    with pytest.raises(SettingsError, match="255 for uint8"):
        measure(clean, noisy, 0)


def test_ssim_needs_three_pixels():
    with pytest.raises(DataError, match="2 x 8"):
        ssim(np.zeros((1, 2, 8, 1)), np.zeros((1, 2, 8, 1)), 1.0)
