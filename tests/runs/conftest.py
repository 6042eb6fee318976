"""Run folders of the easy blobs, trained once and copied for every file of tests:
a scoring leaves its record in the run.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lightfast.data.export import save_npz
from lightfast.data.images import ImageSet


@pytest.fixture(scope="session")
def blob_file(blobs: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The blobs as an `.npz` without official parts."""
    return str(save_npz(tmp_path_factory.mktemp("data") / "blobs.npz", blobs))


@pytest.fixture(scope="session")
def trained_run(blob_file: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run: a small dense network, two epochs."""
    from lightfast.runs.options import RunOptions
    from lightfast.runs.train import train_run
    from lightfast.train.recipe import Recipe

    folder = tmp_path_factory.mktemp("runs") / "blobs"
    recipe = Recipe.of(epochs=2, batch_size=16, learning_rate=1e-2)
    train_run(
        blob_file, RunOptions(out=folder, command="lightfast train blobs.npz"), model="mlp", recipe=recipe
    )
    return folder


@pytest.fixture(scope="module")
def run(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, the own copy of each file of tests."""
    return Path(shutil.copytree(trained_run, tmp_path_factory.mktemp("run") / trained_run.name))


@pytest.fixture(scope="module")
def refused(run: Path, blob_file: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unbent run is right on every validation picture: nothing can be shown to help."""
    from lightfast.runs.enhance import enhance_run
    from lightfast.runs.enhance_options import EnhanceOptions
    from lightfast.runs.options import RunOptions

    folder = tmp_path_factory.mktemp("enhanced") / "refused"
    enhance_options = EnhanceOptions(
        strengths=(0.1,), settings=("epochs=1", "enhancer.width=2", "enhancer.depth=1"), degrade="none"
    )
    assert not enhance_run(
        str(run), blob_file, RunOptions(out=folder), enhance_options=enhance_options
    ).accepted
    return folder
