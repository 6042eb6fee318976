"""The option for near duplicates, the refusals that name it, and occupied folders refused before reading."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from lightfast.base.errors import CheckpointError, DataError, LightfastError
from lightfast.experiments.crossval import FoldOptions
from lightfast.runs import corrupt, crossval, sweep, train
from lightfast.runs.crossval import crossval_run
from lightfast.runs.enhance import enhance
from lightfast.runs.folder import RUN_FILE, require_free
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import prepare
from lightfast.train.fit import ClassifierPlan

FOREST = ClassifierPlan("random-forest", config={"trees": 4})


def photograph(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    pixels = sum(gaussian_filter(rng.normal(size=(64, 64, 3)), (w, w, 0)) * w**1.3 for w in (1.5, 4, 12))
    pixels = np.clip(128 + 45 * (pixels - np.mean(pixels)) / np.std(pixels), 0, 255)
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Ten photographs of cats; five files of dogs that all show one photograph."""
    for name, seed, file in [*(("cat", n, n) for n in range(10)), *(("dog", 99, n) for n in range(5))]:
        target = tmp_path / "pictures" / name / f"{file}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        photograph(seed).save(target, quality=90 - 5 * file)
    return tmp_path / "pictures"


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Official parts: every training picture of one class is, compressed anew, in the test part."""
    for part, name, seed in [
        *(("train", "cat", n) for n in range(6)),
        *(("test", "cat", n) for n in range(20, 24)),
        *((part, "dog", n) for part in ("train", "test") for n in range(40, 44)),
    ]:
        target = tmp_path / "parts" / part / name / f"{seed}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        photograph(seed).save(target, quality={"train": 90, "test": 60}[part])
    return tmp_path / "parts"


def test_a_refusal_by_near_duplicates_names_them_and_its_cure_works(copied: Path):
    with pytest.raises(
        DataError, match=r"got 1.*5 of its 5 pictures are near duplicates.*=ignore"
    ) as refused:
        prepare(copied, RunOptions(), near="hashes").splits(0, val=0.4)
    assert "dog" in str(refused.value)
    splits = prepare(copied, RunOptions(near_duplicates="ignore"), near="hashes").splits(0)
    assert {"dog", "cat"} == {splits.test.class_names[label] for label in splits.test.require_labels()}


def test_folds_refused_for_near_duplicates_name_them_and_the_cure_works(copied: Path, tmp_path: Path):
    plan, folds = FOREST, FoldOptions(folds=2, jobs=1)
    with pytest.raises(DataError, match=r"5 of its 5 pictures are near duplicates.*near_duplicates=ignore"):
        crossval_run(str(copied), RunOptions(out=tmp_path / "no"), plan=plan, fold_options=folds)
    options = RunOptions(out=tmp_path / "yes", near_duplicates="ignore")
    assert crossval_run(str(copied), options, plan=plan, fold_options=folds).validated.k == 2


def test_a_class_that_another_part_takes_whole_is_named_and_the_cure_works(parts: Path):
    with pytest.raises(DataError, match=r"every picture of class 'dog' is also in the test part.*=ignore"):
        prepare(parts, RunOptions(), near="hashes").splits(0)
    assert (
        prepare(parts, RunOptions(near_duplicates="ignore"), near="hashes").splits(0).train.num_classes == 2
    )


def test_report_says_what_there_is_and_groups_nothing(copied: Path):
    prepared = prepare(copied, RunOptions(near_duplicates="report"), near="hashes")
    assert len(prepared.near.groups) == 1
    assert prepared.data.train.groups is None
    assert "5 pictures are near duplicates" in prepared.notes[-1]
    assert "not kept on one side" in prepared.notes[-1]


def test_ignore_searches_nothing_and_says_so(copied: Path):
    prepared = prepare(copied, RunOptions(near_duplicates="ignore"), near="hashes")
    assert prepared.near.groups == ()
    assert "ignored" in prepared.near.not_searched


@pytest.fixture
def occupied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunOptions:
    """A folder that holds a run; reading pictures fails."""

    def unread(*given: object, **more: object) -> None:
        raise AssertionError("pictures were read before the folder was looked at")

    for module, name in (
        (train, "prepare_job"),
        (crossval, "prepare"),
        (sweep, "prepare"),
        (corrupt, "prepare"),
    ):
        monkeypatch.setattr(module, name, unread)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / RUN_FILE).write_text('{"made_by": "train", "finished": true}')
    return RunOptions(out=tmp_path / "run")


def test_an_occupied_folder_is_refused_before_pictures_are_read(occupied: RunOptions):
    plan, given = FOREST, {"name": "fog"}
    calls = [
        lambda: train.train_run("pictures", occupied, model="mlp"),
        lambda: crossval_run("pictures", occupied, plan=plan, fold_options=FoldOptions()),
        lambda: sweep.sweep_run(
            "pictures", occupied, plan=plan, sweep_options=sweep.SweepOptions("train_size")
        ),
        lambda: corrupt.corrupt_run("pictures", corrupt.jobs_of(given["name"], None, None), occupied),
        lambda: enhance.enhance_run("run", "pictures", occupied),
    ]
    for call in calls:
        with pytest.raises(LightfastError, match="holds"):
            call()


def test_a_free_folder_one_to_go_on_in_and_one_of_the_own_kind_are_not_refused(occupied: RunOptions):
    folder = occupied.folder("train")
    assert require_free(folder.parent / "new") == folder.parent / "new"
    assert require_free(folder, resume=True) == folder
    assert require_free(folder, replace="train") == folder
    with pytest.raises(CheckpointError, match="another kind of run"):
        require_free(folder, replace="sweep")
