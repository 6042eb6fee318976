"""The one verb over all methods: targets, batches, views, what it leaves alone and what it refuses."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from lightfast.base.errors import CheckpointError, DataError, SettingsError, UnknownName
from lightfast.data.preprocess import Preprocess
from lightfast.explain.attribution import applicable, explain, explainers
from lightfast.explain.methods import ExplainSettings
from lightfast.models.build import fresh_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.infer import predict_logits

SHAPE = (16, 12, 1)
IMAGES = np.random.default_rng(3).integers(0, 256, (5, *SHAPE), dtype=np.uint8)
QUICK = ExplainSettings(samples=8, segments=6, steps=3, window=6, stride=6)
NAMES = explainers().names()


def classifier(model: str = "cnn", **config) -> Checkpoint:
    network = fresh_network(model, "classifier", SHAPE, 4, config, 0)
    return Checkpoint("classifier", model, SHAPE, 4, tuple("abcd"), Preprocess.identity(SHAPE), network)


def quick(method: str) -> ExplainSettings:
    uses = (*explainers().get(method).uses, "batch_size")
    return ExplainSettings.of(**QUICK.model_dump(include=set(uses)))


@pytest.mark.parametrize("method", NAMES)
def test_the_target_is_the_predicted_class_unless_another_is_asked_for(method):
    made = classifier()
    found = explain(made, IMAGES, method=method, settings=quick(method))
    predicted = predict_logits(made, IMAGES).argmax(axis=1)
    assert found.targets.dtype == np.int64
    assert (found.targets == predicted).all()
    asked = explain(made, IMAGES, method=method, settings=quick(method), targets=predicted)
    assert np.array_equal(found.maps, asked.maps)
    others = explain(made, IMAGES, method=method, settings=quick(method), targets=(predicted + 1) % 4)
    assert (others.targets == (predicted + 1) % 4).all()
    assert not np.allclose(found.maps, others.maps)


@pytest.mark.parametrize("method", NAMES)
def test_a_picture_gets_the_same_map_alone_and_among_others(method):
    made = classifier()
    together = explain(made, IMAGES, method=method, settings=quick(method)).maps
    by_twos = explain(
        made, IMAGES, method=method, settings=quick(method).model_copy(update={"batch_size": 2})
    ).maps
    alone = explain(made, IMAGES[3:4], method=method, settings=quick(method)).maps
    scale = np.abs(together).max()
    assert np.allclose(together, by_twos, atol=1e-4 * scale)
    assert np.allclose(together[3:4], alone, atol=1e-4 * scale)


@pytest.mark.parametrize("frozen", [False, True], ids=["learning", "frozen"])
@pytest.mark.parametrize("method", NAMES)
def test_the_classifier_comes_out_as_it_went_in(method, frozen):
    made = classifier("resnet9-small", views="mirror")
    network = made.torch_network.train()
    network.head.eval()
    network.requires_grad_(not frozen)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    explain(made, IMAGES[:2], method=method, settings=quick(method))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert [module.training for module in network.modules()] == modes
    assert network.views == "mirror"
    assert all(
        parameter.requires_grad is not frozen and parameter.grad is None for parameter in network.parameters()
    )
    assert not any(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks
        for module in network.modules()
    )
    assert torch.is_grad_enabled()


def test_the_global_generators_stay():
    state, draws = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002  it is the global one that must stay
    explain(classifier(), IMAGES[:1], method="lime", settings=quick("lime"))
    assert torch.equal(state, torch.random.get_rng_state())
    assert (draws == np.random.get_state()[1]).all()  # noqa: NPY002


def test_methods_that_weigh_maps_explain_the_plain_view_of_the_averaged_prediction():
    plain, averaged = classifier("resnet9-small"), classifier("resnet9-small", views="mirror")
    averaged.torch_network.load_state_dict(plain.torch_network.state_dict())
    found = explain(averaged, IMAGES)
    assert (found.targets == predict_logits(averaged, IMAGES).argmax(axis=1)).all()
    assert np.array_equal(found.maps, explain(plain, IMAGES, targets=found.targets).maps)


def test_with_several_labels_a_picture_the_most_probable_one_is_explained_by_its_own_probability():
    made = classifier().replace(task="multi-label")
    found = explain(
        made, IMAGES, method="occlusion", settings=ExplainSettings(window=12, stride=12, baseline="black")
    )
    logits = predict_logits(made, IMAGES)
    assert (found.targets == logits.argmax(axis=1)).all()
    covered = IMAGES.copy()
    covered[:, :12] = 0
    rows = np.arange(5)
    lost = 1 / (1 + np.exp(-logits[rows, found.targets])) - 1 / (
        1 + np.exp(-predict_logits(made, covered)[rows, found.targets])
    )
    # The upper square alone covers the first rows; the lower one, cut off at the edge, only the rest.
    assert np.allclose(found.maps[:, 0, 0], lost, atol=1e-6)


def test_no_pictures_give_no_maps():
    found = explain(classifier(), IMAGES[:0])
    assert found.maps.shape == (0, 16, 12)
    assert found.targets.shape == (0,)


def test_larger_pictures_than_the_classifiers_are_explained_at_their_own_size():
    large = np.kron(IMAGES, np.ones((1, 3, 3, 1), dtype=np.uint8))
    for method in NAMES:
        assert explain(classifier(), large, method=method, settings=quick(method)).maps.shape == (5, 48, 36)


def test_a_dense_network_is_refused_with_the_methods_that_apply():
    assert applicable(classifier("mlp")) == ("integrated-gradients", "lime", "occlusion")
    with pytest.raises(
        CheckpointError,
        match=r"mlp keeps no maps.*grad-cam weighs\. Use integrated-gradients, lime or occlusion",
    ):
        explain(classifier("mlp"), IMAGES)


def test_a_forest_is_refused_with_the_methods_that_apply():
    forest = classifier("random-forest", trees=3)
    assert applicable(forest) == ("lime", "occlusion")
    with pytest.raises(
        CheckpointError,
        match=r"random-forest has no gradients, which integrated-gradients needs\. Use lime or occlusion",
    ):
        explain(forest, IMAGES, method="integrated-gradients")
    with pytest.raises(DataError, match=r"expected \(16, 12, 1\) \(H, W, C\), got \(8, 12, 1\)"):
        explain(forest, IMAGES[:, :8], method="occlusion")


def test_pictures_too_small_for_the_network_are_refused_with_the_cure():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(16), nn.Flatten(), nn.Linear(4, 2))
    made = Checkpoint("classifier", "own", (8, 8, 3), 2, ("a", "b"), Preprocess.identity((8, 8, 3)), network)
    for method in ("grad-cam", "occlusion", "integrated-gradients"):
        with pytest.raises(
            SettingsError, match=r"8 × 8 pixels do not pass through this network.*larger input side"
        ):
            explain(made, np.zeros((1, 8, 8, 3), dtype=np.uint8), method=method)


@pytest.mark.parametrize(
    "said, error, method, settings, targets",
    [
        ("layer=head.*Its layers: features.0.0", SettingsError, "grad-cam", {"layer": "head"}, None),
        ("window=13.*at most the shorter side, 12", SettingsError, "occlusion", {"window": 13}, None),
        ("stride=5.*at most the window, 4", SettingsError, "occlusion", {"window": 4, "stride": 5}, None),
        ("layer=features.2: lime does not use it", SettingsError, "lime", {"layer": "features.2"}, None),
        (
            "steps=3: grad-cam does not use it.*layer, batch_size",
            SettingsError,
            "grad-cam",
            {"steps": 3},
            None,
        ),
        ("class numbers 0..3, got 0..4", SettingsError, "grad-cam", {}, [0, 1, 2, 3, 4]),
        (r"whole numbers \(5,\)", SettingsError, "grad-cam", {}, [0, 1]),
        ("unknown method 'gradcam'.*grad-cam", UnknownName, "gradcam", {}, None),
    ],
)
def test_bad_questions_are_answered_in_one_line(said, error, method, settings, targets):
    with pytest.raises(error, match=said) as caught:
        explain(
            classifier(),
            IMAGES,
            method=method,
            settings=ExplainSettings.of(**settings),
            targets=targets and np.array(targets),
        )
    assert "\n" not in str(caught.value)


def test_what_is_no_classifier_or_no_picture_is_refused():
    with pytest.raises(CheckpointError, match="expected a classifier checkpoint, got a restorer"):
        explain(classifier().replace(role="restorer"), IMAGES)
    with pytest.raises(DataError, match=r"uint8 \(N, H, W, C\)"):
        explain(classifier(), IMAGES.astype(np.float32))


def test_looking_at_the_table_of_methods_loads_no_captum():
    code = (
        "import sys; from lightfast.explain import attribution as a; a.explainers(); print('captum' in "
        "sys.modules, "
        "'skimage' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["False", "False"]
