"""Which device and which number format to compute in."""

from __future__ import annotations

import torch

from lightfast.base.errors import SettingsError


def resolve_device(name: str = "auto") -> torch.device:
    """`auto` takes CUDA where it is, else the CPU; raises SettingsError for a device that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda"):
        raise SettingsError(f"device {name!r}", expected="auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise SettingsError(
            "device cuda: this machine has no CUDA device", cure="Use --device auto or --device cpu."
        )
    return torch.device(name)


def bf16_pays(device: torch.device) -> bool:
    """True where bfloat16 is computed in hardware.

    On a CPU without it, bf16 was measured 10 to 15 times slower than fp32.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
