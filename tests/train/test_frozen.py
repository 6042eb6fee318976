"""Frozen features through ONNX Runtime: torch's own, and torch where the graph would differ."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lightfast.models.build import fresh_network
from lightfast.models.transfer import preprocess_of
from lightfast.train import features as features_module
from lightfast.train.features import FeatureExtractor
from lightfast.train.frozen import frozen_runtime

SHAPE = (40, 40, 3)


@pytest.fixture(scope="module")
def extractor():
    network = fresh_network("lite0", "classifier", SHAPE, 2, {"taps": "both", "input_side": 64}, 0)
    return FeatureExtractor(network, preprocess_of("lite0", SHAPE, {"input_side": 64}), torch.device("cpu"))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (7, *SHAPE)).astype(np.uint8)


@pytest.mark.parametrize("flip", [False, True])
def test_the_graph_finds_what_torch_finds(extractor, images, flip, monkeypatch):
    eager = extractor.features(images, flip=flip), extractor.maps(images, 3, flip=flip)
    assert not extractor.graphs
    monkeypatch.setattr(features_module, "WORTHWHILE", 1)
    graph = extractor.features(images, flip=flip), extractor.maps(images, 3, flip=flip)
    assert set(extractor.graphs) == {("features", SHAPE), ("maps 3", SHAPE)}
    assert None not in extractor.graphs.values()
    extractor.graphs.clear()
    for ours, theirs in zip(graph, eager, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-3 * np.abs(theirs).max())


def test_the_network_is_left_as_it_was(extractor, images):
    before = [type(part) for part in extractor.network.modules()]
    assert frozen_runtime(extractor.network, lambda net, x: net.features(x), extractor.preprocess, images)
    assert [type(part) for part in extractor.network.modules()] == before


def test_an_answer_that_is_not_torchs_is_not_taken(extractor, images):
    runs = []

    def other_when_traced(network, pixels):
        runs.append(1)
        return network.features(pixels) + len(runs)

    assert frozen_runtime(extractor.network, other_when_traced, extractor.preprocess, images) is None


def test_what_onnx_cannot_say_is_left_to_torch(extractor, images):
    def no_operator(network, pixels):
        return torch.linalg.eigvalsh(pixels[:, 0])

    assert frozen_runtime(extractor.network, no_operator, extractor.preprocess, images) is None
