"""Maps that show nothing are told from those that show something, by every method."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from lightfast.base.randomness import generator
from lightfast.data.images import ImageSet
from lightfast.data.preprocess import Preprocess
from lightfast.explain.attribution import applicable, explain, explainers
from lightfast.explain.flat import LEAST_LOGIT, flat_maps, picture_strengths
from lightfast.explain.methods import ExplainSettings
from lightfast.models.checkpoint import Checkpoint
from lightfast.train.fit import fit
from lightfast.train.recipe import Recipe

READING = ("lime", "occlusion")
METHODS = [("cnn", one) for one in ("grad-cam", "grad-cam++", "integrated-gradients", *READING)]
METHODS += [("random-forest", one) for one in READING]


def kinds(blobs: ImageSet) -> dict[str, np.ndarray]:
    """Eight pictures that show something, of one grey, and a level away from one grey."""
    shown, rng = blobs.images[:8], generator(0, "grey")
    grey = np.broadcast_to(rng.integers(1, 255, (8, 1, 1, 1)), shown.shape)
    near = grey + (rng.random(grey.shape) < 0.02)
    return {"shown": shown, "grey": grey.astype(np.uint8), "near": near.astype(np.uint8)}


@pytest.fixture(scope="module")
def fitted(blobs: ImageSet) -> dict[str, Checkpoint]:
    cnn = fit(blobs, blobs, recipe=Recipe(epochs=3, batch_size=16, learning_rate=1e-2))
    return {
        # So sure that no square moves its probability, were it not for the temperature.
        "cnn": cnn.replace(temperature=20.0),
        "random-forest": fit(blobs, blobs, model="random-forest", config={"trees": 20}),
    }


def told(classifier: Checkpoint, images: np.ndarray, method: str) -> np.ndarray:
    settings = ExplainSettings(samples=64) if method == "lime" else None
    found = explain(classifier, images, method=method, settings=settings)
    return flat_maps(classifier, images, found.maps, explainers().get(method))


@pytest.mark.parametrize(("model", "method"), METHODS)
def test_pictures_of_one_grey_are_flat_and_ordinary_ones_are_not(fitted, blobs, model, method):
    assert method in applicable(fitted[model])
    pictures = kinds(blobs)
    assert told(fitted[model], pictures["grey"], method).all()
    assert told(fitted[model], pictures["near"], method).all()
    assert not told(fitted[model], pictures["shown"], method).any()


def linear(weight: float, bias: float) -> Checkpoint:
    """Reads the mean of a picture's upper left corner, times `weight`, as the logit of the second class."""
    layer, shape = nn.Linear(64, 2), (8, 8, 1)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[1, :4] = weight / 4
        layer.bias.copy_(torch.tensor([0.0, bias]))
    network = nn.Sequential(nn.Flatten(), layer)
    return Checkpoint("classifier", "by-hand", shape, 2, ("a", "b"), Preprocess.identity(shape), network)


def test_what_a_very_sure_network_loses_is_flat_in_probability_and_not_in_logits():
    images = generator(1, "pictures").integers(0, 255, (4, 8, 8, 1)).astype(np.uint8)
    sure = linear(4.0, 20.0)
    assert told(sure, images, "occlusion").all()
    assert not told(sure, images, "integrated-gradients").any()
    assert not told(linear(8.0, -4.0), images, "occlusion").any()


def test_a_network_that_does_not_read_its_picture_is_flat():
    images = generator(1, "pictures").integers(0, 255, (4, 8, 8, 1)).astype(np.uint8)
    assert told(linear(1e-6, 1.0), images, "integrated-gradients").all()
    assert told(linear(1e-6, 1.0), images, "occlusion").all()


def test_a_shift_of_all_logits_alike_says_nothing():
    layer, shape = nn.Linear(64, 2), (8, 8, 1)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.weight[:, 32:] = -1.0
    network = nn.Sequential(nn.Flatten(), layer)
    both = Checkpoint("classifier", "by-hand", shape, 2, ("a", "b"), Preprocess.identity(shape), network)
    images = generator(1, "pictures").integers(0, 255, (4, 8, 8, 1)).astype(np.uint8)
    assert (picture_strengths(both, images) < LEAST_LOGIT).all()
