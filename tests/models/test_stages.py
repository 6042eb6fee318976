import pytest
import timm
import torch

from lightfast.base.errors import SettingsError
from lightfast.models.stages import run_stages, stage_costs, stage_index, stages_of

# Small pictures and thin variants where a family has them: the stages are cut by the family's code, not by
# its size.
BACKBONES = {
    "tf_efficientnet_lite0": (64, 9),
    "resnet18": (64, 6),
    "inception_v3": (96, 13),
    "vit_tiny_patch16_224": (224, 14),
    "vgg11": (224, 6),
    "mobilenetv3_small_050": (64, 2),
}


@pytest.mark.parametrize("name", BACKBONES)
def test_the_stages_one_after_the_other_are_the_networks_own_features(name):
    side, count = BACKBONES[name]
    arguments = {"aux_logits": False} if name == "inception_v3" else {}
    backbone = timm.create_model(name, num_classes=0, **arguments).eval()
    pictures = torch.rand(2, 3, side, side)
    stages = stages_of(backbone)
    with torch.inference_mode():
        assert torch.equal(run_stages(stages, pictures), backbone(pictures))
    assert len(stages) == count


def test_costs_are_shares_of_the_multiply_adds():
    resnet = timm.create_model("resnet18", num_classes=0).eval()
    shares = stage_costs(stages_of(resnet), torch.zeros(1, 3, 64, 64))
    assert sum(shares) == pytest.approx(1)
    # Layers 2 to 4 of a ResNet-18 halve the side and double the channels: 128·128·9·(3 convolutions of four)
    # + … , the first convolution of each has half the inputs. Layer 3 and 4 cost the same.
    assert shares[3] == pytest.approx(shares[4])
    assert shares[-1] == 0


def test_an_unknown_stage_is_answered_with_the_stages_there_are():
    stages = stages_of(timm.create_model("resnet18", num_classes=0))
    assert stage_index(stages, "layer3") == 3
    with pytest.raises(SettingsError, match=r"stem, layer1, layer2, layer3, layer4, pool"):
        stage_index(stages, "layer9")
