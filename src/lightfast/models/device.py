"""Which device and which number format to compute in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lightfast.base.errors import SettingsError

if TYPE_CHECKING:
    import torch
    from torch import nn

_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))
"""What NVIDIA's driver leaves on Linux, and in a Linux inside Windows."""


def resolve_device(name: str = "auto") -> torch.device:
    """`auto` takes CUDA where it is, else the CPU; raises SettingsError for a device that is not there."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda"):
        raise SettingsError(f"device {name!r}", expected="auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise SettingsError("device cuda: this machine has no CUDA device", cure="Use `device` auto or cpu.")
    return torch.device(name)


def surely_cpu(name: str = "auto") -> bool:
    """Whether `name` means the CPU, told without torch: `auto` does where no graphics driver is."""
    return name == "cpu" or (name == "auto" and not any(path.exists() for path in _DRIVERS))


def bf16_pays(device: torch.device) -> bool:
    """True where bfloat16 is computed in hardware.

    On a CPU without it, bf16 was measured 10 to 15 times slower than fp32.
    """
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def bf16_pays_for(network: nn.Module, device: torch.device) -> bool:
    """Whether bfloat16 makes a training of `network` faster: on a CPU only where the hardware has it
    (`bf16_pays`) and a layer is wide enough to fill its registers: a convolution of 16 channels, or 128
    inputs of a dense layer, on both sides. Narrower ones were measured a fifth slower than in fp32.
    """
    if not bf16_pays(device):
        return False
    sides = ((min(one.shape[:2]), one.ndim) for one in network.parameters() if one.ndim > 1)
    return device.type == "cuda" or any(side >= (128 if ndim == 2 else 16) for side, ndim in sides)
