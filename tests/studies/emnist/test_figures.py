from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from lightfast.studies.emnist.figures import pooled_maps


def test_pooled_maps_are_those_of_torchs_max_pool():
    maps = np.random.default_rng(0).normal(size=(2, 3, 11, 26)).astype(np.float32)
    assert np.array_equal(pooled_maps(maps), functional.max_pool2d(torch.from_numpy(maps), 2).numpy())
