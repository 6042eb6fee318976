"""Networks on a pretrained backbone: what they give, their sizes, their weights and what is refused."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from safetensors.torch import save_file

from lightfast.base.errors import CheckpointError, SettingsError, UnknownName
from lightfast.models.build import build_network, fresh_network
from lightfast.models.bundled import lite0_tensors, load_by_name, load_in_order, load_tensor_file
from lightfast.models.transfer import BACKBONES, TransferNetwork, load_weights, preprocess_of

SHAPE = (64, 64, 3)


@pytest.fixture(scope="module")
def lite0() -> TransferNetwork:
    network = fresh_network("lite0", "classifier", SHAPE, 3, {}, 0)
    load_weights(network, "lite0", {})
    return network.eval()


def test_the_installed_weights_give_what_timm_gives_with_them(lite0):
    whole = timm.create_model("tf_efficientnet_lite0").eval()
    load_in_order(whole, lite0_tensors(), "package")
    pictures = torch.rand(2, 3, 96, 96)
    with torch.inference_mode():
        assert torch.equal(
            lite0.features(pictures), whole.forward_head(whole.forward_features(pictures), pre_logits=True)
        )


# VGG and ViT are large: their shape is tested on the meta device, which computes shapes and no numbers.
@pytest.mark.parametrize("name", BACKBONES)
def test_the_papers_backbones_take_their_own_size_and_give_one_logit_a_class(name):
    preprocess = preprocess_of(name, (300, 300, 3), {})
    assert preprocess.size[0] == (299 if name == "inception-v3" else 224)
    assert preprocess.mean == (
        (0.5,) * 3 if name in ("lite0", "inception-v3", "vit-b16") else (0.485, 0.456, 0.406)
    )
    with torch.device("meta"):
        network = build_network(name, "classifier", (300, 300, 3), 5, {}).eval()
    assert network(torch.zeros(2, 3, *preprocess.size, device="meta")).shape == (2, 5)


def test_small_pictures_go_in_at_twice_their_side_where_the_backbone_allows_it():
    assert preprocess_of("lite0", (28, 28, 1), {}).size == (96, 96)
    assert preprocess_of("lite0", (64, 64, 1), {}).size == (128, 128)
    assert preprocess_of("lite0", (500, 400, 3), {}).size == (224, 224)
    assert preprocess_of("vit-b16", (28, 28, 1), {}).size == (224, 224)
    assert preprocess_of("lite0", (64, 64, 3), {"input_side": 64}).size == (64, 64)
    with pytest.raises(SettingsError, match="takes no other"):
        preprocess_of("vgg16", (64, 64, 3), {"input_side": 64})


@pytest.mark.parametrize(
    "taps, width", [("pooled", 1280), ("grid", 112 * 8 * 8), ("both", 1280 + 112 * 8 * 8)]
)
def test_what_the_head_sees(taps, width):
    network = build_network("lite0", "classifier", SHAPE, 4, {"taps": taps}).eval()
    with torch.inference_mode():
        features = network.features(torch.rand(1, 3, 128, 128))
    assert features.shape == (1, width)
    assert network.width == width


def test_a_fine_grid_is_averaged_down_to_eight_places_a_side():
    network = build_network("lite0", "classifier", (224, 224, 3), 4, {"taps": "grid"}).eval()
    assert network.window == 2
    assert network.width == 112 * 7 * 7


def test_a_copy_runs_its_own_backbone():
    network = build_network("lite0", "classifier", SHAPE, 4, {}).eval()
    other = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in other.backbone.parameters():
            parameter.zero_()
    pictures = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert other.features(pictures).abs().max() == 0
        assert network.features(pictures).abs().max() > 0


def test_views_are_averaged_when_reading_and_not_when_learning():
    network = build_network("lite0", "classifier", SHAPE, 4, {"views": "mirror"}).eval()
    pictures = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        both = (
            network.head(network.features(pictures)) + network.head(network.features(pictures.flip(-1)))
        ) / 2
        assert torch.allclose(network(pictures), both, atol=1e-6)
        assert torch.allclose(network(pictures.flip(-1)), both, atol=1e-6)


def test_weights_of_another_architecture_are_refused_by_name(tmp_path, lite0):
    other = timm.create_model("resnet18")
    save_file(other.state_dict(), tmp_path / "resnet.safetensors")
    with pytest.raises(CheckpointError, match=r"another architecture, \d+ of \d+ tensors are not in it"):
        load_weights(copy.deepcopy(lite0), "lite0", {"weights": str(tmp_path / "resnet.safetensors")})
    stem = lite0.backbone.state_dict()["conv_stem.weight"]
    wide = {**lite0.backbone.state_dict(), "conv_stem.weight": torch.cat([stem, stem])}
    with pytest.raises(
        CheckpointError, match=r"tensor conv_stem.weight: expected \(32, 3, 3, 3\), got \(64, 3, 3, 3\)"
    ):
        load_by_name(copy.deepcopy(lite0.backbone), wide, "wide")
    with pytest.raises(CheckpointError, match="expected 122 tensors"):
        load_in_order(other, lite0_tensors(), "package")


def test_weights_from_a_file_are_taken_by_name_whatever_stands_before_it(tmp_path, lite0):
    torch.save(
        {"state_dict": {f"module.{name}": tensor for name, tensor in lite0.backbone.state_dict().items()}},
        tmp_path / "own.pth",
    )
    network = fresh_network("lite0", "classifier", SHAPE, 3, {}, 1)
    said = load_weights(network, "lite0", {"weights": str(tmp_path / "own.pth")})
    assert said == str(tmp_path / "own.pth")
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            network.backbone.state_dict().values(), lite0.backbone.state_dict().values(), strict=True
        )
    )


def test_a_file_that_would_run_code_or_holds_no_tensors_is_refused(tmp_path):
    torch.save({"weights": print}, tmp_path / "code.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("no weights")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    plain = "no file of plain tensors"
    reasons = {
        "code.pth": plain,
        "list.pth": "holds no state_dict",
        "text.pth": plain,
        "gone.pth": "no such file of weights",
        "cut.safetensors": "no whole safetensors file.*Fetch or save it again",
    }
    for name, why in reasons.items():
        with pytest.raises(CheckpointError, match=why):
            load_tensor_file(tmp_path / name)


def test_bad_settings_are_refused_with_their_cure():
    wrong = (
        ({"taps": "grid", "grid_stage": "blocks.99"}, "Its stages"),
        ({"taps": "everything"}, "taps"),
        ({"mode": "no"}, "mode"),
    )
    for config, said in wrong:
        with pytest.raises(SettingsError, match=said):
            build_network("lite0", "classifier", SHAPE, 3, config)
    with pytest.raises(SettingsError, match="pooled"):
        build_network("backbone:vit_tiny_patch16_224", "classifier", SHAPE, 3, {"taps": "grid"})
    with pytest.raises(UnknownName, match="resnet18"):
        build_network("backbone:resnet_18", "classifier", SHAPE, 3)
