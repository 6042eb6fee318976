"""Every registered model keeps one contract: shape, gradient, determinism, a way through the disk,
grey and RGB, odd sizes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lightfast.data.preprocess import Preprocess
from lightfast.models import (  # noqa: F401
    aligned,
    autoencoders,
    backbones,
    classifiers,
    enhanced,
    feature_denoising,
    forest,
    hub,
    papers,
    restorers,
    transfer,
    whitened,
)
from lightfast.models.build import find_model, fresh_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.forest import Forest
from lightfast.models.infer import predict_logits, restore
from lightfast.models.load import load_checkpoint
from lightfast.models.registry import MODELS
from lightfast.models.transfer import preprocess_of

# `enhanced` is made of two networks that are there, see tests/models/test_enhanced.py.
CONCRETE = [
    spec
    for spec in MODELS
    if spec.role == "classifier"
    and not spec.name.endswith(":")
    and spec.name not in ("hub-transformers", "enhanced")
]
# Of the papers' backbones the lightest: the others are the same code on backbones of 100 MB and more, see
# tests/models/test_transfer.py.
NAMES = [spec.name for spec in CONCRETE if not spec.transfer or spec.name == "lite0"] + [
    "timm:resnet10t",
    "backbone:resnet10t",
]
RESTORERS = [spec.name for spec in MODELS if spec.role == "restorer" and not spec.name.endswith(":")] + [
    "own:2-2",
    "own:3-1",
    "own:1-4",
]
SHAPES = [(16, 16, 1), (28, 21, 3), (64, 64, 3)]


LEAST = {"cnn-3": 18, "cnn-4": 26}
"""Sides that the papers' valid convolutions and pools need."""


def fitting(name: str, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    least = LEAST.get(name, 1)
    return max(shape[0], least), max(shape[1], least), shape[2]


def classifier(name: str, shape: tuple[int, int, int]) -> Checkpoint:
    network = fresh_network(name, "classifier", shape, 4, {}, 0)
    if isinstance(network, Forest):
        rng = np.random.default_rng(0)
        network.fit(rng.integers(0, 256, (20, *shape), dtype=np.uint8), np.arange(20) % 4, 0)
    else:
        # As every fit leaves it; another order in memory sums in another order.
        network = network.to(memory_format=torch.channels_last)
    own = find_model(name, "classifier").transfer
    preprocess = preprocess_of(name, shape, {}) if own else Preprocess.identity(shape)
    return Checkpoint("classifier", name, shape, 4, tuple("abcd"), preprocess, network)


def pictures(shape: tuple[int, int, int], count: int = 5) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, *shape), dtype=np.uint8)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_a_classifier_gives_finite_logits_and_leaves_the_input_alone(name: str, shape: tuple[int, int, int]):
    shape = fitting(name, shape)
    images = pictures(shape)
    before = images.copy()
    logits = predict_logits(classifier(name, shape), images)
    assert logits.shape == (5, 4)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    assert (images == before).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_classifier_comes_back_from_disk_bit_for_bit(name: str, tmp_path: Path):
    shape = fitting(name, (16, 16, 1))
    made = classifier(name, shape)
    made.save(tmp_path / "checkpoint")
    back = load_checkpoint(tmp_path)
    assert (predict_logits(made, pictures(shape)) == predict_logits(back, pictures(shape))).all()
    assert {path.suffix for path in (tmp_path / "checkpoint").iterdir()} <= {
        ".safetensors",
        ".skops",
        ".json",
    }


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("random-forest")])
def test_the_seed_decides_the_weights_and_the_global_generator_stays(name: str):
    state = torch.random.get_rng_state()
    first, same, other = (
        fresh_network(name, "classifier", fitting(name, (16, 16, 1)), 4, {}, seed).state_dict()
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (33, 17, 3), (64, 64, 3)], ids=str)
@pytest.mark.parametrize("name", RESTORERS)
def test_a_restorer_keeps_shape_range_and_input(name: str, shape: tuple[int, int, int]):
    network = fresh_network(name, "restorer", shape, 0, {}, 0)
    made = Checkpoint("restorer", name, shape, 0, (), Preprocess.identity(shape), network.eval())
    images = pictures(shape)
    before = images.copy()
    restored = restore(made, images)
    assert restored.shape == images.shape
    assert restored.dtype == np.uint8
    assert (restored == restore(made, images)).all()
    assert (images == before).all()


@pytest.mark.parametrize("config", [{}, {"norm": False}, {"norm": False, "stem": 3, "depth": 1}], ids=str)
def test_an_untrained_unet_changes_nothing(config: dict):
    network = fresh_network("unet", "restorer", (28, 28, 1), 0, config, 0).eval()
    images = torch.rand(3, 1, 28, 28)
    assert torch.equal(network(images), images)
    assert any(isinstance(part, torch.nn.BatchNorm2d) for part in network.modules()) == config.get(
        "norm", True
    )


def test_an_untrained_unet_with_levels_changes_nothing():
    network = fresh_network("levels-unet", "restorer", (28, 28, 3), 0, {}, 0).eval()
    images = torch.rand(3, 3, 28, 28)
    assert (network(images) - images).abs().max() < 1e-6


def test_a_unet_with_levels_learns_to_undo_low_contrast():
    """Each picture by its own factor: no filter can, and a network of the whole picture can."""
    torch.manual_seed(0)
    clean = torch.rand(64, 1, 16, 16)
    given = (clean - 0.5) * torch.rand(64, 1, 1, 1).add(0.1) + 0.5
    network = fresh_network("levels-unet", "restorer", (16, 16, 1), 0, {"width": 4, "depth": 1}, 0)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(150):
        loss = (network(given) - clean).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1 * (given - clean).square().mean()
