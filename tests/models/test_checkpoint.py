"""Checkpoints on disk: refused by name when they do not fit, never half-written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lightfast.base.errors import CheckpointError, SettingsError, StorageError, UnknownName
from lightfast.data.preprocess import Preprocess
from lightfast.models.build import find_model, fresh_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.device import resolve_device
from lightfast.models.load import load_checkpoint
from lightfast.models.registry import count_parameters


@pytest.fixture
def checkpoint() -> Checkpoint:
    network = fresh_network("mlp", "classifier", (8, 8, 1), 2, {"hidden": [4]}, 0).eval()
    return Checkpoint(
        "classifier",
        "mlp",
        (8, 8, 1),
        2,
        ("cat", "dog"),
        Preprocess.identity((8, 8, 1)),
        network,
        config={"hidden": [4]},
    )


def test_everything_travels(checkpoint: Checkpoint, tmp_path: Path):
    made = checkpoint.replace(temperature=1.5, details={"seed": 3}, history=({"epoch": 1},))
    back = load_checkpoint(made.save(tmp_path / "c"))
    for name in ("role", "model", "image_shape", "outputs", "class_names", "temperature", "preprocess"):
        assert getattr(back, name) == getattr(made, name)
    assert dict(back.details) == {"seed": 3}
    assert list(back.history) == [{"epoch": 1}]


def test_another_class_list_is_refused_by_name(checkpoint: Checkpoint):
    with pytest.raises(
        CheckpointError,
        match=r"farm has another class list.*missing there: dog; unknown to the checkpoint: cow",
    ):
        checkpoint.require_classes(("cat", "cow"), "farm")
    with pytest.raises(CheckpointError, match="same names in another order"):
        checkpoint.require_classes(("dog", "cat"), "farm")


def test_no_checkpoint_there(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"no checkpoint in .*lightfast train"):
        load_checkpoint(tmp_path / "nothing")


def test_damaged_weights_are_named(checkpoint: Checkpoint, tmp_path: Path):
    folder = checkpoint.save(tmp_path / "c")
    (folder / "weights.safetensors").write_bytes(b"junk")
    with pytest.raises(CheckpointError, match=r"weights\.safetensors is damaged"):
        load_checkpoint(folder)


def test_a_newer_format_is_refused(checkpoint: Checkpoint, tmp_path: Path):
    folder = checkpoint.save(tmp_path / "c")
    content = json.loads((folder / "checkpoint.json").read_text()) | {"format": 99}
    (folder / "checkpoint.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="newer lightfast"):
        load_checkpoint(folder)


def test_a_folder_that_cannot_be_written_is_one_line(checkpoint: Checkpoint, tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="cannot write"):
        checkpoint.save(tmp_path / "file" / "c")


def test_saving_again_replaces_whole(checkpoint: Checkpoint, tmp_path: Path):
    checkpoint.save(tmp_path / "c")
    checkpoint.replace(temperature=2.0).save(tmp_path / "c")
    assert load_checkpoint(tmp_path / "c").temperature == 2.0
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_names_roles_and_sizes_are_refused_with_a_cure():
    with pytest.raises(UnknownName, match="Did you mean"):
        find_model("resnet99", "classifier")
    with pytest.raises(SettingsError, match="is a restorer"):
        find_model("unet", "classifier")
    with pytest.raises(SettingsError, match="at least 8 × 8 pixels, got 4 × 4"):
        fresh_network("cnn", "classifier", (4, 4, 1), 2, {}, 0)
    with pytest.raises(SettingsError, match="expected auto, cpu or cuda"):
        resolve_device("tpu")


def test_parameters_of_a_dense_network_are_counted():
    assert (
        count_parameters(fresh_network("mlp", "classifier", (8, 8, 1), 2, {"hidden": [4]}, 0))
        == 64 * 4 + 4 + 4 * 2 + 2
    )


def test_preprocess_measures_the_training_pictures():
    from lightfast.data.images import ImageSet

    images = np.random.default_rng(0).integers(0, 256, (9, 5, 7, 3), dtype=np.uint8)
    measured = Preprocess.of(ImageSet(images))
    flat = images.reshape(-1, 3) / 255
    assert np.allclose(measured.mean, flat.mean(0), atol=1e-5)
    assert np.allclose(measured.std, flat.std(0), atol=1e-5)
