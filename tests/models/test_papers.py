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
from lightfast.studies.emnist.networks import DENSE_ACTIVATIONS
from lightfast.train.fit import fit
from lightfast.train.recipe import Recipe

DRAWING = (28, 28, 1)
PAPERS = [spec.name for spec in MODELS if spec.name.startswith(("cnn-", "drawing-", "svhn-"))]


@pytest.fixture(scope="module")
def tiny(blobs: ImageSet) -> ImageSet:
    """40 blobs on a 28 × 28 ground."""
    return ImageSet(
        np.pad(blobs.images[:40], ((0, 0), (8, 8), (8, 8), (0, 0))),
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


def _layers(network: torch.nn.Module) -> list[str]:
    """The leaves in the order of the computation, each with what its paper says of it."""
    found: list[str] = []

    def note(part: torch.nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        match part:
            case torch.nn.Conv2d():
                size, pad = "x".join(map(str, (*part.kernel_size, part.out_channels))), part.padding[0]
                text = f"conv {size} pad {pad}"
            case torch.nn.MaxPool2d():
                text = f"max-pool {part.kernel_size}"
            case torch.nn.Linear():
                text = f"dense {part.out_features}"
            case torch.nn.Dropout():
                text = f"dropout {part.p}"
            case GaussianNoise():
                text = f"noise {part.deviation}"
            case _:
                text = type(part).__name__
        found.append(text)

    hooks = [part.register_forward_hook(note) for part in network.modules() if not list(part.children())]
    network.eval()(torch.zeros(1, 1, 28, 28))
    for hook in hooks:
        hook.remove()
    return found


_TWO = "conv 3x3x32 pad 0, ReLU, max-pool 2, conv 3x3x64 pad 0, ReLU, max-pool 2, Flatten"
_THREE = (
    "noise 0.1, conv 3x3x32 pad 0, ReLU, BatchNorm2d, max-pool 2, dropout 0.3, "
    "conv 3x3x64 pad 0, ReLU, BatchNorm2d, max-pool 2, dropout 0.3, "
    "conv 2x2x128 pad 0, ReLU, BatchNorm2d, max-pool 2, dropout 0.3"
)
PUBLISHED = {
    "drawing-fc": "Flatten, dense 25, ReLU, dense 12, ReLU, dense 10",
    "drawing-cnn-1": "conv 3x3x4 pad 0, ReLU, conv 2x2x8 pad 0, ReLU, Flatten, dense 64, ReLU, dense 10",
    "drawing-cnn-2": "conv 3x3x4 pad 0, ReLU, max-pool 2, conv 2x2x8 pad 0, ReLU, max-pool 2, Flatten, "
    "dense 64, "
    "ReLU, dense 10",
    "cnn-1": "conv 3x3x32 pad 0, ReLU, max-pool 2, Flatten, dense 128, ReLU, dense 10",
    "cnn-2": f"{_TWO}, dense 128, ReLU, dense 10",
    "cnn-3": f"{_THREE}, Flatten, dense 128, ReLU, dropout 0.3, dense 10",
    "cnn-4": f"{_THREE}, conv 2x2x128 pad 0, ReLU, Flatten, dense 128, ReLU, dropout 0.3, dense 10",
    "svhn-cnn": "conv 5x5x32 pad 2, ReLU, BatchNorm2d, conv 5x5x64 pad 2, ReLU, dropout 0.2, max-pool 2, "
    "conv 1x1x32 pad 0, ReLU, Flatten, dense 10",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_papers_network_has_its_published_layers_in_their_order(name: str):
    layers = _layers(build_network(name, "classifier", DRAWING, 10))
    assert ", ".join(one for one in layers if one != "Identity") == PUBLISHED[name]


def test_the_letters_papers_dense_network_is_one_layer_of_128():
    row = next(row for row in DENSE_ACTIVATIONS if row.part == "mlp-relu")
    network = build_network(row.model, "classifier", DRAWING, 10, dict(row.config))
    drawn = [one for one in _layers(network) if one != "dropout 0.0"]
    assert drawn == ["Flatten", "dense 128", "ReLU", "dense 10"]


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
    network, pictures = LayeredCNN(DRAWING, 3, layers=3, dropout=0.0), torch.rand(4, 1, 28, 28)
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
    ("name", "smallest"),
    [("cnn-4", 26), ("cnn-2", 10), ("drawing-cnn-1", 4), ("drawing-cnn-2", 8), ("svhn-cnn", 4)],
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
