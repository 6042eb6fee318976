"""What to do with numbers that are not class probabilities yet, read off their shape, type and range.

A cure is Python that makes the probabilities of the array `x`; where the numbers cannot tell which of several
is right, all are said, each with what has to be true.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Rows of numbers rounded to two digits sum to 1 within this share.
_ROUNDED = 0.05
_SHARED_OUT = "x / x.sum(axis=1, keepdims=True)"
_SOFTMAX = "scipy.special.softmax(x, axis=1)"
_SIGMOID = "scipy.special.expit(x)"


def columns_cure(given: NDArray[Any], num_classes: int) -> str:
    """How to bring `given` to floats (N, num_classes); empty where its shape does not tell."""
    numbers, shape = given.dtype.kind in "biuf", given.shape
    if numbers and shape[1:] == (num_classes,):
        return "Make them floats: x.astype('float32')."
    if given.ndim == 2 and shape[0] == num_classes:
        return "One row a picture: x.T."
    if shape == (num_classes,):
        return "One picture: x[None]."
    if num_classes == 2 and (given.ndim == 1 or shape[1:] == (1,)):
        pairs = "numpy.stack([1 - x.ravel(), x.ravel()], axis=1)"
        return f"If these are probabilities of the second class: {pairs}."
    return "Give one column a class name, in their order." if given.ndim == 2 else ""


def rows_cure(given: NDArray[np.floating]) -> str:
    """How to make rows of finite numbers (N, K) sum to 1."""
    sums, low, high = given.sum(axis=1, dtype=np.float64), float(given.min()), float(given.max())
    columns = given.sum(axis=0, dtype=np.float64)
    if low >= 0 and given.shape[0] == given.shape[1] and np.allclose(columns, 1, atol=_ROUNDED):
        return "The columns sum to 1: x.T."
    if high <= 0 and np.allclose(np.exp(given.astype(np.float64)).sum(axis=1), 1, atol=_ROUNDED):
        return "These are logarithms of probabilities: numpy.exp(x)."
    if low >= 0 and (middle := float(np.median(sums))) > 0 and np.allclose(sums, middle, rtol=_ROUNDED):
        what = "They were rounded" if abs(middle - 1) <= _ROUNDED else f"All rows sum to about {middle:.4g}"
        return f"{what}: {_SHARED_OUT}."
    return _unequal_cure(low, high, bool(sums.min() > 0))


def _unequal_cure(low: float, high: float, counts: bool) -> str:
    """For rows of different sums, of numbers from `low` to `high`."""
    if low >= 0 and high <= 1:
        return (
            "Numbers in 0..1 with other sums are probabilities label by label: keep them as "
            "TagPredictions, or add the columns that are missing."
        )
    shared = f"; if they are counts: {_SHARED_OUT}" * (low >= 0 and counts)
    return f"If they are logits: {_SOFTMAX}{shared}."


def labels_cure(given: NDArray[np.floating]) -> str:
    """How to bring numbers (N, K), one a label, into 0..1."""
    if not np.isfinite(given).all():
        return "The model's weights or its input are not finite."
    low, high = float(given.min()), float(given.max())
    if low >= 0 and high <= 100:
        return f"If they are percentages: x / 100; if they are logits: {_SIGMOID}."
    if high <= 0:
        return f"If they are logarithms of probabilities: numpy.exp(x); if they are logits: {_SIGMOID}."
    return f"If they are logits: {_SIGMOID}."
