"""One door for labelled pictures: no verb lets the same picture stand on two sides,
none reads another way.
"""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

import lightfast
from lightfast.data.export import save_npz
from lightfast.data.images import ImageSet
from lightfast.experiments import crossval
from lightfast.experiments.crossval import FoldOptions
from lightfast.experiments.sweep_plan import SweepOptions
from lightfast.runs import sweep as sweep_module
from lightfast.runs.corrupt import corrupt_run
from lightfast.runs.crossval import crossval_run
from lightfast.runs.evaluate import evaluate_run
from lightfast.runs.fit import prepare_job
from lightfast.runs.human import held_out
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import prepare
from lightfast.runs.sweep import sweep_run
from lightfast.train.fit import ClassifierPlan

PACKAGE = Path(lightfast.__file__).parent
PHOTOGRAPHS = 24
FOREST = ClassifierPlan("random-forest", config={"trees": 4})
# What reads or divides labelled pictures without looking for near duplicates.
BEHIND_THE_DOOR = {"read", "load_splits", "load_dataset", "find_near_duplicates", "with_near_groups"}
# The door itself; and a listing of the catalogue, which counts the pictures of a set.
DOORS = {"runs/pictures.py", "cli/data.py"}


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Photographs of two classes, each present as a PNG and as a JPEG."""
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(PHOTOGRAPHS):
        rng = np.random.default_rng(number)
        pixels = sum(gaussian_filter(rng.normal(size=(64, 64, 3)), (w, w, 0)) * w**1.3 for w in (1.5, 4, 12))
        pixels = np.clip(128 + 45 * (pixels - np.mean(pixels)) / np.std(pixels), 0, 255).astype(np.uint8)
        target = folder / ("heads", "tails")[number % 2]
        target.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(target / f"{number:02d}.png")
        Image.fromarray(pixels).save(target / f"{number:02d}.jpg", quality=80)
    return str(folder)


def photographs(images: ImageSet) -> set[str]:
    """Which photographs a set shows, whatever the file."""
    return {Path(name).stem for name in images.ids}


def straddling(*sides: ImageSet) -> set[str]:
    shown = [photographs(side) for side in sides]
    return {
        one for number, first in enumerate(shown) for later in shown[number + 1 :] for one in first & later
    }


def test_train_keeps_copies_on_one_side(twice):
    splits = prepare_job(twice, RunOptions(), model="mlp").splits
    assert straddling(splits.train, splits.val, splits.test) == set()


def test_crossval_keeps_copies_in_one_fold(twice, tmp_path, monkeypatch):
    folds: list[tuple[ImageSet, ImageSet]] = []
    spied = crossval.fold_numbers

    def spy(images: ImageSet, count: int, seed: int = 0):
        numbers = spied(images, count, seed)
        folds.append(tuple(images.take(np.flatnonzero(numbers == fold)) for fold in range(count)))
        return numbers

    monkeypatch.setattr(crossval, "fold_numbers", spy)
    crossval_run(
        twice, RunOptions(out=tmp_path / "run"), plan=FOREST, fold_options=FoldOptions(folds=2, jobs=1)
    )
    assert folds
    assert [straddling(*sides) for sides in folds] == [set()] * len(folds)


def test_sweep_holds_out_no_copy_of_a_training_picture(twice, tmp_path, monkeypatch):
    sides: list[ImageSet] = []

    def spy(points, parts, *_given, **_named):
        sides.extend(parts)
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep_module, "run_points", spy)
    with pytest.raises(KeyboardInterrupt):
        sweep_run(
            twice,
            RunOptions(out=tmp_path / "run"),
            plan=FOREST,
            sweep_options=SweepOptions("train_size", (20, 30)),
        )
    assert len(sides) == 2
    assert straddling(*sides) == set()


def test_people_are_asked_about_no_copy_of_a_training_picture(twice):
    train = prepare_job(twice, RunOptions(), model="mlp").splits.train
    held = held_out(twice, RunOptions(), None).images
    assert len(held)
    assert straddling(train, held) == set()


def test_what_was_found_is_said(twice):
    prepared = prepare(twice, RunOptions())
    assert len(prepared.near.groups) == PHOTOGRAPHS
    assert any(f"({PHOTOGRAPHS} groups)" in note for note in prepared.notes)


def imported_from_data(path: Path) -> list[tuple[int, str]]:
    """(line, name) of what a module imports from `data/`."""
    nodes = [
        one
        for one in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(one, ast.ImportFrom)
    ]
    of_data = [one for one in nodes if (one.module or "").startswith("lightfast.data")]
    return [(node.lineno, alias.name) for node in of_data for alias in node.names]


def test_every_verb_and_study_takes_labelled_pictures_through_the_door():
    rooms = [path for room in ("runs", "studies", "cli", "pages") for path in (PACKAGE / room).rglob("*.py")]
    inside = [path for path in rooms if path.relative_to(PACKAGE).as_posix() not in DOORS]
    found = [
        f"{path.relative_to(PACKAGE)}:{line} {name}"
        for path in inside
        for line, name in imported_from_data(path)
        if name in BEHIND_THE_DOOR
    ]
    assert found == []


def test_the_same_limit_and_seed_draw_the_same_pictures_in_corrupt_and_evaluate(
    run, blobs, tmp_path, monkeypatch
):
    # Unlike those that the run has seen.
    fresh = save_npz(tmp_path / "fresh.npz", ImageSet(255 - blobs.images, blobs.class_names, blobs.labels))
    drawn: list[tuple[str, ...]] = []

    def spy(images: ImageSet, *_given, **_named):
        drawn.append(images.ids)
        raise KeyboardInterrupt

    monkeypatch.setattr("lightfast.runs.corrupt.corrupt", spy)
    monkeypatch.setattr(
        "lightfast.runs.evaluate.robustness", lambda _classifier, images, *_, **__: spy(images)
    )
    with pytest.raises(KeyboardInterrupt):
        corrupt_run(str(fresh), [("fog", 3, "standard")], RunOptions(out=tmp_path / "a.npz"), limit=20)
    with pytest.raises(KeyboardInterrupt):
        evaluate_run(str(run), str(fresh), RunOptions(), suite="mnist-c", limit=20)
    assert len(drawn[0]) == 20
    assert drawn[0] == drawn[1]
