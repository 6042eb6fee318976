"""Pictures of a size that a network does not take are refused with what works."""

from __future__ import annotations

import re

import pytest

from lightfast.base.errors import SettingsError
from lightfast.models.sizes import check_model

SHAPE = (64, 64, 3)


def ways(message: str) -> list[tuple[int | None, int | None]]:
    """(image_size, img_size) of every cure that a message offers."""
    found = []
    for said in message.split(" Give ")[1].rstrip(".").split(" or "):
        size, setting = re.search(r"`image_size=(\d+)`", said), re.search(r"`config\.img_size=(\d+)`", said)
        found.append((size and int(size[1]), setting and int(setting[1])))
    return found


@pytest.mark.parametrize(
    ("model", "shape", "config", "first"),
    [
        ("vit_tiny_patch16_224", SHAPE, {}, (None, 64)),
        ("vit_tiny_patch16_224", (30, 30, 1), {}, (32, 32)),
        ("vit_tiny_patch16_224", (30, 30, 3), {"img_size": 30}, (32, 32)),
        ("vit_tiny_patch16_224", (50, 40, 3), {}, (64, 64)),
        ("levit_128s", SHAPE, {}, (None, 64)),
        ("pit_ti_224", SHAPE, {}, (None, 64)),
        ("efficientformer_l1", SHAPE, {}, (224, None)),
        ("xcit_nano_12_p16_224", (30, 30, 3), {"img_size": 30}, (32, 32)),
        ("convnext_atto", (8, 8, 3), {}, (32, None)),
        ("edgenext_xx_small", (8, 8, 3), {}, (32, None)),
    ],
)
def test_every_size_that_is_offered_goes_through(model, shape, config, first):
    with pytest.raises(SettingsError, match="takes no pictures of") as caught:
        check_model(f"timm:{model}", shape, 3, config)
    offered = ways(str(caught.value))
    assert offered[0] == first
    for size, setting in offered:
        sides = (size or shape[0], size or shape[1], shape[2])
        check_model(f"timm:{model}", sides, 3, {} if setting is None else {"img_size": setting})


@pytest.mark.parametrize("model", ["timm:resnet18", "timm:mobilenetv3_small_050", "cnn", "random-forest"])
def test_networks_of_any_size_are_left_alone(model):
    assert check_model(model, (24, 40, 1), 3, {}) is None


def test_a_network_of_ours_whose_shape_does_not_come_out():
    with pytest.raises(SettingsError, match=r"pictures of 7 × 40 pixels .* Give `image_size=16`"):
        check_model("svhn-ae-cnn", (7, 40, 3), 3, {})
    check_model("svhn-ae-cnn", (16, 16, 3), 3, {})


def test_a_setting_that_the_network_has_not_is_said_as_before():
    with pytest.raises(SettingsError, match="cannot be built with nonsense=3"):
        check_model("timm:vit_tiny_patch16_224", SHAPE, 3, {"nonsense": 3})
