"""Every registered explainer on every kind of classifier: a finite map of each picture, the same again with
the same seed, the classifier as it was; or one line that names the methods that apply.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from lightfast.base.errors import CheckpointError
from lightfast.data.preprocess import Preprocess
from lightfast.explain.attribution import applicable, explain, explainers
from lightfast.explain.methods import ExplainSettings
from lightfast.models.build import find_model, fresh_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.enhanced import prepend_enhancer
from lightfast.models.forest import Forest
from lightfast.models.hub import TransformersClassifier
from lightfast.models.transfer import preprocess_of

NONE = {"weights": "none"}
SMALL = {"img_size": 32, "embed_dim": 16, "num_heads": 2}
# name: (model, side, its settings); thin variants where a family has them.
KINDS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "cnn": ("cnn", 16, {}),
    "several labels": ("cnn", 16, {}),
    "mlp": ("mlp", 16, {}),
    "resnet9 of views": ("resnet9-small", 16, {"views": "mirror-shift"}),
    "cnn-2": ("cnn-2", 16, {}),
    "svhn-cnn": ("svhn-cnn", 16, {}),
    "svhn-ae-cnn": ("svhn-ae-cnn", 16, {}),
    "drawing-fc": ("drawing-fc", 16, {}),
    "drawing-cnn-1": ("drawing-cnn-1", 16, {}),
    "drawing-cnn-2": ("drawing-cnn-2", 16, {}),
    "random-forest": ("random-forest", 16, {"trees": 5}),
    "lite0": ("lite0", 32, {**NONE, "input_side": 64}),
    "lite0 of a grid": ("lite0", 32, {**NONE, "input_side": 64, "taps": "grid"}),
    "backbone with a tree": (
        "backbone:resnet10t",
        32,
        {**NONE, "input_side": 64, "head": "tree", "tree": [[0, 1], 2]},
    ),
    "timm cnn": ("timm:mobilenetv3_small_050", 64, {}),
    "convnext": ("timm:convnext_atto", 64, {}),
    "vit": ("timm:vit_tiny_patch16_224", 32, {**SMALL, "patch_size": 8, "depth": 2}),
    "swin": (
        "timm:swin_tiny_patch4_window7_224",
        32,
        {**SMALL, "window_size": 4, "depths": [1, 1, 1], "num_heads": [1, 1, 2]},
    ),
    "enhanced": ("cnn", 16, {}),
    "published vit": ("hub-transformers", 32, {}),
}
NAMES = explainers().names()
QUICK = ExplainSettings(samples=6, segments=4, steps=2, window=16, stride=16, batch_size=4)


def network_of(kind: str, shape: tuple[int, int, int]) -> Any:
    model, side, config = KINDS[kind]
    if kind != "published vit":
        return fresh_network(model, "classifier", shape, 3, config, 0)
    transformers = pytest.importorskip("transformers", reason="the extra 'hub' is not installed")
    torch.manual_seed(0)
    return TransformersClassifier(
        transformers.ViTForImageClassification(
            transformers.ViTConfig(
                hidden_size=16,
                num_hidden_layers=2,
                num_attention_heads=2,
                intermediate_size=32,
                image_size=side,
                patch_size=8,
                num_labels=3,
            )
        )
    )


def classifier(kind: str) -> Checkpoint:
    model, side, config = KINDS[kind]
    shape, names = (side, side, 3), ("a", "b", "c")
    network = network_of(kind, shape)
    if isinstance(network, Forest):
        network.fit(pictures(12, side), np.arange(12) % 3, 0)
    preprocess = (
        preprocess_of(model, shape, config)
        if find_model(model, "classifier").transfer
        else Preprocess.identity(shape)
    )
    made = Checkpoint("classifier", model, shape, 3, names, preprocess, network, config)
    if kind == "several labels":
        return made.replace(task="multi-label")
    if kind == "enhanced":
        unet = fresh_network("unet", "restorer", shape, 0, {"width": 4}, 0)
        return prepend_enhancer(
            Checkpoint("restorer", "unet", shape, 0, (), Preprocess.identity(shape), unet), made
        )
    return made


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest) -> Checkpoint:
    return classifier(request.param)


def pictures(count: int, side: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def quick(method: str) -> ExplainSettings:
    """QUICK without what the method does not use."""
    uses = (*explainers().get(method).uses, "batch_size")
    return ExplainSettings.of(**QUICK.model_dump(include=set(uses)))


def state_of(made: Checkpoint) -> list[Any]:
    if isinstance(made.network, Forest):
        return []
    network = made.network
    hooks = [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in network.modules()]
    return [
        [tensor.clone() for tensor in network.state_dict().values()],
        [module.training for module in network.modules()],
        [parameter.requires_grad for parameter in network.parameters()],
        hooks,
        getattr(network, "views", None),
    ]


@pytest.mark.parametrize("method", NAMES)
def test_a_method_explains_a_classifier_or_names_those_that_do(made: Checkpoint, method: str):
    images, settings = pictures(2, made.image_shape[0]), quick(method)
    before = state_of(made)
    if method not in applicable(made):
        with pytest.raises(CheckpointError, match=r"Use .*lime or occlusion"):
            explain(made, images, method=method, settings=settings)
        return
    found = explain(made, images, method=method, settings=settings, seed=4)
    assert found.maps.shape == images.shape[:3]
    assert found.maps.dtype == np.float32
    assert np.isfinite(found.maps).all()
    assert found.signed or found.maps.min() >= 0
    assert (found.target_layer is not None) == explainers().get(method).needs_maps
    again = explain(made, images, method=method, settings=settings, seed=4, targets=found.targets)
    assert np.allclose(found.maps, again.maps, rtol=1e-3, atol=1e-6 + 1e-4 * np.abs(found.maps).max())
    after = state_of(made)
    assert after[1:] == before[1:]
    assert all(
        torch.equal(one, other)
        for one, other in zip(before[:1] and before[0], after[:1] and after[0], strict=True)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_applies_follows_from_what_the_classifier_has(kind: str):
    wanted = {
        "random-forest": ("lime", "occlusion"),
        "mlp": ("integrated-gradients", "lime", "occlusion"),
        "drawing-fc": ("integrated-gradients", "lime", "occlusion"),
    }
    assert applicable(classifier(kind)) == wanted.get(kind, NAMES)


@pytest.mark.parametrize("entry", list(explainers()), ids=lambda entry: entry.name)
def test_a_method_tells_what_it_is_and_where_it_comes_from(entry):
    assert explainers().get(entry.name) is entry
    assert entry.summary
    assert any(character.isdigit() for character in entry.source)
    assert set(entry.uses) < set(ExplainSettings.model_fields)
