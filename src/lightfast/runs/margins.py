"""margins.parquet of a run: the margin of every training picture in every epoch, by picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import CheckpointError
from lightfast.base.files import atomic
from lightfast.data.images import ImageSet
from lightfast.train.margins import load_epoch_margins

MARGINS_FILE = "margins.parquet"


def write_margins(folder: Path, images: ImageSet, epochs: int) -> Path | None:
    """Gather what the training of the run in `folder` recorded of `images` into one file: `id`, `content`
    hash, `given_label`, and a column an epoch. None where nothing was recorded (linear heads, forests, tags,
    pictures drawn anew every epoch, other pictures).
    """
    margins = load_epoch_margins(folder / ".training" / "classifier", epochs)
    if margins is None or len(margins) < len(images) or not np.isnan(margins[len(images) :]).all():
        return None
    # Behind them stand pictures without a label, which have no margin.
    margins = margins[: len(images)]
    import pandas as pd

    names = np.array(images.class_names, dtype=object)
    columns = {
        "id": list(images.ids),
        "content": list(images.content_hashes),
        "given_label": names[images.require_labels()],
    }
    columns |= {f"epoch_{number + 1}": margins[:, number] for number in range(margins.shape[1])}
    with atomic(folder / MARGINS_FILE) as temporary:
        pd.DataFrame(columns).to_parquet(temporary, index=False)
    return folder / MARGINS_FILE


def load_margins(folder: Path, ids: Sequence[str]) -> NDArray[np.float32] | None:
    """float32 (N, E) of the pictures `ids`, NaN for those that the run was not fitted on; None where the run
    recorded none. Raises CheckpointError for a damaged file.
    """
    path = folder / MARGINS_FILE
    if not path.is_file():
        return None
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
        kept = frame.drop_duplicates("id").set_index("id")
        epochs = [name for name in frame.columns if name.startswith("epoch_")]
        return kept[epochs].reindex(list(ids)).to_numpy(dtype=np.float32)
    except (ValueError, KeyError, OSError) as error:
        raise CheckpointError(f"{path} is damaged ({error})", cure="Train again.") from error
