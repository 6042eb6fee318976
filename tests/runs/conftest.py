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


@pytest.fixture(scope="session")
def predict_run():
    """(run, paths, options) → predictions by torch, and the files that could not be read."""
    from lightfast.evaluate.predict import predict
    from lightfast.models.load import load_classifier
    from lightfast.runs.pictures import load_pictures

    def by_torch(run, paths, options):
        classifier = load_classifier(run, options.device)
        given = load_pictures(paths, classifier, options)
        return predict(classifier, given.images), given.unreadable

    return by_torch


@pytest.fixture(scope="module")
def run(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, the own copy of each file of tests."""
    return Path(shutil.copytree(trained_run, tmp_path_factory.mktemp("run") / trained_run.name))
