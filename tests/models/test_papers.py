"""The papers' networks: sizes as published, noise in training only, and all of them learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lightfast.base.errors import SettingsError
from lightfast.data.images import ImageSet
from lightfast.models import classifiers, papers  # noqa: F401
from lightfast.models.build import build_network, fresh_network
from lightfast.models.classifiers import MLP
from lightfast.models.forest import Forest
from lightfast.models.papers import GaussianNoise, LayeredCNN
from lightfast.models.registry import MODELS, count_parameters
from lightfast.train.fit import fit
from lightfast.train.recipe import Recipe

DRAWING = (28, 28, 1)
PAPERS = [spec.name for spec in MODELS if spec.name.startswith(("cnn-", "drawing-", "svhn-"))]


@pytest.fixture(scope="module")
def tiny(blobs: ImageSet) -> ImageSet:
    """40 blobs on a 16 × 16 ground."""
    return ImageSet(
        np.pad(blobs.images[:40], ((0, 0), (2, 2), (2, 2), (0, 0))),
        blobs.class_names,
        blobs.require_labels()[:40],
    )


@pytest.mark.parametrize(
    ("name", "parameters"), [("drawing-fc", 20_067), ("drawing-cnn-1", 320_890), ("drawing-cnn-2", 19_322)]
)
def test_the_drawing_networks_have_exactly_the_papers_parameters(name: str, parameters: int):
    network = build_network(name, "classifier", DRAWING, 10)
    assert count_parameters(network) == parameters
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_the_letters_networks_have_their_number_of_convolutions_with_noise_batch_norm_and_dropout(
    layers: int,
):
    network = build_network(f"cnn-{layers}", "classifier", DRAWING, 47)
    kinds = [type(part) for part in network.modules()]
    assert kinds.count(torch.nn.Conv2d) == kinds.count(torch.nn.BatchNorm2d) == layers
    assert {part.p for part in network.modules() if isinstance(part, torch.nn.Dropout)} == {0.3}
    assert [part.deviation for part in network.modules() if isinstance(part, GaussianNoise)] == [0.1]
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 47)


def test_noise_is_silent_when_reading_and_a_tenth_when_learning():
    noise, pictures = (
        GaussianNoise(0.1),
        torch.rand(20, 1, 64, 64, generator=torch.Generator().manual_seed(1)),
    )
    assert torch.equal(noise.eval()(pictures), pictures)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        added = noise.train()(pictures) - pictures
    # 81,920 numbers: the standard error of their standard deviation is 0.00025.
    assert float(added.std()) == pytest.approx(0.1, abs=0.001)
    assert float(added.mean()) == pytest.approx(0, abs=0.002)
    assert torch.equal(GaussianNoise(0.0).train()(pictures), pictures)


def test_a_network_in_training_reads_another_noise_every_time_and_the_same_when_reading():
    network, pictures = LayeredCNN(DRAWING, 3, layers=1, dropout=0.0), torch.rand(4, 1, 28, 28)
    assert not torch.equal(network(pictures), network(pictures))
    network.eval()
    assert torch.equal(network(pictures), network(pictures))


@pytest.mark.parametrize("name", PAPERS)
def test_every_network_of_the_papers_trains_an_epoch(name: str, tiny: ImageSet):
    made = fit(tiny, tiny, model=name, recipe=Recipe.of(epochs=1, batch_size=20))
    assert len(made.history) == 1
    assert np.isfinite(made.history[0]["val_loss"])
    fresh = fresh_network(name, "classifier", tiny.image_shape, 3, {}, 0).state_dict()
    assert all(
        (tensor != fresh[key]).any()
        for key, tensor in made.torch_network.named_parameters()
        if tensor.ndim > 1
    )


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("cnn-1", {"layers": 5}, r"layers=5 \(layers is 1 to 4\)"),
        ("mlp", {"activation": "gelu"}, r"activation='gelu' \(activation is one of relu, tanh, sigmoid\)"),
    ],
)
def test_a_setting_that_cannot_be_built_is_one_line(name: str, config: dict, message: str):
    with pytest.raises(SettingsError, match=message):
        build_network(name, "classifier", DRAWING, 10, config)


@pytest.mark.parametrize(
    ("name", "smallest"), [("cnn-4", 16), ("drawing-cnn-1", 8), ("drawing-cnn-2", 4), ("svhn-cnn", 4)]
)
def test_pictures_that_are_too_small_are_refused(name: str, smallest: int):
    build_network(name, "classifier", (smallest, smallest, 1), 3)
    with pytest.raises(SettingsError, match=f"pictures of at least {smallest} × {smallest} pixels"):
        build_network(name, "classifier", (smallest, smallest - 1, 1), 3)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_the_dense_network_has_the_activation_that_was_asked_for(activation: str):
    network = MLP((4, 4, 1), 3, hidden=[5], dropout=0.0, activation=activation).eval()
    first, last = (part for part in network.layers if isinstance(part, torch.nn.Linear))
    pictures = torch.randn(6, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    wanted = (
        getattr(torch, activation)(pictures.flatten(1) @ first.weight.T + first.bias) @ last.weight.T
        + last.bias
    )
    torch.testing.assert_close(network(pictures), wanted)


@pytest.mark.parametrize(
    ("name", "criterion"), [("random-forest-80", "gini"), ("random-forest-80-entropy", "entropy")]
)
def test_the_papers_forests_have_depth_80_and_their_criterion(name: str, criterion: str):
    forest = build_network(name, "classifier", DRAWING, 47)
    assert isinstance(forest, Forest)
    asked = forest.model.get_params()
    assert (asked["max_depth"], asked["criterion"], asked["n_estimators"]) == (80, criterion, 100)
    forest = build_network(name, "classifier", (4, 4, 1), 2, {"trees": 3})
    forest.fit(
        np.random.default_rng(0).integers(0, 256, (200, 4, 4, 1), dtype=np.uint8), np.arange(200) % 2, 0
    )
    assert {tree.criterion for tree in forest.model.estimators_} == {criterion}
    assert len(forest.model.estimators_) == 3
