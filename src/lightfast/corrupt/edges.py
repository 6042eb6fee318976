"""Canny's edge detector over whole batches (Canny 1986;
the definition of `skimage.feature.canny` with its default arguments).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lightfast.corrupt.filtering import band_matrix, gaussian, gaussian_matrix, separable

_SLOPE = np.array([-1.0, 0.0, 1.0])
_SMOOTH = np.array([1.0, 2.0, 1.0])


def canny(
    grey: NDArray[np.float32], sigma: float = 1.0, low: float = 0.1, high: float = 0.2
) -> NDArray[np.bool_]:
    """Edges (N, H, W) of float32 pictures (N, H, W) in [0, 1]; thresholds are Sobel magnitudes.

    The outermost pixels are never edges.
    """
    down, across = _gradients(grey[..., None], sigma)
    magnitude = np.sqrt(down * down + across * across)
    peaks = _thin(down, across, magnitude, low)
    return _linked(peaks, peaks & (magnitude >= high))


def _gradients(images: NDArray[np.float32], sigma: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Sobel derivatives (N, H, W) down and across of the smoothed pictures;
    the border's missing weight is made up.
    """
    _, height, width, _ = images.shape
    weight = np.outer(
        gaussian_matrix(height, sigma, "zero").sum(axis=1), gaussian_matrix(width, sigma, "zero").sum(axis=1)
    )
    smooth = gaussian(images, sigma, border="zero")
    smooth /= weight[:, :, None]
    rows, columns = (
        {"slope": band_matrix(size, _SLOPE, "reflect"), "smooth": band_matrix(size, _SMOOTH, "reflect")}
        for size in (height, width)
    )
    down = separable(smooth, rows["slope"], columns["smooth"])[..., 0]
    across = separable(smooth, rows["smooth"], columns["slope"])[..., 0]
    return down, across


def _thin(
    down: NDArray[np.float32], across: NDArray[np.float32], magnitude: NDArray[np.float32], low: float
) -> NDArray[np.bool_]:
    """Pixels at least `low` strong whose magnitude is not below that on either side along the gradient,
    linearly interpolated.
    """
    strong = magnitude >= low
    strong[:, 0] = strong[:, -1] = False
    strong[:, :, 0] = strong[:, :, -1] = False
    width = magnitude.shape[2]
    place = np.flatnonzero(strong)
    vertical, horizontal, centre = down.ravel()[place], across.ravel()[place], magnitude.ravel()[place]
    tall, wide = np.abs(vertical), np.abs(horizontal)
    steep = tall > wide
    share = np.where(steep, wide, tall) / np.where(steep, tall, wide)
    same_sign = ((vertical >= 0) & (horizontal >= 0)) | ((vertical <= 0) & (horizontal <= 0))
    slant = np.where(same_sign, 1, -1)
    # The two neighbours ahead: one straight (down when steep, else right), one diagonal; those behind are
    # their mirror images.
    straight = np.where(steep, width, 1)
    diagonal = np.where(steep, width + slant, 1 + slant * width)
    flat = magnitude.ravel()
    ahead = flat[place + diagonal] * share + flat[place + straight] * (1 - share)
    behind = flat[place - diagonal] * share + flat[place - straight] * (1 - share)
    kept = np.zeros(flat.shape, bool)
    kept[place[(ahead <= centre) & (behind <= centre)]] = True
    return kept.reshape(magnitude.shape)


def _linked(weak: NDArray[np.bool_], strong: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The 8-connected pieces of `weak` that hold a pixel of `strong`."""
    count, height, width = weak.shape
    # All pictures stand in one tall picture: their outermost pixels are never set, so pieces of two pictures
    # cannot touch.
    tall = weak.reshape(count * height, width)
    pieces, found = cv2.connectedComponents(tall.view(np.uint8), connectivity=8)
    labels = np.asarray(found, np.int32)
    good = np.zeros(pieces, bool)
    good[labels[strong.reshape(count * height, width)]] = True
    good[0] = False
    return good[labels].reshape(weak.shape)
