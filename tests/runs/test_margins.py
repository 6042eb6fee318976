"""margins.parquet: what a training recorded, by picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lightfast.base.errors import CheckpointError
from lightfast.data.images import ImageSet
from lightfast.runs.margins import MARGINS_FILE, load_margins, write_margins
from lightfast.train.margins import save_epoch_margins


def recorded(folder: Path, blobs: ImageSet, rows: int) -> None:
    for epoch in range(2):
        save_epoch_margins(folder / ".training" / "classifier", epoch, np.full(rows, epoch / 10, np.float32))


def test_margins_are_found_by_picture_and_nan_for_others(blobs: ImageSet, tmp_path: Path):
    recorded(tmp_path, blobs, len(blobs))
    assert write_margins(tmp_path, blobs, 2) is not None
    found = load_margins(tmp_path, [blobs.ids[3], "elsewhere"])
    assert found is not None
    assert found[0] == pytest.approx([0.0, 0.1])
    assert np.isnan(found[1]).all()


def test_nothing_is_written_of_other_pictures_or_none(blobs: ImageSet, tmp_path: Path):
    assert write_margins(tmp_path, blobs, 2) is None
    recorded(tmp_path, blobs, 3)
    assert write_margins(tmp_path, blobs, 2) is None
    assert load_margins(tmp_path, blobs.ids) is None


def test_a_damaged_file_is_refused(tmp_path: Path):
    (tmp_path / MARGINS_FILE).write_bytes(b"no parquet")
    with pytest.raises(CheckpointError, match="damaged"):
        load_margins(tmp_path, ["one"])
