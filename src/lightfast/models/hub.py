"""Published classifiers by `hf-hub:ID` (or `hf-hub:FOLDER` for a local copy): transformers and timm layouts,
safetensors only.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from lightfast.base.errors import CheckpointError
from lightfast.models.registry import ImageShape, register


class TransformersClassifier(nn.Module):
    """A `transformers` image classifier as a plain network: pictures in, logits out."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pictures: Tensor) -> Tensor:
        return self.model(pixel_values=pictures).logits


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise CheckpointError(
            "this checkpoint needs the package transformers", cure="pip install 'lightfast[hub]'."
        ) from error
    return transformers


def _build(image_shape: ImageShape, outputs: int, hub_config: dict[str, Any]) -> nn.Module:
    transformers = _transformers()
    config = transformers.AutoConfig.for_model(**hub_config)
    return TransformersClassifier(transformers.AutoModelForImageClassification.from_config(config))


register("hub-transformers", _build, "a classifier loaded by hf-hub:ID", "transformers")
