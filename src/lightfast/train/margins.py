"""The margin of every training picture in every epoch: labels that are never learned show there."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import CheckpointError
from lightfast.base.files import write_bytes

MARGINS_FOLDER = "margins"


def save_epoch_margins(folder: Path, epoch: int, margins: NDArray[np.float32]) -> Path:
    """Keep the margins float32 (N,), in −1..1, NaN for a picture that was left out, of epoch number `epoch`
    (from 0) beside the state of a training.
    """
    buffer = BytesIO()
    np.save(buffer, margins.astype(np.float32), allow_pickle=False)
    return write_bytes(folder / MARGINS_FOLDER / f"{epoch:04d}.npy", buffer.getvalue())


def load_epoch_margins(folder: Path, epochs: int) -> NDArray[np.float32] | None:
    """float32 (N, E) of the first `epochs` epochs, or None where a training recorded none; raises
    CheckpointError for a file that is damaged or of other pictures.
    """
    files = [folder / MARGINS_FOLDER / f"{number:04d}.npy" for number in range(epochs)]
    files = [path for path in files if path.is_file()]
    if not files:
        return None
    try:
        return np.stack([np.load(path, allow_pickle=False) for path in files], axis=1)
    except (ValueError, EOFError) as error:
        raise CheckpointError(
            f"{files[0].parent}: margins that do not fit together ({error})", cure="Train again."
        ) from error
