"""One picture through the kit of a run says what `repair` says of it among others."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from fixtures.runs import give_small_kit
from PIL import Image

from lightfast.base.errors import NotFoundError
from lightfast.corrupt.suite import corrupt_array
from lightfast.data.images import ImageSet
from lightfast.restore.pipeline import repair
from lightfast.runs.repair.picture import kit_of_run, repair_picture


def test_one_picture_is_repaired_as_it_is_among_others(run: Path, blobs: ImageSet, tmp_path: Path):
    folder = give_small_kit(Path(shutil.copytree(run, tmp_path / "run")), blobs)
    pipeline = kit_of_run(str(folder), "cpu")
    damaged = corrupt_array(blobs.images[:6], "fog", 4, np.random.default_rng(0))
    together = repair(pipeline, ImageSet(damaged))
    for row, image in enumerate(damaged):
        Image.fromarray(image[..., 0]).save(tmp_path / f"{row}.png")
        found = repair_picture(pipeline, tmp_path / f"{row}.png")
        assert (found.damage, found.severity) == (together.damage.names[row], together.damage.severity[row])
        assert (found.attempted, found.kept, found.reason) == (
            together.attempted[row],
            together.kept[row],
            together.reasons[row],
        )
        assert found.after[0][0] == blobs.class_names[together.after.predicted_labels[row]]
        assert found.before[0][1] == pytest.approx(together.before.confidence[row], abs=1e-5)
        assert (found.picture == image).all()
        assert (found.restored == together.restored[row]).mean() > 0.99


def test_a_run_without_a_kit_says_how_to_make_one(run: Path):
    with pytest.raises(NotFoundError, match=f"lightfast repair {run} DATA"):
        kit_of_run(str(run), "cpu")
