import pytest
import timm
import torch

from lightfast.base.errors import SettingsError
from lightfast.models.stages import costs, position, run_stages, stages_of

# Small pictures and thin variants where a family has them: the stages are cut by the family's code, not by
# its size.
TRUNKS = {
    "tf_efficientnet_lite0": (64, 9),
    "resnet18": (64, 6),
    "inception_v3": (96, 13),
    "vit_tiny_patch16_224": (224, 14),
    "vgg11": (224, 6),
    "mobilenetv3_small_050": (64, 2),
}


@pytest.mark.parametrize("name", TRUNKS)
def test_the_stages_one_after_the_other_are_the_networks_own_features(name):
    side, count = TRUNKS[name]
    arguments = {"aux_logits": False} if name == "inception_v3" else {}
    trunk = timm.create_model(name, num_classes=0, **arguments).eval()
    pictures = torch.rand(2, 3, side, side)
    stages = stages_of(trunk)
    with torch.inference_mode():
        assert torch.equal(run_stages(stages, pictures), trunk(pictures))
    assert len(stages) == count


def test_costs_are_shares_of_the_multiply_adds():
    resnet = timm.create_model("resnet18", num_classes=0).eval()
    shares = costs(stages_of(resnet), torch.zeros(1, 3, 64, 64))
    assert sum(shares) == pytest.approx(1)
    # Layers 2 to 4 of a ResNet-18 halve the side and double the channels: 128·128·9·(3 convolutions of four)
    # + … , the first convolution of each has half the inputs. Layer 3 and 4 cost the same.
    assert shares[3] == pytest.approx(shares[4])
    assert shares[-1] == 0


def test_an_unknown_stage_is_answered_with_the_stages_there_are():
    stages = stages_of(timm.create_model("resnet18", num_classes=0))
    assert position(stages, "layer3") == 3
    with pytest.raises(SettingsError, match=r"stem, layer1, layer2, layer3, layer4, pool"):
        position(stages, "layer9")
