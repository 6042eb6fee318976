"""What a method of explanation is, what it can be told and what it is asked; the table of methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from lightfast.base.registry import Registry
from lightfast.base.settings import Settings
from lightfast.data.preprocess import to_images
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.forest import Forest
from lightfast.models.infer import predict_logits
from lightfast.models.maps import MapLayer


class ExplainSettings(Settings):
    """What the methods can be told.

    A value other than the default is refused by a method that does not use it.
    """

    layer: str | None = Field(
        default=None,
        description="grad-cam, grad-cam++: the layer whose maps are weighed; none = the last one",
    )
    window: int | None = Field(
        default=None,
        ge=1,
        description="occlusion: side of the covered square, pixels; none = a sixth of the shorter side",
    )
    stride: int | None = Field(
        default=None,
        ge=1,
        description="occlusion: pixels from one square to the next; none = half the window",
    )
    samples: int = Field(
        default=256, ge=2, description="lime: how many pictures with segments taken away are read"
    )
    segments: int = Field(
        default=50, ge=2, description="lime: how many segments a picture is cut into, about"
    )
    steps: int = Field(
        default=32,
        ge=1,
        description="integrated-gradients: points on the way from the baseline to the picture",
    )
    baseline: Literal["mean", "black", "grey", "white"] = Field(
        default="mean",
        description="lime, occlusion, integrated-gradients: what stands where the picture is taken away: "
        "its mean colour "
        "(mean), black, grey, white",
    )
    batch_size: int = Field(
        default=32, ge=1, description="pictures that go through the network at once; bounds the memory"
    )


@dataclass(frozen=True, eq=False)
class AttributionRequest:
    """What a method is asked: some pictures at once, at most `settings.batch_size`.

    Attributes:
        classifier: in evaluation mode.
        pixels: float (n, C, H, W) in [0, 1] on the classifier's device.
        targets: int64 (n,) on the same device.
        settings: those of `explain`. seed: for methods that draw.
        layer: the layer whose maps are weighed; None unless the method needs maps.
        open: the targets are still to be set, by `decide`, from the logits that the method computes anyway.
    """

    classifier: Checkpoint
    pixels: Tensor
    targets: Tensor
    settings: ExplainSettings
    seed: int
    layer: MapLayer | None = None
    open: bool = False

    def decide(self, scores: Tensor) -> None:
        """Take the class with the highest score (n, K) as target."""
        self.targets.copy_(scores.detach().argmax(dim=1))

    @torch.no_grad()
    def probabilities(self, pixels: Tensor) -> Tensor:
        """float64 (n, K): calibrated class probabilities, of a multi-label classifier each label's own."""
        if isinstance(self.classifier.network, Forest):
            logits = torch.from_numpy(predict_logits(self.classifier, to_images(pixels)))
        else:
            logits = self.classifier.logits(pixels) / self.classifier.temperature
        several = self.classifier.task == "multi-label"
        return logits.double().sigmoid() if several else logits.double().softmax(dim=1)

    def baseline(self) -> Tensor:
        """What stands where the picture is taken away, in the shape of `pixels`."""
        if self.settings.baseline == "mean":
            return self.pixels.mean(dim=(2, 3), keepdim=True).expand_as(self.pixels).contiguous()
        return torch.full_like(self.pixels, {"black": 0.0, "grey": 0.5, "white": 1.0}[self.settings.baseline])


Method = Callable[[AttributionRequest], Tensor]
"""What is asked → float maps (n, h, w) of any size; they are resized to that of the pictures."""


@dataclass(frozen=True)
class Explainer:
    """One method.

    Attributes:
        name: what the user types. run: what computes it.
        summary: one line for tables and help.
        source: the paper.
        uses: the settings that it looks at, besides batch_size.
        needs_gradients, needs_maps: what a classifier must have.
        signed: whether negative values mean "against".
    """

    name: str
    run: Method
    summary: str
    source: str
    uses: tuple[str, ...]
    needs_gradients: bool = True
    needs_maps: bool = False
    signed: bool = True


EXPLAINERS: Registry[Explainer] = Registry("method")


def explainer(
    name: str, summary: str, source: str, uses: tuple[str, ...], **facts: bool
) -> Callable[[Method], Method]:
    """Decorator that registers a function as the method `name`; `facts` as in `Explainer`."""

    def add(run: Method) -> Method:
        EXPLAINERS.add(name, Explainer(name, run, summary, source, uses, **facts))
        return run

    return add
