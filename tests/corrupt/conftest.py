"""Pictures for the corruption tests: handwritten digits and pieces of photographs,
both from scikit-learn's bundled data.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits, load_sample_images


@pytest.fixture(scope="session")
def digits() -> NDArray[np.uint8]:
    """100 grey digits (100, 28, 28, 1), strokes as bright as MNIST's, on black."""
    small = load_digits().images[:100].astype(np.float32) * (255 / 16)
    framed = [np.pad(cv2.resize(picture, (20, 20), interpolation=cv2.INTER_LINEAR), 4) for picture in small]
    return np.clip((np.stack(framed) - 90) * 3, 0, 255).astype(np.uint8)[..., None]


@pytest.fixture(scope="session")
def photos() -> NDArray[np.uint8]:
    """96 colour pieces (96, 32, 32, 3) of two photographs, shrunk to 5 / 8."""
    pieces = []
    for photo in load_sample_images().images:
        shrunk = cv2.resize(photo, (400, 267), interpolation=cv2.INTER_AREA)
        pieces += [
            shrunk[top : top + 32, left : left + 32]
            for top in range(0, 235, 40)
            for left in range(0, 368, 46)
        ]
    return np.stack(pieces).astype(np.uint8)


@pytest.fixture(scope="session")
def digit_floats(digits: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The first 20 digits in [0, 1]."""
    return digits[:20].astype(np.float32) / 255


@pytest.fixture(scope="session")
def photo_floats(photos: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Twelve photographs in [0, 1]."""
    return photos[::8].astype(np.float32) / 255
