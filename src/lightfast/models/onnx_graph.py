"""A network as an ONNX graph of one picture size: what both the exported file and the frozen features are
made of.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.jit import TracerWarning  # pyright: ignore[reportPrivateImportUsage]
from torch.nn import functional

from lightfast.base.errors import CheckpointError
from lightfast.data.preprocess import Preprocess

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


def write_onnx(
    module: nn.Module, image_shape: tuple[int, int, int], path: Path, names: tuple[str, str]
) -> None:
    """Write a module that takes uint8 (N, H, W, C) as an ONNX file; N is free.

    Its TensorFlow paddings become constants (in place). `names` are those of input and output.

    Raises CheckpointError for a module that has an operator which ONNX has not.
    """
    example = torch.zeros((_TRACED, *image_shape), dtype=torch.uint8)
    _fix_same_padding(module.eval(), example)
    with _quiet():
        try:
            # The older exporter: 2 s instead of 21 s for Lite0 at 224 (one slow core), and the same graph
            # once paddings are fixed.
            torch.onnx.export(
                module,
                (example,),
                str(path),
                dynamo=False,
                opset_version=OPSET,
                input_names=[names[0]],
                output_names=[names[1]],
                dynamic_axes={name: {0: "n"} for name in names},
            )
        except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
            raise CheckpointError(
                f"{type(module).__name__} cannot be written as ONNX ({str(error).splitlines()[0][:200]})",
                cure="Use another model, or predict with the run itself.",
            ) from error


class GraphPreprocess(nn.Module):
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
