"""A classifier as one ONNX file that needs nothing beside it: uint8 pictures in, probabilities out,
everything else in its metadata.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lightfast.base.errors import CheckpointError
from lightfast.base.files import atomic
from lightfast.base.plain import as_json
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.enhanced_network import EnhancedNetwork
from lightfast.models.forest import Forest
from lightfast.models.onnx_graph import GraphPreprocess, write_onnx
from lightfast.report.provenance import package_versions
from lightfast.tagging.card import CARD_FORMAT, CARD_KEY, INPUT, OUTPUT, ModelCard

if TYPE_CHECKING:
    from onnx import ModelProto


def export_graph(checkpoint: Checkpoint, path: Path | str, source_digest: str = "") -> Path:
    """Write a classifier as ONNX, atomically: input `images` uint8 (N, H, W, C) 0..255, output
    `probabilities` float32 (N, K).

    N is free; H, W and C are `checkpoint.image_shape`. The network's own resizing (`Preprocess`),
    normalisation and temperature are inside; probabilities are those of `evaluate.predict` (softmax, or
    sigmoid where the task is multi-label).

    Args:
        checkpoint: a classifier with a neural network.
        path: the file; one that is there is replaced.
        source_digest: of the checkpoint's files, so that a stale export is known.

    Raises CheckpointError for a forest, for a detector or a restorer, and for a network that has an operator
    which ONNX has not.
    """
    import onnx

    _require_exportable(checkpoint)
    target = Path(path)
    module = _Graph(checkpoint).eval()
    with atomic(target) as temporary:
        write_onnx(module, checkpoint.image_shape, Path(temporary), (INPUT, OUTPUT))
        model = onnx.load(temporary)
        write_model_card(model, model_card(checkpoint, source_digest))
        onnx.save(model, temporary)
    return target


def model_card(checkpoint: Checkpoint, source_digest: str = "") -> ModelCard:
    """What an exported classifier says of itself."""
    facts: Mapping[str, Any] = checkpoint.details
    return ModelCard(
        model=checkpoint.model,
        image_shape=checkpoint.image_shape,
        class_names=checkpoint.class_names,
        task=checkpoint.task,
        thresholds=checkpoint.thresholds,
        taxonomy=checkpoint.taxonomy,
        temperature=checkpoint.temperature,
        preprocess=checkpoint.preprocess.as_json(),
        lightfast_version=package_versions().get("lightfast", "not installed"),
        data_version=facts.get("data_version"),
        seed=facts.get("seed"),
        source_digest=source_digest,
    )


def write_model_card(model: ModelProto, card: ModelCard) -> None:
    """Put the card into the metadata of an ONNX model, in the place of one that is there."""
    kept = {one.key: one.value for one in model.metadata_props if one.key != CARD_KEY}
    del model.metadata_props[:]
    content = json.dumps({"format": CARD_FORMAT, **as_json(card)}, ensure_ascii=False, allow_nan=False)
    for key, value in {**kept, CARD_KEY: content}.items():
        model.metadata_props.add(key=key, value=value)


def _require_exportable(checkpoint: Checkpoint) -> None:
    if checkpoint.role != "classifier":
        raise CheckpointError(
            "export",
            expected="a classifier",
            got=f"a {checkpoint.role}",
            cure="Give the run that `train` wrote.",
        )
    if isinstance(checkpoint.network, Forest):
        raise CheckpointError(
            f"{checkpoint.model} is a forest and cannot be written as ONNX",
            expected="a neural network",
            cure="Read with it as it is, or train a network: lightfast train with `model` cnn.",
        )


class _Graph(nn.Module):
    """uint8 (N, H, W, C) → probabilities (N, K):
    everything of a checkpoint between the pixels and the answer.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        shape = checkpoint.image_shape
        self.network = copy.deepcopy(checkpoint.torch_network).cpu().float()
        # Behind an enhancer stands a whole classifier with its own resizing and normalisation.
        for part in self.network.modules():
            if isinstance(part, EnhancedNetwork):
                part.prepare = GraphPreprocess(shape, part.prepare.preprocess)
        self.prepare = GraphPreprocess(shape, checkpoint.preprocess, 255)
        self.temperature, self.multi_label = checkpoint.temperature, checkpoint.task == "multi-label"

    def forward(self, images: Tensor) -> Tensor:
        logits = self.network(self.prepare(images.permute(0, 3, 1, 2).float())) / self.temperature
        return torch.sigmoid(logits) if self.multi_label else torch.softmax(logits, dim=1)
