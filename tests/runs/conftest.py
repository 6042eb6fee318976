"""Run folders of the easy blobs, made once and shared by tests that do not change them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightfast.data.export import save_npz
from lightfast.data.images import ImageSet


@pytest.fixture(scope="session")
def blob_file(blobs: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The blobs as an `.npz` without official parts."""
    return str(save_npz(tmp_path_factory.mktemp("data") / "blobs.npz", blobs))


@pytest.fixture(scope="session")
def run(blob_file: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run: a small dense network, two epochs."""
    from lightfast.runs.folder import RunOptions
    from lightfast.runs.train import train_run
    from lightfast.train.recipe import Recipe

    folder = tmp_path_factory.mktemp("runs") / "blobs"
    recipe = Recipe.of(epochs=2, batch_size=16, learning_rate=1e-2)
    train_run(blob_file, RunOptions(out=folder, command="lightfast train blobs.npz"), model="mlp", recipe=recipe)
    return folder
