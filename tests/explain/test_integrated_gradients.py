"""Integrated gradients: what it adds up to, and what it says of networks whose answer is known."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from lightfast.data.preprocess import Preprocess, to_pixels
from lightfast.explain.attribution import explain
from lightfast.explain.methods import ExplainSettings
from lightfast.models.build import fresh_network
from lightfast.models.checkpoint import Checkpoint

SHAPE = (12, 10, 3)
IMAGES = np.random.default_rng(0).integers(0, 256, (3, *SHAPE), dtype=np.uint8)
TARGETS = np.array([0, 2, 1])


def checkpoint(network: nn.Module, preprocess: Preprocess | None = None) -> Checkpoint:
    return Checkpoint(
        "classifier", "own", SHAPE, 3, tuple("abc"), preprocess or Preprocess.identity(SHAPE), network.eval()
    )


def test_the_pixels_add_up_to_the_gain_of_the_logit_over_the_baseline():
    made = checkpoint(
        fresh_network("cnn", "classifier", SHAPE, 3, {}, 0),
        Preprocess((12, 10), 3, (0.4, 0.5, 0.6), (0.2, 0.2, 0.2)),
    )
    pixels = to_pixels(torch.from_numpy(IMAGES))
    baselines = {
        "black": torch.zeros_like(pixels),
        "mean": pixels.mean(dim=(2, 3), keepdim=True).expand_as(pixels),
    }
    for name, baseline in baselines.items():
        found = explain(
            made,
            IMAGES,
            method="integrated-gradients",
            targets=TARGETS,
            settings=ExplainSettings.of(steps=200, baseline=name),
        )
        with torch.no_grad():
            gain = (
                (made.logits(pixels) - made.logits(baseline))
                .gather(1, torch.from_numpy(TARGETS)[:, None])[:, 0]
                .numpy()
            )
        assert np.allclose(found.maps.sum(axis=(1, 2)), gain, atol=0.02 * np.abs(gain).max() + 1e-4)
        assert found.signed


def test_of_a_linear_network_it_is_weight_times_difference():
    torch.manual_seed(0)
    linear = nn.Linear(12 * 10 * 3, 3)
    found = explain(
        checkpoint(nn.Sequential(nn.Flatten(), linear)),
        IMAGES,
        method="integrated-gradients",
        targets=TARGETS,
        settings=ExplainSettings(steps=4, baseline="white"),
    )
    weights = linear.weight.detach().numpy()[TARGETS].reshape(3, 3, 12, 10)
    wanted = (weights * (IMAGES.transpose(0, 3, 1, 2) / 255 - 1)).sum(axis=1)
    assert np.allclose(found.maps, wanted, atol=1e-6)
    assert found.target_layer is None


def test_no_batch_is_larger_than_said():
    network = fresh_network("cnn", "classifier", SHAPE, 3, {}, 0)
    seen: list[int] = []
    network.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    explain(
        checkpoint(network),
        IMAGES,
        method="integrated-gradients",
        settings=ExplainSettings(steps=5, batch_size=2),
    )
    assert max(seen) == 2
    # Three predictions in two batches, then five points for each picture.
    assert sum(seen) == 3 + 3 * 5
