"""Published classifiers: a tiny local checkpoint of the same layout as vit-base-mnist,
and one of timm's layout.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lightfast.base.errors import CheckpointError, DownloadError
from lightfast.data.images import ImageSet
from lightfast.evaluate.predict import predict
from lightfast.models import hub_checkpoint
from lightfast.models.infer import predict_logits
from lightfast.models.load import load_checkpoint

DIGITS = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 1), dtype=np.uint8)


@pytest.fixture
def vit_folder(tmp_path: Path) -> Path:
    """config.json, preprocessor_config.json and model.safetensors of a 2-layer ViT
    for 56 × 56 RGB with ten digit classes.
    """
    transformers = pytest.importorskip("transformers", reason="the extra 'hub' is not installed")
    names = {index: str(index) for index in range(10)}
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=56,
        patch_size=14,
        id2label=names,
        label2id={name: index for index, name in names.items()},
    )
    torch.manual_seed(0)
    transformers.ViTForImageClassification(config).save_pretrained(tmp_path)
    processing = {
        "size": {"height": 56, "width": 56},
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
        "do_normalize": True,
    }
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processing))
    return tmp_path


def test_grey_digits_are_read_at_the_size_and_channels_of_the_vit(vit_folder: Path):
    checkpoint = load_checkpoint(f"hf-hub:{vit_folder}")
    assert checkpoint.class_names == tuple("0123456789")
    assert checkpoint.preprocess.size == (56, 56)
    assert checkpoint.preprocess.channels == 3
    read = predict(checkpoint, ImageSet(DIGITS, tuple("0123456789"), np.arange(4)))
    assert read.pred_probs.shape == (4, 10)


def test_the_logits_are_those_of_transformers_itself(vit_folder: Path):
    transformers = pytest.importorskip("transformers", reason="the extra 'hub' is not installed")
    model = transformers.AutoModelForImageClassification.from_pretrained(vit_folder).eval()
    pixels = torch.from_numpy(DIGITS).permute(0, 3, 1, 2).float() / 255
    large = torch.nn.functional.interpolate(
        pixels.expand(-1, 3, -1, -1), size=(56, 56), mode="bilinear", antialias=True
    )
    with torch.no_grad():
        expected = model(pixel_values=(large - 0.5) / 0.5).logits.numpy()
    assert np.allclose(predict_logits(load_checkpoint(f"hf-hub:{vit_folder}"), DIGITS), expected, atol=1e-4)


def test_a_hub_classifier_saved_as_checkpoint_reads_the_same(vit_folder: Path, tmp_path: Path):
    checkpoint = load_checkpoint(f"hf-hub:{vit_folder}")
    again = load_checkpoint(checkpoint.save(tmp_path / "own" / "checkpoint").parent)
    assert np.array_equal(predict_logits(checkpoint, DIGITS), predict_logits(again, DIGITS))


def test_timm_layout(tmp_path: Path):
    import timm

    network = timm.create_model("resnet10t", num_classes=3, in_chans=3)
    save_file(
        {key: tensor.contiguous() for key, tensor in network.state_dict().items()},
        tmp_path / "model.safetensors",
    )
    config = {
        "architecture": "resnet10t",
        "num_classes": 3,
        "label_names": ["a", "b", "c"],
        "pretrained_cfg": {"input_size": [3, 32, 32], "mean": [0.5] * 3, "std": [0.5] * 3},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    checkpoint = load_checkpoint(f"hf-hub:{tmp_path}")
    assert checkpoint.class_names == ("a", "b", "c")
    assert predict_logits(checkpoint, DIGITS).shape == (4, 3)


def test_a_folder_without_a_config_is_refused(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        load_checkpoint(f"hf-hub:{tmp_path}")


def test_a_name_that_cannot_be_fetched_names_the_cure(monkeypatch: pytest.MonkeyPatch):
    import huggingface_hub

    def unreachable(*_: object, **__: object) -> str:
        raise OSError("connection refused")

    monkeypatch.setattr(hub_checkpoint, "hub_answers", lambda: True)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(
        DownloadError, match=r"hf-hub:nobody/vit could not be fetched.*or give a local folder"
    ):
        load_checkpoint("hf-hub:nobody/vit")


def test_without_the_hub_only_its_cache_is_looked_into(monkeypatch: pytest.MonkeyPatch):
    import huggingface_hub

    def cached(*_: object, local_files_only: bool, **__: object) -> str:
        assert local_files_only
        raise OSError("no such snapshot")

    monkeypatch.setattr(hub_checkpoint, "hub_answers", lambda: False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", cached)
    with pytest.raises(DownloadError, match="the hub does not answer, and its cache holds no copy"):
        load_checkpoint("hf-hub:nobody/vit")
