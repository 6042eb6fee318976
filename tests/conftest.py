"""Fixtures that every room's tests share."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
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


_READ_ONLY: list[str] = []
"""Folders that `read_only` has closed."""
_CHANGES = {"open": 1, "os.mkdir": 1, "os.remove": 1, "os.rmdir": 1, "os.rename": 2}
"""Event of Python's audit → how many of its first arguments are paths that change."""


def _refuse_changes(event: str, args: tuple) -> None:
    if not _READ_ONLY or event not in _CHANGES:
        return
    if event == "open" and not args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        return
    for path in args[: _CHANGES[event]]:
        text = "" if isinstance(path, int) else str(Path(os.fsdecode(path)).absolute())
        if any(text == place or text.startswith(place + os.sep) for place in _READ_ONLY):
            raise OSError(errno.EROFS, "Read-only file system", path)


@pytest.fixture(scope="session")
def audited() -> None:
    """Python asks `_refuse_changes` before it changes a file; this cannot be taken back."""
    sys.addaudithook(_refuse_changes)


@pytest.fixture
def read_only(audited: None) -> Iterator[Callable[[Path], Path]]:
    """`read_only(folder)`: from here on nothing in it can be made, changed or removed, as on a file system
    that is mounted so; also for root, whom rights do not bind.
    """

    def close(folder: Path) -> Path:
        _READ_ONLY.append(str(folder.absolute()))
        return folder

    yield close
    _READ_ONLY.clear()


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
