"""An exported classifier gives torch's numbers, whatever the network, its pictures and its task."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from lightfast.base.errors import CheckpointError
from lightfast.data.preprocess import Preprocess
from lightfast.export.graph import export_graph
from lightfast.models import backbones, classifiers, feature_denoising, forest, hub, papers  # noqa: F401
from lightfast.models.build import fresh_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.enhanced import prepend_enhancer
from lightfast.models.feature_denoising import FeatureDenoising
from lightfast.models.registry import MODELS
from lightfast.tagging.runtime import load_model_card, load_tagger

Shape = tuple[int, int, int]
SMALL = (
    "cnn",
    "denoising-cnn",
    "mlp",
    "resnet9-small",
    "svhn-cnn",
    "svhn-ae-cnn",
    "cnn-1",
    "cnn-4",
    "drawing-fc",
    "drawing-cnn-1",
    "drawing-cnn-2",
)
RESTORERS = (
    "unet",
    "levels-unet",
    "paper-unet",
    "own:2-1",
    "aligned-unet",
    "autoencoder",
    "sparse-autoencoder",
    "contractive-autoencoder",
    "stacked-autoencoder",
)


def written(checkpoint, folder: Path, images: np.ndarray) -> np.ndarray:
    return load_tagger(export_graph(checkpoint, folder / "model.onnx"), threads=1).probs(images)


@pytest.mark.parametrize("shape", [(28, 32, 1), (28, 29, 3)], ids=str)
@pytest.mark.parametrize("name", SMALL)
def test_probabilities_are_those_of_torch(name: str, shape: Shape, tmp_path: Path, kit):
    made = kit.classifier(name, shape)
    assert (
        np.abs(written(made, tmp_path, kit.noise(shape)) - kit.by_torch(made, kit.noise(shape))).max() < 1e-5
    )


@pytest.mark.parametrize("smoothing", ["non-local", "mean"])
def test_a_denoising_layer_that_has_learnt_is_exported(smoothing: str, tmp_path: Path, kit):
    made = kit.classifier("denoising-cnn", (28, 32, 1))
    network = fresh_network("denoising-cnn", "classifier", (28, 32, 1), 5, {"smoothing": smoothing}, 0).eval()
    layers = [part for part in network.modules() if isinstance(part, FeatureDenoising)]
    torch.nn.init.normal_(layers[0].mix.weight, generator=torch.Generator().manual_seed(0))
    made = made.replace(network=network, outputs=5, class_names=tuple("abcde"))
    given = kit.noise((28, 32, 1))
    assert np.abs(written(made, tmp_path, given) - kit.by_torch(made, given)).max() < 1e-5


def test_every_small_network_of_the_registry_is_tried():
    left = {"resnet9", "cnn-2", "cnn-3"}  # the same classes of networks as others that are tried
    left |= {"enhanced"}  # two networks, see below
    names = {
        spec.name
        for spec in MODELS
        if spec.role == "classifier"
        and not spec.name.startswith("random-forest")
        and spec.source
        in (
            "this project",
            "Xie et al. 2019; this project",
            "EMNIST study",
            "damaged-digits study",
            "Quick, Draw! study",
            "D. Page, How to train your ResNet, 2018",
        )
    }
    assert names - left == set(SMALL)


@pytest.mark.parametrize(
    "name, config, shape",
    [
        ("timm:vit_tiny_patch16_224", {"img_size": 32, "depth": 2}, (32, 32, 3)),
        ("timm:resnet10t", {}, (33, 40, 1)),
        ("resnet9-small", {"views": "mirror-shift"}, (16, 16, 1)),
    ],
)
def test_larger_networks_and_views(name: str, config: dict, shape: Shape, tmp_path: Path, kit):
    made = kit.classifier(name, shape, config=config)
    assert (
        np.abs(written(made, tmp_path, kit.noise(shape, 3)) - kit.by_torch(made, kit.noise(shape, 3))).max()
        < 1e-5
    )


@pytest.mark.parametrize(
    "shape, channels, size",
    [((20, 30, 3), 3, (16, 16)), ((10, 12, 1), 3, (16, 20)), ((40, 40, 3), 1, (16, 16))],
)
def test_resizing_and_channels_of_the_preprocessing_are_inside(
    shape: Shape, channels: int, size: tuple[int, int], tmp_path: Path, kit
):
    made = kit.classifier("cnn", (*size, channels))
    fitted = Preprocess(size, channels, (0.4,) * channels, (0.2,) * channels)
    made = made.replace(image_shape=shape, preprocess=fitted)
    assert (
        np.abs(written(made, tmp_path, kit.noise(shape)) - kit.by_torch(made, kit.noise(shape))).max() < 1e-5
    )


def test_every_restorer_of_the_registry_is_tried_in_front_of_a_classifier():
    names = {spec.name for spec in MODELS if spec.role == "restorer"}
    assert {name.partition(":")[0] for name in names} == {name.partition(":")[0] for name in RESTORERS}


@pytest.mark.parametrize("enhancer", RESTORERS)
def test_an_enhancer_and_its_classifier_with_other_pictures_inside_are_one_graph(
    enhancer: str, tmp_path: Path, kit
):
    shape = (21, 30, 3)
    behind = kit.classifier("cnn", (16, 24, 1))
    behind = behind.replace(image_shape=shape, preprocess=Preprocess((16, 24), 1, (0.4,), (0.2,)))
    network = fresh_network(enhancer, "restorer", shape, 0, {}, 1).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.03)  # a fresh residual network changes nothing
    made = prepend_enhancer(
        Checkpoint("restorer", enhancer, shape, 0, (), Preprocess.identity(shape), network), behind
    )
    assert np.abs(kit.by_torch(made, kit.noise(shape)) - kit.by_torch(behind, kit.noise(shape))).max() > 1e-3
    assert (
        np.abs(written(made, tmp_path, kit.noise(shape)) - kit.by_torch(made, kit.noise(shape))).max() < 1e-5
    )


def test_tensorflow_paddings_are_kept(lite, lite_file: Path, kit):
    images = kit.noise((64, 64, 3), 3)
    assert np.abs(load_tagger(lite_file, 1).probs(images) - kit.by_torch(lite, images)).max() < 1e-5


def test_multi_label_probabilities_are_of_their_own(tmp_path: Path, kit):
    made = kit.classifier("mlp", (16, 16, 1), task="multi-label", thresholds=(0.1, 0.2, 0.3, 0.4))
    found = written(made, tmp_path, kit.noise((16, 16, 1)))
    assert np.abs(found - kit.by_torch(made, kit.noise((16, 16, 1)))).max() < 1e-5
    assert np.abs(found.sum(axis=1) - 1).max() > 0.01


def test_the_batch_is_free_and_the_picture_is_not(small: Path, kit):
    shape = onnx.load(small).graph.input[0].type.tensor_type.shape.dim
    assert [one.dim_value for one in shape] == [0, 16, 16, 3]
    assert load_tagger(small, 1).probs(kit.noise((16, 16, 3), 0)).shape == (0, 4)


def test_the_file_passes_the_checker_of_onnx(small: Path):
    # It raises for a model that is none.
    assert onnx.checker.check_model(onnx.load(small), full_check=True) is None


def test_the_card_tells_all_that_is_needed(tmp_path: Path, kit):
    labels = {"labels": [{"name": "x", "parent": None}, *({"name": name, "parent": "x"} for name in "abcd")]}
    made = kit.classifier(
        "mlp",
        (16, 16, 1),
        task="multi-label",
        thresholds=(0.1, 0.2, 0.3, 0.4),
        taxonomy=labels,
        details={"data_version": "v1", "seed": 7},
    )
    card = load_model_card(export_graph(made, tmp_path / "model.onnx", "digest"))
    assert (card.class_names, card.task, card.thresholds, card.taxonomy) == (
        tuple("abcd"),
        "multi-label",
        (0.1, 0.2, 0.3, 0.4),
        labels,
    )
    assert (card.temperature, card.data_version, card.seed, card.model, card.source_digest) == (
        0.7,
        "v1",
        7,
        "mlp",
        "digest",
    )
    assert Preprocess.from_json(dict(card.preprocess or {})) == made.preprocess


def test_names_of_classes_survive_whatever_they_are(tmp_path: Path, kit):
    names = ('a,"b"', "Käse 🧀", "日本", "d\ne")
    made = kit.classifier("mlp", (16, 16, 1), class_names=names)
    assert load_tagger(export_graph(made, tmp_path / "model.onnx"), 1).card.class_names == names


def test_batch_norms_are_folded_and_constant_paddings_joined(lite_file: Path, tmp_path: Path):
    import onnxruntime

    assert "BatchNormalization" not in {node.op_type for node in onnx.load(lite_file).graph.node}
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(tmp_path / "optimised.onnx"), 3
    onnxruntime.InferenceSession(lite_file, options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert kinds.count("Conv") == 49
    assert not {"Pad", "Clip", "Shape"} & set(kinds)


def test_the_checkpoint_is_left_as_it_is(lite, lite_file: Path):
    kinds = {type(one).__name__ for one in lite.torch_network.modules()}
    assert "Conv2dSame" in kinds
    assert "ZeroPad2d" not in kinds


def test_a_forest_is_refused_and_nothing_is_written(tmp_path: Path, kit):
    made = kit.classifier("mlp", (16, 16, 1)).replace(
        network=forest.Forest((16, 16, 1), 4), model="random-forest"
    )
    with pytest.raises(CheckpointError, match="random-forest is a forest"):
        export_graph(made, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_restorer_is_refused(tmp_path: Path, kit):
    with pytest.raises(CheckpointError, match="expected a classifier, got a restorer"):
        export_graph(kit.classifier("mlp", (16, 16, 1), role="restorer"), tmp_path / "model.onnx")
