"""Tensors on disk: safetensors, written whole or not at all."""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lightfast.base.errors import CheckpointError
from lightfast.base.files import atomic


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors as safetensors, with `metadata` in the header, atomically; raises StorageError."""
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic(path) as temporary:
        try:
            save_file(kept, temporary, metadata=None if metadata is None else dict(metadata))
        except SafetensorError as error:
            # safetensors hides the system's error number; its text still names it.
            number = re.search(r"os error (\d+)", str(error))
            raise OSError(int(number[1]) if number else errno.EIO, str(error)) from error


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read safetensors; raises CheckpointError naming the file when it is missing or damaged."""
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path} is missing", cure="Train again, or point to a complete run folder."
        ) from error
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is damaged ({error})", cure="Train again, or copy the run folder once more."
        ) from error
