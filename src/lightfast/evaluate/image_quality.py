"""How near a restored picture is to the clean one: PSNR and SSIM, whole batches at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError, SettingsError

WINDOW = 7
# Pixels worked on at once: five float64 maps of this many values stay near 100 MB.
_BLOCK_PIXELS = 2_000_000


def psnr(reference: NDArray, other: NDArray, data_range: float) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio in dB, float64 (N,); infinite where the two are equal.

    10 · log10(data_range² / mean squared difference), over all pixels and channels of a picture.

    Args:
        reference: (N, H, W, C), uint8 or float.
        other: the same shape.
        data_range: largest minus smallest possible value (255 for uint8 pictures, 1 for floats in 0..1).
    """
    first, second = _checked(reference, other, data_range)
    result = np.empty(len(first))
    for rows in _blocks(first):
        difference = first[rows].astype(np.float64) - second[rows]
        error = np.square(difference).reshape(len(difference), -1).mean(axis=1)
        with np.errstate(divide="ignore"):
            result[rows] = 10 * np.log10(data_range**2 / error)
    return result


def ssim(reference: NDArray, other: NDArray, data_range: float) -> NDArray[np.float64]:
    """Structural similarity (Wang et al. 2004), float64 (N,), -1..1, mean over pixels and channels.

    `skimage.metrics.structural_similarity` with its defaults: uniform 7 × 7 window (here the largest odd one
    that fits into smaller pictures), K1 = 0.01, K2 = 0.03, sample covariance, windows wholly inside.

    Args:
        reference: (N, H, W, C), uint8 or float, H and W at least 3.
        other: the same shape.
        data_range: largest minus smallest possible value (255 for uint8 pictures, 1 for floats in 0..1).
    """
    from skimage.metrics import structural_similarity

    first, second = _checked(reference, other, data_range)
    side = min(WINDOW, first.shape[1], first.shape[2])
    window = side - 1 + side % 2
    if window < 3:
        raise DataError(
            "ssim", expected="pictures of at least 3 x 3 pixels", got=f"{first.shape[1]} x {first.shape[2]}"
        )
    measured = (
        structural_similarity(
            one.astype(np.float64),
            two.astype(np.float64),
            data_range=data_range,
            win_size=window,
            channel_axis=-1,
        )
        for one, two in zip(first, second, strict=True)
    )
    return np.fromiter(measured, np.float64, len(first))


def _checked(reference: NDArray, other: NDArray, data_range: float) -> tuple[NDArray, NDArray]:
    first, second = np.asarray(reference), np.asarray(other)
    if first.ndim != 4 or first.shape != second.shape:
        raise DataError(
            "picture quality",
            expected="two batches (N, H, W, C) of the same shape",
            got=f"{first.shape} and {second.shape}",
        )
    if not data_range > 0:
        raise SettingsError(
            f"data_range {data_range}",
            expected="a number above 0: 255 for uint8 pictures, 1 for floats in 0..1",
        )
    for batch in (first, second):
        if batch.dtype.kind == "f" and not np.isfinite(batch).all():
            raise DataError("picture quality", expected="finite pixels", got="NaN or infinity")
    return first, second


def _blocks(images: NDArray) -> list[slice]:
    step = max(1, _BLOCK_PIXELS // max(1, int(np.prod(images.shape[1:]))))
    return [slice(start, start + step) for start in range(0, len(images), step)]
