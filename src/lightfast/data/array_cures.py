"""What to do with an array that is not pictures as they rest here, uint8 (N, H, W, C): read off its type,
its range and its shape.

A cure is Python that makes the right pictures of the array `x`. Where the array cannot tell which of several
is right, all of them are said, each with what has to be true.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CHANNELS = (1, 3)
# Resizing with cubic filters goes past both ends by up to about a tenth of the range.
_OVERSHOOT = 0.1
_LEAST_SIDE = 8
"""Pixels: rows of fewer are not taken for pictures that lost their shape."""
_SEEN_BYTES = 128
"""Floats that reach it, and not much more than 255, have their white at 255: no other scale ends there."""
_BIT_DEPTHS = (10, 12, 14)

Cures = Sequence[tuple[str, str]]
"""(what has to be true or what is done, Python that then makes the pictures)."""


def picture_cure(images: Any) -> str:
    """`dtype_cure`, or `shape_cure` where the type is right."""
    return dtype_cure(images) or shape_cure(images)


def dtype_cure(images: Any) -> str:
    """How to make 0..255 as uint8 of `images`, in one sentence; empty for uint8."""
    if not isinstance(images, np.ndarray):
        return "Give a NumPy array: numpy.asarray(x)."
    if images.dtype == np.uint8:
        return ""
    if images.dtype.kind not in "biuf":
        return "Give numbers, all pictures of one size: numpy.array(x.tolist())."
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        return "The array holds NaN or infinity: find out where they come from before going on."
    if not images.size:
        return "There is no value: x.astype('uint8')."
    low, high = float(images.min()), float(images.max())
    found = _float_cures(low, high) if images.dtype.kind == "f" else _whole_cures(images.dtype, low, high)
    if found:
        return _said(found)
    return (
        f"The values run from {low:.4g} to {high:.4g}, so something was subtracted or divided: undo that "
        "first, so that 0 is black and 255 white."
    )


def _float_cures(low: float, high: float) -> Cures:
    """For finite floats from `low` to `high`; none where their scale cannot be seen."""
    unit, byte = 1 + _OVERSHOOT, 255 * (1 + _OVERSHOOT)
    if low >= -_OVERSHOOT and high <= unit:
        return [("From 0..1", "(x.clip(0, 1) * 255).round().astype('uint8')")]
    if low >= -unit and high <= unit:
        halves = (
            "If -0.5 is black and 0.5 white",
            "((x.clip(-0.5, 0.5) + 0.5) * 255).round().astype('uint8')",
        )
        ones = ("If -1 is black and 1 white", "((x.clip(-1, 1) + 1) * 127.5).round().astype('uint8')")
        return [ones, halves] if max(-low, high) <= 0.5 + _OVERSHOOT else [ones]
    if low >= 255 - byte and _SEEN_BYTES <= high <= byte:
        return [("From 0..255", "x.clip(0, 255).round().astype('uint8')")]
    if low < 0:
        return []
    if high > byte:
        return _deep(high)
    percent = [("If 100 is white", "(x * 2.55).round().astype('uint8')")] * (high <= 100)
    return [("If 255 is white", "x.round().astype('uint8')"), *percent]


def _whole_cures(dtype: np.dtype, low: float, high: float) -> Cures:
    if dtype.kind == "b":
        return [("From False and True", "x.astype('uint8') * 255")]
    if low < 0:
        shifted = ("If 0 is middle grey", "(x.astype('int16') + 128).astype('uint8')")
        bytes_read = ("If these are bytes read with a sign", "x.astype('int8').view('uint8')")
        return [shifted, bytes_read] if low >= -128 and high <= 127 else []
    if high <= 1:
        black = ("If 1 is white", "x.astype('uint8') * 255")
        return [black, ("If 255 is white", "x.astype('uint8')")]
    return [("From 0..255", "x.astype('uint8')")] if high <= 255 else _deep(high)


def _deep(high: float) -> Cures:
    """More than 8 bits a value: the white of every bit depth that holds `high`."""
    whites = [2**bits - 1 for bits in _BIT_DEPTHS if high < 2**bits] + [65535] * (high <= 65535)
    return [
        (f"If {white} is white", f"(x.astype('float64') * 255 / {white}).round().astype('uint8')")
        for white in whites
    ]


def is_one_picture(images: NDArray[Any]) -> bool:
    """Whether three axes are (H, W, C) of one picture, not (N, H, W): no grey picture of some height is 1, 3
    or 4 pixels wide.
    """
    return images.ndim == 3 and images.shape[2] in (1, 3, 4) and min(images.shape[:2]) >= _LEAST_SIDE


def shape_cure(images: NDArray[Any]) -> str:
    """How to bring an array to (N, H, W, C), in one sentence."""
    shape = images.shape
    if images.ndim == 2:
        found = [*_row_cures(shape[1]), ("One grey picture", "x[None, ..., None]")]
    elif images.ndim == 1:
        found = [
            (f"One picture, {words}", code.replace("-1", "1", 1)) for words, code in _row_cures(shape[0])
        ]
    elif images.ndim == 3:
        found = _three_axes(shape)
    elif images.ndim == 4:
        found = _four_axes(shape)
    else:
        found = (
            [("Batches of pictures", f"x.reshape(-1, {', '.join(map(str, shape[-3:]))})")]
            if images.ndim
            else []
        )
    return _said(found) if found else "Put the pictures first, the channels last: one (grey) or three (RGB)."


def _row_cures(pixels: int) -> list[tuple[str, str]]:
    """For rows of so many values: squares, grey or in colour."""
    found: list[tuple[str, str]] = []
    for channels in _CHANNELS:
        side = math.isqrt(pixels // channels)
        if side < _LEAST_SIDE or side * side * channels != pixels:
            continue
        if channels == 1:
            found.append(("Rows of grey pixels", f"x.reshape(-1, {side}, {side}, 1)"))
        else:
            planes = f"x.reshape(-1, 3, {side}, {side}).transpose(0, 2, 3, 1)"
            found.append(("Rows with the channels one after the other, as CIFAR has them", planes))
            found.append(("Rows with the colours pixel by pixel", f"x.reshape(-1, {side}, {side}, 3)"))
    return found


def _three_axes(shape: tuple[int, ...]) -> list[tuple[str, str]]:
    if shape[2] in _CHANNELS:
        return [("One picture", "x[None]")]
    if shape[2] == 4:
        return [("One picture, its transparency left out", "x[None, ..., :3]")]
    several = [("Grey pictures", "x[..., None]")]
    if shape[0] == 3:
        return [*several, ("One picture with the channels first", "x.transpose(1, 2, 0)[None]")]
    return several


def _four_axes(shape: tuple[int, ...]) -> list[tuple[str, str]]:
    if shape[3] == 4:
        return [("With the transparency left out", "x[..., :3]")]
    if shape[3] == 2:
        return [("Grey with its transparency left out", "x[..., :1]")]
    if shape[1] in _CHANNELS:
        return [("The channels last", "x.transpose(0, 2, 3, 1)")]
    if shape[1] == 4:
        return [("The channels last, the transparency left out", "x.transpose(0, 2, 3, 1)[..., :3]")]
    if shape[2] in _CHANNELS:
        return [("The pictures first (MATLAB has them last)", "x.transpose(3, 0, 1, 2)")]
    if shape[0] in _CHANNELS:
        return [("The channels last", "x.transpose(1, 2, 3, 0)")]
    return []


def _said(cures: Cures) -> str:
    return "; ".join(f"{words}: {code}" for words, code in cures) + "."
