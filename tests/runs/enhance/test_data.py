"""The pictures that an enhancer is judged on: none that one of the runs behind it has seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightfast.base.errors import DataError
from lightfast.data.images import ImageSet
from lightfast.models.load import load_checkpoint
from lightfast.runs.enhance.data import load_enhance_data
from lightfast.runs.folder import write_seen
from lightfast.runs.options import RunOptions


def test_of_several_runs_the_one_that_has_seen_every_picture_is_named(
    run: Path, blobs: ImageSet, blob_file: str, tmp_path: Path
):
    (tmp_path / "other").mkdir()
    write_seen(tmp_path / "other", blobs)
    with pytest.raises(DataError, match="other was trained or chosen on every one of the"):
        load_enhance_data(load_checkpoint(run), blob_file, [str(run), str(tmp_path / "other")], RunOptions())
