"""LIME: its segments, its kernel and its regression."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor, nn

from lightfast.data.preprocess import Preprocess
from lightfast.explain.attribution import explain
from lightfast.explain.lime import _nearness, segments_of
from lightfast.explain.methods import ExplainSettings
from lightfast.models.checkpoint import Checkpoint

SHAPE = (24, 24, 3)


class Quarter(nn.Module):
    """Logits (b, 0): b grows with the brightness of the upper left quarter."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(8.0))

    def forward(self, pixels: Tensor) -> Tensor:
        bright = self.scale * (pixels[:, :, :12, :12].mean(dim=(1, 2, 3)) - 0.5)
        return torch.stack([bright, torch.zeros_like(bright)], dim=1)


def quartered() -> np.ndarray:
    """One picture of four plain quarters in different colours, the upper left one white."""
    picture = np.zeros((1, *SHAPE), dtype=np.uint8)
    picture[0, :12, :12], picture[0, :12, 12:], picture[0, 12:, :12], picture[0, 12:, 12:] = (
        255,
        (200, 0, 0),
        (0, 120, 0),
        (0, 0, 90),
    )
    return picture


MADE = Checkpoint("classifier", "own", SHAPE, 2, ("bright", "dark"), Preprocess.identity(SHAPE), Quarter())
SETTINGS = ExplainSettings(samples=60, segments=4, baseline="black")


def test_the_segment_that_decides_gets_the_weight_and_its_sign():
    for_bright = explain(MADE, quartered(), method="lime", targets=np.array([0]), settings=SETTINGS).maps[0]
    for_dark = explain(MADE, quartered(), method="lime", targets=np.array([1]), settings=SETTINGS).maps[0]
    assert for_bright[4, 4] > 10 * np.abs(for_bright[12:, 12:]).max()
    assert np.allclose(for_bright, -for_dark, atol=1e-5)


def test_the_weights_are_those_of_a_ridge_regression_on_the_same_draws():
    picture, seen = quartered(), []
    network = Quarter()
    network.register_forward_pre_hook(lambda _, given: seen.append(given[0].numpy().copy()))
    found = explain(
        MADE.replace(network=network), picture, method="lime", targets=np.array([0]), settings=SETTINGS
    ).maps[0]
    segments = segments_of(picture[0].astype(np.float32) / 255, 4)
    read = np.concatenate(seen)
    assert len(read) == 60
    # A segment is shown where its own pixels are: none of the four is black.
    shown = np.stack(
        [[bool(row[:, segments == number].any()) for number in range(segments.max() + 1)] for row in read]
    ).astype(float)
    bright = 8 * (read[:, :, :12, :12].mean(axis=(1, 2, 3), dtype=np.float64) - 0.5)
    distance = 1 - np.sqrt(shown.mean(axis=1))
    ridge = Ridge(alpha=1.0).fit(
        shown, 1 / (1 + np.exp(-bright)), sample_weight=np.sqrt(np.exp(-(distance**2) / 0.25**2))
    )
    assert np.allclose(found, ridge.coef_[segments], atol=1e-5)


def test_nearness_is_the_kernel_of_the_cosine_distance():
    # 1 of 4 segments: cosine 1 / (2 · 1), distance a half; the root of exp(-(0.5 / 0.25)²) = exp(-2).
    assert _nearness(torch.ones(1), torch.ones(1), torch.tensor([[1, 0, 0, 0]])) == pytest.approx(np.exp(-2))
    assert _nearness(torch.ones(1), torch.ones(1), torch.tensor([[1, 1, 1]])) == 1


def test_the_seed_decides_the_draws():
    first, same, other = (
        explain(MADE, quartered(), method="lime", settings=SETTINGS, seed=seed).maps for seed in (1, 1, 2)
    )
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("shape", [(24, 24, 3), (28, 20, 1), (5, 4, 1)], ids=str)
def test_segments_are_numbered_without_gaps_and_about_as_many_as_wanted(shape):
    picture = np.random.default_rng(0).random(shape, dtype=np.float32)
    segments = segments_of(picture, 12)
    assert segments.shape == shape[:2]
    assert (np.unique(segments) == np.arange(segments.max() + 1)).all()
    # The smallest of these has 20 pixels, enough for five of four pixels each.
    wanted = min(12, shape[0] * shape[1] // 4)
    assert wanted / 2 <= segments.max() + 1 <= 2 * wanted


def test_segments_follow_colours():
    segments = segments_of(quartered()[0].astype(np.float32) / 255, 4)
    quarters = [
        segments[rows, columns] for rows in (np.s_[:12], np.s_[12:]) for columns in (np.s_[:12], np.s_[12:])
    ]
    owners = [set(np.unique(quarter)) for quarter in quarters]
    assert sum(map(len, owners)) == len(set.union(*owners))


def test_a_plain_picture_is_explained_by_nothing():
    plain = np.full((1, *SHAPE), 130, dtype=np.uint8)
    found = explain(MADE, plain, method="lime", settings=ExplainSettings(samples=20, segments=4))
    assert np.allclose(found.maps, 0, atol=1e-6)
