"""A picture as text for a terminal: half blocks in 24-bit colour, or letters where there is no colour."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError

COLUMNS, LINES = 64, 32
_RESET = "\x1b[0m"
# From dark to light on a dark terminal.
_LETTERS = np.array(list(" .:-=+*#%@"))


def terminal_picture(
    image: NDArray[np.uint8], *, columns: int = COLUMNS, lines: int = LINES, colour: bool = True
) -> str:
    """Draw a picture with characters.

    Args:
        image: uint8 (H, W), (H, W, 1) or (H, W, 3), RGB.
        columns, lines: the room there is, in characters; a character is taken to be twice as high as wide.
        colour: half blocks with 24-bit escape codes, two pixels a character; else letters from dark to light,
            without any code.

    Returns lines joined by newlines. Small pictures are enlarged by a whole factor, large ones shrunk by
    averaging over areas.
    """
    pixels = resized_within(image, columns, 2 * lines)
    if pixels.shape[0] % 2:
        pixels = np.concatenate([pixels, np.zeros_like(pixels[:1])])
    upper, lower = pixels[::2], pixels[1::2]
    return _blocks(upper, lower) if colour else _letters(upper, lower)


def resized_within(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """RGB uint8 (h, w, 3) of the same proportions, at most `width` × `height` pixels;
    enlarged only by whole factors.
    """
    pixels = np.asarray(image)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[-1] not in (1, 3) or 0 in pixels.shape:
        raise DataError(
            "picture for a terminal",
            expected="uint8 (H, W), (H, W, 1) or (H, W, 3)",
            got=f"{pixels.dtype} {pixels.shape}",
        )
    pixels = np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
    rows, columns = pixels.shape[:2]
    scale = min(width / columns, height / rows)
    if scale >= 1:
        return pixels.repeat(int(scale), axis=0).repeat(int(scale), axis=1)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)


def _blocks(upper: NDArray[np.uint8], lower: NDArray[np.uint8]) -> str:
    return "\n".join(
        "".join(_cell(*above, *below) for above, below in zip(top.tolist(), bottom.tolist(), strict=True))
        + _RESET
        for top, bottom in zip(upper, lower, strict=True)
    )


def _cell(*rgb: int) -> str:
    """One half block: the upper pixel is the letter's colour, the lower one that of its background."""
    return "\x1b[38;2;{};{};{};48;2;{};{};{}m▀".format(*rgb)


def _letters(upper: NDArray[np.uint8], lower: NDArray[np.uint8]) -> str:
    light = (upper.mean(axis=2) + lower.mean(axis=2)) / 2
    rows = _LETTERS[np.clip(light * len(_LETTERS) / 256, 0, len(_LETTERS) - 1).astype(int)]
    return "\n".join("".join(row).rstrip() for row in rows)
