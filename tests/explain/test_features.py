"""The maps of a picture: which layers are shown, and that they are the network's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lightfast.base.errors import CheckpointError, DataError, SettingsError
from lightfast.data.preprocess import Preprocess, to_pixels
from lightfast.explain.features import feature_maps
from lightfast.models.build import fresh_network
from lightfast.models.checkpoint import Checkpoint

SHAPE = (16, 16, 3)
IMAGES = np.random.default_rng(0).integers(0, 256, (35, *SHAPE), dtype=np.uint8)


def checkpoint(model: str, **config) -> Checkpoint:
    network = fresh_network(model, "classifier", SHAPE, 3, config, 0)
    return Checkpoint(
        "classifier", model, SHAPE, 3, tuple("abc"), Preprocess((16, 16), 3, (0.5,) * 3, (0.2,) * 3), network
    )


def test_the_first_two_convolutions_and_every_later_stage_are_shown():
    found = feature_maps(
        checkpoint("timm:resnet10t"), np.kron(IMAGES[:2], np.ones((1, 4, 4, 1), dtype=np.uint8))
    )
    assert [layer.name for layer in found] == [
        "conv1.0",
        "conv1.3",
        "act1",
        "layer1",
        "layer2",
        "layer3",
        "layer4",
    ]
    assert found[0].maps.shape == (2, 24, 8, 8)


def test_a_vit_shows_its_patch_embedding_and_its_blocks():
    made = checkpoint(
        "timm:vit_tiny_patch16_224", img_size=16, patch_size=4, embed_dim=16, depth=3, num_heads=2
    )
    found = feature_maps(made, IMAGES[:2])
    assert [layer.name for layer in found] == ["patch_embed.proj", "blocks.0", "blocks.1", "blocks.2.norm1"]
    assert {layer.maps.shape for layer in found} == {(2, 16, 4, 4)}


def test_maps_are_those_of_the_network_for_every_picture_of_every_batch():
    made = checkpoint("cnn", widths=(4, 5, 6))
    found = {layer.name: layer.maps for layer in feature_maps(made, IMAGES)}
    network = made.torch_network.eval()
    with torch.no_grad():
        given = made.preprocess(to_pixels(torch.from_numpy(IMAGES)))
        assert np.allclose(found["features.0.0"], network.features[0][0](given).numpy(), atol=1e-5)
        assert np.allclose(found["features.4"], network.features[:5](given).numpy(), atol=1e-5)


def test_asked_layers_come_in_the_order_of_the_pass():
    found = feature_maps(checkpoint("cnn"), IMAGES[:1], ["features.4", "features.0"])
    assert [layer.name for layer in found] == ["features.0", "features.4"]


def test_no_pictures_give_no_maps():
    assert feature_maps(checkpoint("cnn"), IMAGES[:0], ["features.4"])[0].maps.shape == (0, 128, 4, 4)


def test_bad_questions_are_refused():
    with pytest.raises(SettingsError, match=r"layer=head.*Its layers: features\.0\.0, features\.0"):
        feature_maps(checkpoint("cnn"), IMAGES[:1], ["features.0", "head"])
    for model in ("mlp", "random-forest"):
        with pytest.raises(CheckpointError, match=f"{model} keeps no maps.*occlusion or lime"):
            feature_maps(checkpoint(model), IMAGES[:1])
    with pytest.raises(DataError, match="uint8"):
        feature_maps(checkpoint("cnn"), IMAGES[:1] / 255)
