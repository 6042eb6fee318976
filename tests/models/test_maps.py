"""Where networks keep maps: found by their own description, in the order of the pass,
and read as they were.
"""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from lightfast.base.errors import CheckpointError, SettingsError
from lightfast.data.preprocess import Preprocess
from lightfast.models.build import build_network
from lightfast.models.enhanced_network import EnhancedNetwork
from lightfast.models.map_layers import map_layers
from lightfast.models.maps import compute_maps, convolutions, evaluation_mode, find_layer, require_passage
from lightfast.models.restorers import UNet
from lightfast.models.transfer import preprocess_of

OWN = {
    "cnn": ("features.4", 128, (8, 6)),
    "resnet9": ("features.8", 256, (4, 3)),
    "cnn-1": ("features.1", 32, (30, 22)),
    "cnn-3": ("features.13", 128, (5, 3)),
    "drawing-cnn-1": ("features.3", 8, (29, 21)),
    "drawing-cnn-2": ("features.4", 8, (14, 10)),
    "svhn-cnn": ("dense", 32, (16, 12)),
    "svhn-ae-cnn": ("dense", 32, (16, 12)),
}
TIMM = {
    "resnet18": ("layer4", 512, (2, 2)),
    "efficientnet_lite0": ("bn2", 1280, (2, 2)),
    "mobilenetv3_small_050": ("blocks.5", 288, (2, 2)),
    "convnext_atto": ("stages.3", 320, (2, 2)),
    "vgg11": ("features.19", 512, (4, 4)),
    "densenet121": ("features.norm5", 1024, (2, 2)),
}
BACKBONES = {
    "lite0": ("bn2", (7, 7)),
    "vgg16": ("features.29", (14, 14)),
    "resnet50": ("layer4", (7, 7)),
    "inception-v3": ("Mixed_7c", (8, 8)),
    "vit-b16": ("blocks.11.norm1", (14, 14)),
}
SMALL_VIT = {"patch_size": 8, "embed_dim": 16, "depth": 3, "num_heads": 2}


def vit(size: tuple[int, int] = (32, 32), name: str = "vit_tiny_patch16_224", **more) -> nn.Module:
    return timm.create_model(name, img_size=size, num_classes=3, **SMALL_VIT, **more).eval()


def swin() -> nn.Module:
    return timm.create_model(
        "swin_tiny_patch4_window7_224",
        img_size=64,
        window_size=4,
        embed_dim=16,
        depths=(1, 1, 2, 1),
        num_heads=(1, 1, 2, 2),
        num_classes=3,
    ).eval()


def pictures(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", OWN)
def test_our_networks_end_in_the_last_convolution_before_its_pooling(name):
    layers = map_layers(build_network(name, "classifier", (32, 24, 3), 4), pictures(1, 3, 32, 24))
    last = find_layer(layers, None)
    assert (last.name, last.channels, last.size) == OWN[name]


# Some of these are large: the meta device computes shapes and no numbers.
@pytest.mark.parametrize("name", TIMM)
def test_convolutional_networks_of_timm_end_where_their_pooling_begins(name):
    with torch.device("meta"):
        network = timm.create_model(name, num_classes=3)
    last = find_layer(map_layers(network, torch.zeros(1, 3, 64, 64, device="meta")), None)
    assert (last.name, last.channels, last.size) == TIMM[name]


@pytest.mark.parametrize("name", BACKBONES)
def test_backbones_are_read_in_their_own_names(name):
    size = preprocess_of(name, (300, 300, 3), {}).size
    with torch.device("meta"):
        network = build_network(name, "classifier", (300, 300, 3), 5, {})
    last = find_layer(map_layers(network, torch.zeros(1, 3, *size, device="meta")), None)
    assert (last.name, last.size) == BACKBONES[name]


@pytest.mark.parametrize(
    "network, size",
    [
        (vit(), (32, 32)),
        (vit((32, 64)), (32, 64)),
        (swin(), (64, 64)),
        (vit(name="vit_tiny_patch16_224", dynamic_img_size=True), (48, 32)),
        (vit(name="deit_tiny_distilled_patch16_224"), (32, 32)),
        (timm.create_model("resnet10t", num_classes=3).eval(), (64, 32)),
    ],
    ids=["vit", "oblong vit", "swin", "vit of any size", "two tokens", "resnet"],
)
def test_maps_are_those_that_timm_itself_gives(network, size):
    given = pictures(2, 3, *size)
    with torch.no_grad():
        _, wanted = network.forward_intermediates(given, output_fmt="NCHW", norm=False)
    layers = [
        layer
        for layer in map_layers(network, given[:1])
        if not isinstance(layer.module, nn.Conv2d) and "norm1" not in layer.name
    ]
    found = compute_maps(network, layers, given)
    assert len(found) >= 2
    for layer, maps in zip(layers, found, strict=True):
        assert tuple(maps.shape[1:]) == (layer.channels, *layer.size)
        assert any(
            other.shape == maps.shape and torch.allclose(other, maps, atol=1e-6) for other in wanted
        ), layer.name


@pytest.mark.parametrize("network, size", [(vit(), 32), (swin(), 64)], ids=["vit", "swin"])
def test_maps_put_back_give_the_output_they_came_from(network, size):
    outputs: dict[nn.Module, torch.Tensor] = {}
    layers = map_layers(network, pictures(1, 3, size, size))
    hooks = [
        layer.module.register_forward_hook(lambda module, _, output: outputs.__setitem__(module, output))
        for layer in layers
    ]
    with torch.no_grad():
        network(pictures(2, 3, size, size))
    assert all(
        torch.equal(
            layer.from_map(layer.to_map(outputs[layer.module]), outputs[layer.module]), outputs[layer.module]
        )
        for layer in layers
    )
    assert len(hooks) > 3


def test_layers_stand_in_the_order_of_the_pass_and_start_with_two_convolutions():
    layers = map_layers(timm.create_model("resnet18", num_classes=3), pictures(1, 3, 64, 64))
    assert [layer.name for layer in layers] == [
        "conv1",
        "act1",
        "layer1.0.conv1",
        "layer1",
        "layer2",
        "layer3",
        "layer4",
    ]
    assert [layer.name for layer in convolutions(layers)] == ["conv1", "layer1.0.conv1"]


def test_the_patch_embedding_is_the_convolution_of_a_vit():
    assert [layer.name for layer in convolutions(map_layers(vit(), pictures(1, 3, 32, 32)))] == [
        "patch_embed.proj"
    ]


def test_a_network_that_reads_a_grid_ends_at_that_grid():
    network = build_network("lite0", "classifier", (96, 96, 3), 4, {"taps": "grid", "input_side": 96})
    assert find_layer(map_layers(network, pictures(1, 3, 96, 96)), None).name == "blocks.4"


def test_behind_an_enhancer_the_maps_are_those_of_the_classifier():
    inner = build_network("cnn", "classifier", (16, 16, 1), 4)
    network = EnhancedNetwork(UNet((24, 24, 1)), Preprocess((16, 16), 1, (0.0,), (1.0,)), inner)
    layers = map_layers(network, pictures(1, 1, 24, 24))
    assert [(layer.name, layer.size) for layer in layers] == [
        (layer.name, layer.size) for layer in map_layers(inner, pictures(1, 1, 16, 16))
    ]


def test_a_published_vit_is_read_by_its_tokens():
    transformers = pytest.importorskip("transformers", reason="the extra 'hub' is not installed")
    from lightfast.models.hub import TransformersClassifier

    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=56,
        patch_size=14,
    )
    model = transformers.ViTForImageClassification(config).eval()
    network, given = TransformersClassifier(model), pictures(2, 3, 56, 56)
    layers = map_layers(network, given[:1])
    with torch.no_grad():
        hidden = model(pixel_values=given, output_hidden_states=True).hidden_states
    wanted = hidden[2][:, 1:].transpose(1, 2).reshape(2, 16, 4, 4)
    (found,) = compute_maps(network, [find_layer(layers, "vit.layers.1")], given)
    assert torch.allclose(found, wanted, atol=1e-6)
    assert find_layer(layers, None).name == "vit.layers.2.layernorm_before"


def test_maps_are_read_before_the_next_layer_overwrites_them():
    network = build_network("drawing-cnn-1", "classifier", (16, 16, 1), 4)
    first, after = map_layers(network, pictures(1, 1, 16, 16))[:2]
    plain, rectified = compute_maps(network, [first, after], pictures(2, 1, 16, 16))
    assert torch.equal(plain, network.features[0](pictures(2, 1, 16, 16)))
    assert plain.min() < 0
    assert torch.equal(plain.relu(), rectified)


def test_modes_and_views_come_back_even_after_an_error():
    network = build_network("resnet9", "classifier", (16, 16, 1), 4, {"views": "mirror"}).train()
    network.head.eval()
    seen = []

    def interrupted() -> None:
        with evaluation_mode(network):
            seen.append((network.training, network.views))
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert seen == [(False, "one")]
    assert (network.training, network.head.training, network.features.training, network.views) == (
        True,
        False,
        True,
        "mirror",
    )


def test_looking_leaves_no_hook_and_no_statistics_behind():
    network = build_network("cnn", "classifier", (16, 16, 1), 4).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    layers = map_layers(network, pictures(1, 1, 16, 16))
    compute_maps(network, layers, pictures(2, 1, 16, 16))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert all(module.training for module in network.modules())


@pytest.mark.parametrize("name", ["mlp", "drawing-fc"])
def test_a_dense_network_keeps_no_maps(name):
    layers = map_layers(build_network(name, "classifier", (16, 16, 1), 4), pictures(1, 1, 16, 16))
    assert layers == ()
    with pytest.raises(CheckpointError, match=r"keeps no maps.*occlusion or lime"):
        find_layer(layers, None)


def test_an_unknown_layer_is_answered_with_the_layers_there_are():
    layers = map_layers(timm.create_model("resnet10t", num_classes=3), pictures(1, 3, 32, 32))
    with pytest.raises(SettingsError, match=r"layer=layer9.*act1, layer1, layer2, layer3"):
        find_layer(layers, "layer9")


def test_a_layer_of_one_place_is_passed_over_and_refused_by_name():
    layers = map_layers(timm.create_model("resnet10t", num_classes=3), pictures(1, 3, 32, 32))
    assert find_layer(layers, None).name == "layer3"
    with pytest.raises(
        SettingsError,
        match=r"layer=layer4: pictures of this size are smaller than its stride.*larger input side",
    ):
        find_layer(layers, "layer4")
    with pytest.raises(SettingsError, match=r"smaller than the network's stride.*larger input side"):
        find_layer(map_layers(nn.Sequential(nn.Conv2d(3, 4, 8), nn.Flatten()), pictures(1, 3, 8, 8)), None)


def test_pictures_that_do_not_pass_through_are_refused_with_the_cure():
    with torch.device("meta"):
        network = timm.create_model("vgg11", num_classes=3)
    with pytest.raises(
        SettingsError, match=r"8 × 8 pixels do not pass through this network.*larger input side"
    ):
        map_layers(network, torch.zeros(1, 3, 8, 8, device="meta"))
    with pytest.raises(SettingsError, match="do not pass through"):
        require_passage(vit(), pictures(1, 3, 24, 24))
