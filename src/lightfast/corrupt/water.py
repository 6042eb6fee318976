"""Water drops on the lens, as ImageNet-C draws them: lit outlines of a random liquid layer,
pale turquoise.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_TURQUOISE = np.array([175, 238, 238], np.float32) / 255
_EMBOSS = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.float32)


def splash(layer: NDArray[np.float32], threshold: float, strength: float) -> NDArray[np.float32]:
    """Light to add, (N, H, W, 3), for liquid layers (N, H, W, 1): where the layer is above `threshold`,
    at most `strength`.
    """
    liquid = np.where(layer < threshold, 0, layer)[..., 0]
    light = (
        np.stack([_lit(np.clip(one * 255, 0, 255).astype(np.uint8)) for one in liquid])
        if len(liquid)
        else liquid
    )
    peak = light.max(axis=(1, 2), keepdims=True) if len(light) else np.ones((0, 1, 1), np.float32)
    light = light / np.maximum(peak, np.float32(1e-9)) * np.float32(strength)
    colours = [light * channel for channel in _TURQUOISE]
    return np.stack(colours, axis=-1)


def _lit(liquid: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The layer times an embossed map of the distance (at most 20 pixels) to its outlines."""
    distance = cv2.distanceTransform(255 - cv2.Canny(liquid, 50, 150), cv2.DIST_L2, 5)
    _, distance = cv2.threshold(distance, 20, 20, cv2.THRESH_TRUNC)
    relief = cv2.equalizeHist(cv2.blur(distance, (3, 3)).astype(np.uint8))
    relief = cv2.blur(cv2.filter2D(relief, cv2.CV_8U, _EMBOSS), (3, 3)).astype(np.float32)
    return np.asarray(liquid * relief, np.float32)
