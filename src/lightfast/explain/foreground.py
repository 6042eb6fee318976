"""Which pixels are the thing in the picture: cut out by the border's colours, and the place filled again.

No network has a say in the cut: a map of the network under test would call foreground whatever it looks at.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_fill_holes

from lightfast.base.errors import DataError
from lightfast.data.array_cures import picture_cure

# Colours are told apart as well in a small copy, and far faster.
_WORKING_SIDE = 96
_BORDER_SHARE, _WIDER_SHARE = 1 / 16, 1 / 24
_STEPS = 3
SMALLEST, LARGEST = 0.05, 0.7
"""Share of the picture that a foreground takes; beyond, nothing was told from the border."""


@dataclass(frozen=True, eq=False)
class Foreground:
    """The cut of N pictures.

    Attributes:
        masks: bool (N, H, W), the foreground; empty where none was found.
        found: bool (N,), whether one was found: between `SMALLEST` and `LARGEST` of the picture, and not
            `at_frame`.
        at_frame: bool (N,), whether the cut reached the picture's border, where it has to end: what of the
            thing lies there was taken for background.
        known: whether the masks came from outside and are taken for whole; what `cut_foreground` cuts may
            have left a part of the thing behind.
    """

    masks: NDArray[np.bool_]
    found: NDArray[np.bool_]
    at_frame: NDArray[np.bool_]
    known: bool


def cut_foreground(images: NDArray[np.uint8]) -> Foreground:
    """GrabCut (Rother et al. 2004) that begins with the picture's border as background; holes are filled and
    the mask is made wider, since a remnant of the thing in the "background" would pass for evidence there.
    A mask that reaches the border so widened is not found (`at_frame`): the thing may go on in it. A thing of
    several colours may still be cut in part, where the part that reaches the frame has a colour of its own.

    Args:
        images: uint8 (N, H, W, C), at least 8 pixels a side. The same picture gives the same cut.

    Raises DataError for other arrays.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        got = f"{images.dtype} {images.shape}"
        raise DataError("pictures", expected="uint8 (N, H, W, C)", got=got, cure=picture_cure(images))
    if min(images.shape[1:3]) < 8:
        raise DataError("pictures", expected="at least 8 pixels a side", got=str(images.shape[1:3]))
    masks = np.array([_cut(image) for image in images], dtype=np.bool_).reshape(images.shape[:3])
    border = np.ones(images.shape[1:3], dtype=np.bool_)
    inset = _inset(*images.shape[1:3])
    border[inset:-inset, inset:-inset] = False
    return _sized(masks, np.asarray((masks & border).any(axis=(1, 2)), dtype=np.bool_), known=False)


def checked_foreground(masks: NDArray[np.bool_]) -> Foreground:
    """Masks that are known, bool (N, H, W), each of the whole thing, as a `Foreground`: too small and too
    large ones are not found.
    """
    return _sized(masks, np.zeros(len(masks), dtype=np.bool_), known=True)


def _sized(masks: NDArray[np.bool_], at_frame: NDArray[np.bool_], known: bool) -> Foreground:
    shares = masks.mean(axis=(1, 2)) if len(masks) else np.zeros(0)
    found = (shares >= SMALLEST) & (shares <= LARGEST) & ~at_frame
    return Foreground(masks & found[:, None, None], found, at_frame, known)


def _inset(height: int, width: int) -> int:
    """Pixels of the border that is background by assumption."""
    return max(1, round(max(height, width) * _BORDER_SHARE))


def _cut(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    height, width = image.shape[:2]
    shrink = min(1.0, _WORKING_SIDE / max(height, width))
    size = (max(8, round(width * shrink)), max(8, round(height * shrink)))
    small = np.ascontiguousarray(_three_channels(image))
    if size != (width, height):
        small = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    mask = _grab_cut(small)
    if size != (width, height):
        large = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        mask = np.asarray(large, dtype=np.bool_)
    if not mask.any():
        return mask
    wider = max(1, round(max(height, width) * _WIDER_SHARE))
    return np.asarray(binary_dilation(binary_fill_holes(mask), iterations=wider), dtype=np.bool_)


def _grab_cut(small: NDArray[np.uint8]) -> NDArray[np.bool_]:
    height, width = small.shape[:2]
    inset = _inset(height, width)
    if np.ptp(small.reshape(-1, 3), axis=0).max() == 0:
        return np.zeros((height, width), dtype=np.bool_)
    inside = (inset, inset, width - 2 * inset, height - 2 * inset)
    mask = np.zeros((height, width), dtype=np.uint8)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    # Its first clusters are drawn from OpenCV's own generator.
    cv2.setRNGSeed(0)
    cv2.grabCut(small, mask, inside, *models, _STEPS, cv2.GC_INIT_WITH_RECT)
    return (mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)


def background_plates(images: NDArray[np.uint8], masks: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The pictures without their foreground: uint8 (N, H, W, C), the place filled from its surroundings
    (Telea 2004).
    """
    plates = np.empty_like(images)
    for row, (image, mask) in enumerate(zip(images, masks, strict=True)):
        shown = np.ascontiguousarray(_three_channels(image))
        filled = cv2.inpaint(shown, mask.astype(np.uint8), 3, cv2.INPAINT_TELEA)
        plates[row] = filled[..., : image.shape[2]]
    return plates


def _three_channels(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return image if image.shape[2] == 3 else np.repeat(image, 3, axis=2)
