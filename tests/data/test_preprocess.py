"""Rows as tensors: shared where they can be, copied where sharing would warn or break."""

from __future__ import annotations

import warnings

import numpy as np
import torch

from lightfast.data.preprocess import to_tensor


def test_writable_rows_are_shared():
    images = np.zeros((2, 3, 3, 1), dtype=np.uint8)
    to_tensor(images)[0, 0, 0, 0] = 7
    assert images[0, 0, 0, 0] == 7


def test_rows_that_are_read_only_or_have_gaps_are_copied_without_a_warning():
    images = np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4, 1)
    closed = images.copy()
    closed.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tensor = to_tensor(closed)
        tensor[0] = 9
        gaps = to_tensor(images[:, ::2])
    assert (closed == images).all()
    assert torch.equal(gaps, torch.from_numpy(images[:, ::2].copy()))
