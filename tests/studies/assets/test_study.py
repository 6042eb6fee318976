from pathlib import Path

import numpy as np
import pytest

from lightfast.studies.assets.draws import methods_of
from lightfast.studies.assets.nets import ways
from lightfast.studies.assets.tasks import CLASSES, NOISE, TASKS, draw, falsified, library
from lightfast.studies.registry import StudyOptions
from lightfast.studies.run import find_study


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    # An empty data folder: the embedded digits stand in, so that the test says the same everywhere.
    empty = tmp_path_factory.mktemp("no-data")
    return library(StudyOptions(empty / "out", data_folder=empty))


def test_the_parts_share_no_picture_and_the_stand_in_is_said(pool):
    assert not set(pool.train.content_hashes) & set(pool.test.content_hashes)
    assert pool.train.class_names == CLASSES
    assert "Stand-in data" in pool.notes[0]


@pytest.mark.parametrize("task", TASKS, ids=[task.name for task in TASKS])
def test_a_draw_fits_chooses_and_tests_on_different_pictures_of_its_own_classes(pool, task):
    drawn = draw(task, pool, 0, (60, 30))
    assert len(drawn.fit_rows) + len(drawn.val_rows) == 60
    assert len(drawn.test_rows) == 30
    assert not set(drawn.fit_rows.tolist()) & set(drawn.val_rows.tolist())
    names = {CLASSES[label] for label in pool.test.require_labels()[drawn.test_rows]}
    assert names == set(task.classes)
    truth = [task.classes[label] for label in drawn.truth]
    assert truth == [CLASSES[label] for label in pool.test.require_labels()[drawn.test_rows]]


def test_one_training_label_in_ten_is_wrong_and_no_test_label(pool):
    noisy = next(task for task in TASKS if task.noisy)
    drawn = draw(noisy, pool, 3, (60, 30))
    rows = np.concatenate([drawn.fit_rows, drawn.val_rows])
    right = np.array([noisy.classes.index(CLASSES[label]) for label in pool.train.require_labels()[rows]])
    assert (drawn.given != right).sum() == round(NOISE * 60)


def test_a_falsified_label_is_always_another_one():
    labels = np.arange(1_000) % 6
    changed = falsified(labels, 6, 0.1, np.random.default_rng(0))
    assert (changed != labels).sum() == 100
    assert set(changed.tolist()) == set(range(6))


def test_the_tree_is_compared_where_it_differs_from_one_decision():
    names = {task.name: [method.name for method in methods_of(task)] for task in TASKS}
    assert "tree" not in names["expression"]
    assert "tree" in names["four"]
    assert [name for name, methods in names.items() if "robust" in methods] == ["six-noisy"]
    assert [way.name for way in ways()] == ["frozen", "staged", "full", "scratch"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_whole_study_at_its_quick_scale(tmp_path: Path):
    options = StudyOptions(tmp_path / "out", data_folder=tmp_path)
    result = find_study("assets").run(options)
    assert [len(table.rows) for table in result.tables] == [4, 11, 4, 3, 3, 9, 7, 3, 10]
    kept = {
        path: path.stat().st_mtime_ns
        for path in (tmp_path / "out").rglob("*")
        if path.suffix in (".npy", ".json")
    }
    again = find_study("assets").run(options)
    assert again.figures == result.figures
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
