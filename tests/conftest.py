"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from lightfast.data.images import ImageSet

# Derandomised, so that a red run can be repeated; no deadline, because shared machines stall.
settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")


@pytest.fixture(scope="session", autouse=True)
def cache_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Decoded pictures are cached in a folder of this session, never in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIGHTFAST_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data sets (`NAME.npz` files and picture trees)."""
    folder = os.environ.get("LIGHTFAST_DATA")
    if not folder:
        pytest.skip("LIGHTFAST_DATA is not set: no folder with real data sets")
    if not Path(folder).is_dir():
        pytest.skip(f"LIGHTFAST_DATA={folder} is not a folder")
    return Path(folder)


@pytest.fixture(autouse=True)
def one_torch_thread() -> Iterator[None]:
    """Tests run a worker a core, so torch computes on one thread.

    Tests that have not imported torch do not pay for it.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def blobs() -> ImageSet:
    """120 grey 12 × 12 pictures of three classes (a bright bar on the left, in the middle,
    on the right) with noise: easy to learn.
    """
    rng = np.random.default_rng(5)
    labels = np.arange(120) % 3
    images = rng.integers(0, 60, (120, 12, 12, 1))
    for row, label in enumerate(labels):
        images[row, 2:10, 1 + 4 * label : 3 + 4 * label] += 180
    return ImageSet(images.astype(np.uint8), ("left", "middle", "right"), labels, name="blobs")


class Fits:
    """Counts the fits of all plans from here on; fit number `kill_at` is interrupted, as by Ctrl-C."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kill_at: int) -> None:
        from lightfast.train.fit import ClassifierPlan

        fit = ClassifierPlan.fit
        self.count = 0

        def counted(plan, *given):
            self.count += 1
            if self.count == kill_at:
                raise KeyboardInterrupt
            return fit(plan, *given)

        monkeypatch.setattr(ClassifierPlan, "fit", counted)


@pytest.fixture
def killed_fits(monkeypatch: pytest.MonkeyPatch):
    """`killed_fits(n)` interrupts the n-th fit and counts all of them (`count`)."""
    return lambda kill_at: Fits(monkeypatch, kill_at)
