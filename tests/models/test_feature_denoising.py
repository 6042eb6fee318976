"""The denoising layer inside a classifier, against loops over positions."""

from __future__ import annotations

import math

import pytest
import torch

from lightfast.base.errors import SettingsError
from lightfast.models.build import fresh_network
from lightfast.models.feature_denoising import FeatureDenoising


def features() -> torch.Tensor:
    return torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))


def test_the_non_local_mean_is_that_of_a_loop_over_pairs_of_positions():
    given = features()
    found = FeatureDenoising(3, "non-local").denoised(given)
    for picture, result in zip(given.flatten(2), found.flatten(2), strict=True):
        places = picture.T.tolist()
        for own, place in enumerate(places):
            weights = [
                math.exp(sum(a * b for a, b in zip(place, other, strict=True)) / math.sqrt(3))
                for other in places
            ]
            for channel in range(3):
                mean = sum(w * other[channel] for w, other in zip(weights, places, strict=True))
                assert float(result[channel, own]) == pytest.approx(mean / sum(weights), rel=1e-4)


def test_the_mean_is_that_of_the_neighbours_that_are_there():
    given = features()
    found = FeatureDenoising(3, "mean").denoised(given)
    for row in range(4):
        for column in range(5):
            near = given[:, :, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
            assert torch.allclose(found[:, :, row, column], near.mean(dim=(2, 3)))


def test_an_untrained_layer_changes_nothing_and_learns():
    layer = FeatureDenoising(3)
    given = features()
    assert torch.equal(layer(given), given)
    layer(given).square().sum().backward()
    assert layer.mix.weight.grad is not None
    assert layer.mix.weight.grad.abs().sum() > 0


def test_the_classifier_has_one_and_is_the_plain_cnn_otherwise():
    model = fresh_network("denoising-cnn", "classifier", (28, 28, 1), 10, {}, 0)
    plain = fresh_network("cnn", "classifier", (28, 28, 1), 10, {}, 0)
    kinds = [type(part) for part in model.features]
    assert kinds.count(FeatureDenoising) == 1
    assert [kind for kind in kinds if kind is not FeatureDenoising] == [type(part) for part in plain.features]


def test_an_unknown_denoising_is_refused():
    with pytest.raises(SettingsError, match="non-local"):
        FeatureDenoising(3, "median")  # pyright: ignore[reportArgumentType]
