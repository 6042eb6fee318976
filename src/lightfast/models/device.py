"""Which device and which number format to compute in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lightfast.base.errors import SettingsError

if TYPE_CHECKING:
    import torch

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
