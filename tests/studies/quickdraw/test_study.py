from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lightfast.base.errors import DataError
from lightfast.baselines.human import AnswerLog, Trial, draw_sample, person_order
from lightfast.experiments.levels import class_regression, last_loss
from lightfast.experiments.sweep import PointResult, SweepPoint, cut
from lightfast.models.build import build_network
from lightfast.models.registry import count_parameters
from lightfast.report.tables import text_table
from lightfast.runs.human import ANSWERS_FILE, held_out
from lightfast.runs.options import RunOptions
from lightfast.studies.quickdraw import study as quickdraw
from lightfast.studies.quickdraw.figures import PAPER_FIGURE_8
from lightfast.studies.quickdraw.networks import (
    DRAWING_ROWS,
    GRIDS,
    PAPER_GRID,
    SHARED_CATEGORIES,
    drawings_data,
    h3_points,
    h4_points,
    h5_points,
    majority_cut,
)
from lightfast.studies.quickdraw.tables import converged, regression_json, regression_table
from lightfast.studies.registry import StudyOptions
from lightfast.studies.rows import training_speed
from lightfast.studies.run import find_study

PARAMETERS = {"drawing-fc": 20_067, "drawing-cnn-1": 320_890, "drawing-cnn-2": 19_322}


@pytest.fixture(scope="module")
def nothing(tmp_path_factory):
    """A data folder without any data set."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def quick(nothing, tmp_path_factory):
    # This fixture is set up before the one that gives every test one thread.
    torch.set_num_threads(1)
    options = StudyOptions(out=tmp_path_factory.mktemp("quickdraw"), data_folder=nothing, device="cpu")
    return options, quickdraw.run_quickdraw(options)


def test_the_study_is_registered():
    assert find_study("quickdraw").run is quickdraw.run_quickdraw


def test_at_paper_scale_missing_drawings_are_refused_with_the_command_that_fetches_them(nothing):
    with pytest.raises(DataError, match="lightfast data fetch quickdraw"):
        quickdraw.run_quickdraw(StudyOptions(out=nothing, scale="paper", data_folder=nothing))


@pytest.mark.parametrize("row", DRAWING_ROWS[:3], ids=lambda row: row.part)
def test_the_papers_networks_have_exactly_its_parameters(row):
    assert count_parameters(build_network(row.model, "classifier", (28, 28, 1), 10)) == PARAMETERS[row.part]


def test_the_paper_grid_has_the_papers_sizes_epochs_ratios_and_classes():
    grid = GRIDS["paper"]
    assert set(PAPER_FIGURE_8) <= set(grid.sizes)
    assert grid.epochs[0] == 10
    assert [grid.majority / count for count in grid.minorities] == [500, 50, 10, 5, 2, 1]
    assert list(grid.classes) == list(range(3, 11))


def test_a_grid_of_rows_that_is_not_the_papers_is_said_beside_its_figure():
    measured = [
        PointResult(
            SweepPoint(classes=classes, rows=rows),
            classes * rows,
            100,
            accuracy,
            0.5,
            {},
            {1: {"val_loss": loss}},
        )
        for classes, rows, accuracy, loss in (
            (3, 20, 0.9, 0.3),
            (5, 20, 0.8, 0.5),
            (3, 40, 0.92, 0.2),
            (5, 40, 0.83, 0.4),
        )
    ] * 2
    grid = GRIDS["quick"]
    found = class_regression(measured), class_regression(measured, last_loss, "loss")
    shown = regression_table(found, 100, grid).rows
    by_name = {row[:2]: row for row in shown}
    # By hand: the mean over the rows of the difference that two classes make.
    assert by_name["accuracy", "classes"][3] == f"{100 * -(0.1 + 0.09) / 4:+.4f}"
    assert by_name["loss", "classes"][3] == f"{100 * (0.2 + 0.2) / 4:+.4f}"
    assert by_name["loss", "rows"][3] == f"{100 * -(0.1 + 0.1) / 40:+.4f}"
    assert (by_name["loss", "classes"][2], by_name["loss", "rows"][2]) == (
        "+6.4 % a class",
        "−0.0056 % a row",
    )
    differs = by_name["accuracy", "rows"][-1]
    assert f"{grid.span} (paper: {PAPER_GRID})" in str(differs)
    told = regression_json(found[0], grid)
    assert (told["differs"], told["r_squared"]) == (differs, found[0].r_squared)
    assert "20–40 rows a class" in grid.span


def test_every_row_of_the_paper_trains_as_it_tells_and_says_what_differs():
    for row in DRAWING_ROWS[:3]:
        recipe = row.recipe
        assert (recipe.epochs, recipe.optimizer, recipe.weight_decay, recipe.augment) == (
            10,
            "adamw",
            0.0,
            "none",
        )
        assert (recipe.averaging, recipe.label_smoothing, recipe.keep) == (0.0, 0.0, "last")
        assert f"{len(SHARED_CATEGORIES)} of its ten categories" in row.differs
    assert set(SHARED_CATEGORIES) == {"airplane", "alarm clock", "bicycle", "fish"}
    assert "24 epochs" in DRAWING_ROWS[3].differs


def test_a_row_has_converged_half_a_point_under_its_best():
    history = [
        {"epoch": epoch, "val_accuracy": reached} for epoch, reached in ((1, 0.7), (2, 0.796), (3, 0.8))
    ]
    outcome = SimpleNamespace(checkpoint=SimpleNamespace(history=history))
    assert converged(outcome, speed=50.0, pictures=100) == {"converged_epoch": 2, "converged_seconds": 4.0}


def test_fresh_test_pictures_of_the_pair_are_not_in_training(nothing):
    data = drawings_data(StudyOptions(out=nothing, data_folder=nothing))
    assert not set(data.pair[0].content_hashes) & set(data.pair[1].content_hashes)
    assert np.bincount(data.pair[1].require_labels()).tolist() == [30, 30]


def test_the_points_of_every_hypothesis_fit_the_data(nothing):
    data, grid = drawings_data(StudyOptions(out=nothing, data_folder=nothing)), GRIDS["quick"]
    for points, pictures in (
        (h3_points(grid), data.fitted),
        (h5_points(grid), data.fitted),
        (h4_points(grid, data.pair_names[1]), majority_cut(data, grid)),
    ):
        for point in points:
            train, _ = cut(
                pictures, data.splits.test if pictures is not data.pair[0] else data.pair[1], point, 0
            )
            wanted = (
                point.train_size
                or (point.rows or 0) * (point.classes or 0)
                or grid.majority + (point.minority or ("", 0))[1]
            )
            assert len(train) == wanted


def test_speed_is_measured_on_pictures_of_every_class(nothing):
    options = StudyOptions(out=nothing, data_folder=nothing, device="cpu")
    # The pictures stand class by class: the first hundred would be of two classes.
    assert training_speed(DRAWING_ROWS[0].quick(1), drawings_data(options).splits, options, pictures=100) > 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_all_hypotheses_are_in_the_tables(quick):
    _, result = quick
    told = "\n".join(text_table(table) for table in result.tables)
    assert [mark for mark in ("H1 and H2", "H3", "H4", "H5 and H6") if mark not in told] == []
    assert "−1.88 points a class" in told


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_without_people_the_row_says_not_run(quick):
    _, result = quick
    row = next(row for row in result.tables[0].rows if row[0] == "people")
    assert row[1] == "not run"
    assert result.figures["human"]["status"] == "not run"
    assert "accuracy" not in result.figures["human"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_second_run_trains_nothing_and_people_fill_their_row(quick, monkeypatch):
    options, result = quick
    monkeypatch.setattr("lightfast.train.fit.fit", lambda *_, **__: pytest.fail("trained again"))
    monkeypatch.setattr("lightfast.studies.quickdraw.study.training_speed", lambda *_, **__: 1.0)
    folder = options.out / quickdraw.PEOPLE_FOLDER
    images = held_out(str(options.out / quickdraw.PICTURES_FILE), RunOptions(), None).images
    rows = draw_sample(images, 20, 0)
    log = AnswerLog(folder / ANSWERS_FILE, Trial(images.version, images.class_names, 0, 20))
    log.prepare()
    # A test double for a person who knows every answer but one.
    for position, row in enumerate(person_order(rows, 0, "Ada")):
        said = images.class_names[images.require_labels()[row]] if position else None
        log.append(_answer(log, images, int(row), said, position))
    again = quickdraw.run_quickdraw(options)
    assert [row["accuracy"] for row in again.figures["rows"]] == [
        row["accuracy"] for row in result.figures["rows"]
    ]
    assert again.figures["human"]["people"][0]["accuracy"] == pytest.approx(19 / 20)
    assert again.figures["human"]["people"][0]["versus_model"]["n"] == 20


def _answer(log, images, row, said, position):
    from lightfast.baselines.human import Answer

    picture = (images.ids[row], images.content_hashes[row])
    return Answer.of(log.trial, picture, person="Ada", answer=said, seconds=1.0, position=position)
