"""The split of a run is found again, also where near duplicates decided it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from lightfast.base.files import load_json, write_json
from lightfast.data.images import ImageSet
from lightfast.data.preprocess import Preprocess
from lightfast.models.checkpoint import Checkpoint
from lightfast.runs.fit import prepare_job
from lightfast.runs.folder import RUN_FILE
from lightfast.runs.options import RunOptions
from lightfast.runs.repair import plan as repair_plan
from lightfast.runs.repair.kit import PLAN_FILE, plan_of, splits_of_run
from lightfast.runs.repair.plan import KitChoice
from lightfast.train.recipe import Training


def photographs(folder: Path) -> Path:
    """Two classes of smooth pictures of uneven sizes, every third one saved again a little darker."""
    rng = np.random.default_rng(0)
    for kind in ("a", "b"):
        (folder / kind).mkdir(parents=True)
        for number in range(12):
            coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
            picture = coarse.resize((90 + number, 80), Image.Resampling.BICUBIC).filter(
                ImageFilter.GaussianBlur(1)
            )
            picture.save(folder / kind / f"{number}.png")
            if number % 3 == 0:
                picture.point(lambda level: int(0.97 * level)).save(folder / kind / f"{number}-again.png")
    return folder


def test_near_duplicates_and_uneven_sizes_do_not_hide_the_split_of_a_run(tmp_path: Path):
    source = photographs(tmp_path / "pictures")
    job = prepare_job(str(source), RunOptions(), model="cnn")
    assert job.near["groups"]
    write_json(tmp_path / "run" / RUN_FILE, job.settings(RunOptions()))
    again = splits_of_run(tmp_path / "run", RunOptions())
    assert (again.train.version, again.val.version, again.test.version) == tuple(
        part.version for part in (job.splits.train, job.splits.val, job.splits.test)
    )


def test_a_training_that_goes_on_is_not_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    speeds = iter([20.0, 20.0, 5000.0, 5000.0])
    monkeypatch.setattr(repair_plan, "pictures_per_second", lambda *_: next(speeds))
    many = ImageSet(np.zeros((9_000, 8, 8, 1), np.uint8))
    classifier = Checkpoint("classifier", "cnn", (8, 8, 1), 2, (), Preprocess.identity((8, 8, 1)), None)
    started, resumed, anew = (
        plan_of(KitChoice(), classifier, many, Training(folder=tmp_path, resume=resume))
        for resume in (False, True, False)
    )
    assert started == resumed
    place = tmp_path / ".training" / PLAN_FILE
    told = load_json(place)
    del told["choice"]["views"]
    write_json(place, told)
    with_views = plan_of(KitChoice(views="shift"), classifier, many, Training(folder=tmp_path, resume=True))
    assert with_views == anew
    assert anew.restorer.recipe.epochs > started.restorer.recipe.epochs
