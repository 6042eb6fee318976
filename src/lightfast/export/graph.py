"""A classifier as one ONNX file that needs nothing beside it: uint8 pictures in, probabilities out,
everything else in its metadata.
"""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.jit import TracerWarning  # pyright: ignore[reportPrivateImportUsage]
from torch.nn import functional

from lightfast.base.errors import CheckpointError
from lightfast.base.files import atomic
from lightfast.base.plain import as_json
from lightfast.data.preprocess import Preprocess
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.enhanced_network import EnhancedNetwork
from lightfast.models.forest import Forest
from lightfast.report.provenance import package_versions
from lightfast.tagging.card import CARD_FORMAT, CARD_KEY, INPUT, OUTPUT, ModelCard

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 18
"""The lowest at which all of our networks' operators are there with their present meaning."""
_TRACED = 2
_OLD_EXPORTER = (
    (DeprecationWarning, "You are using the legacy TorchScript-based ONNX export"),
    (DeprecationWarning, "The feature will be removed"),
    (DeprecationWarning, "`torch.jit"),
    (UserWarning, "Constant folding - Only steps=1"),
    (TracerWarning, "torch.tensor results are registered as constants"),
    (TracerWarning, "Converting a tensor to a Python"),
)
"""Warnings of the exporter that say nothing about the file: that it is the older of two,
and that sizes are taken as they are.
"""


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
    height, width, channels = checkpoint.image_shape
    module = _Graph(checkpoint).eval()
    example = torch.zeros((_TRACED, height, width, channels), dtype=torch.uint8)
    _fix_same_padding(module, example)
    with atomic(target) as temporary:
        with _quiet():
            try:
                # The older exporter: 2 s instead of 21 s for Lite0 at 224 (one slow core), and the same graph
                # once paddings are fixed.
                torch.onnx.export(
                    module,
                    (example,),
                    str(temporary),
                    dynamo=False,
                    opset_version=OPSET,
                    input_names=[INPUT],
                    output_names=[OUTPUT],
                    dynamic_axes={INPUT: {0: "n"}, OUTPUT: {0: "n"}},
                )
            except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
                raise CheckpointError(
                    f"{checkpoint.model} cannot be written as ONNX ({str(error).splitlines()[0][:200]})",
                    cure="Use another model, or predict with the run itself.",
                ) from error
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
                part.prepare = _Prepare(shape, part.prepare.preprocess)
        self.prepare = _Prepare(shape, checkpoint.preprocess, 255)
        self.temperature, self.multi_label = checkpoint.temperature, checkpoint.task == "multi-label"

    def forward(self, images: Tensor) -> Tensor:
        logits = self.network(self.prepare(images.permute(0, 3, 1, 2).float())) / self.temperature
        return torch.sigmoid(logits) if self.multi_label else torch.softmax(logits, dim=1)


class _Prepare(nn.Module):
    """`Preprocess` of pixels in [0, `scale`] as ONNX can say it.

    Antialiased resizing between two fixed sizes is a product with a constant matrix on either side: what
    torch makes of unit vectors. The scale is part of mean and std: one subtraction and one division a pixel
    instead of three passes.
    """

    mean: Tensor
    std: Tensor
    rows: Tensor
    columns: Tensor
    luma: Tensor

    def __init__(self, image_shape: tuple[int, int, int], preprocess: Preprocess, scale: int = 1) -> None:
        super().__init__()
        height, width, self.channels = image_shape
        self.preprocess, self.wanted = preprocess, preprocess.channels
        self.resized = (height, width) != tuple(preprocess.size)
        for name, values in (("mean", preprocess.mean), ("std", preprocess.std)):
            self.register_buffer(name, scale * torch.tensor(values).reshape(1, -1, 1, 1))
        self.register_buffer("luma", torch.tensor([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1))
        self.register_buffer("rows", _resizing(height, preprocess.size[0]))
        self.register_buffer("columns", _resizing(width, preprocess.size[1]))

    def forward(self, pixels: Tensor) -> Tensor:
        if self.channels < self.wanted:
            pixels = torch.cat([pixels] * 3, dim=1)
        elif self.channels > self.wanted:
            pixels = (pixels * self.luma).sum(dim=1, keepdim=True)
        if self.resized:
            pixels = torch.matmul(torch.matmul(self.rows, pixels), self.columns.T)
        return (pixels - self.mean) / self.std


def _resizing(before: int, after: int) -> Tensor:
    """float (after, before): the matrix by which a line of `before` pixels becomes one of `after`,
    as `Preprocess` resizes.
    """
    units = torch.eye(before).reshape(1, 1, before, before)
    return functional.interpolate(
        units, size=(after, before), mode="bilinear", antialias=True, align_corners=False
    )[0, 0].contiguous()


def _fix_same_padding(module: nn.Module, example: Tensor) -> None:
    """TensorFlow's padding depends on the size of the input; here that is fixed, and the padding can be a
    constant.

    Computed in the graph it keeps ONNX Runtime from joining it with the convolution: 272 steps instead of 60
    for Lite0.
    """
    same = [
        (holder, name, child)
        for holder in module.modules()
        for name, child in holder.named_children()
        if type(child).__name__ == "Conv2dSame"
    ]
    seen: dict[nn.Module, tuple[int, ...]] = {}

    def note(convolution: nn.Module, given: tuple[Tensor, ...]) -> None:
        seen[convolution] = given[0].shape

    hooks = [one.register_forward_pre_hook(note) for *_, one in same]
    if same:
        with torch.inference_mode():
            module(example[:1])
    for hook in hooks:
        hook.remove()
    for holder, name, child in same:
        if child in seen:
            setattr(holder, name, _padded(child, seen[child]))


def _padded(given: Any, shape: tuple[int, ...]) -> nn.Sequential:
    """A convolution with TensorFlow's padding as it is for pictures of `shape` (N, C, H, W)."""
    from timm.layers import pad_same  # pyright: ignore[reportPrivateImportUsage]

    marked = pad_same(torch.ones((1, 1, *shape[2:])), given.kernel_size, given.stride, given.dilation)[0, 0]
    height, width = marked.shape
    rows, columns = (torch.nonzero(marked.sum(dim=axis))[:, 0] for axis in (1, 0))
    sides = (int(columns[0]), width - 1 - int(columns[-1]), int(rows[0]), height - 1 - int(rows[-1]))
    ends = (given.in_channels, given.out_channels, given.kernel_size, given.stride)
    plain = nn.Conv2d(*ends, 0, given.dilation, given.groups, bias=given.bias is not None)
    plain.weight, plain.bias = given.weight, given.bias
    return nn.Sequential(nn.ZeroPad2d(sides), plain)


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        for category, message in _OLD_EXPORTER:
            warnings.filterwarnings("ignore", message=message.replace("(", r"\("), category=category)
        yield
