from __future__ import annotations

import numpy as np
import pytest
import torch

from lightfast.base.errors import DataError
from lightfast.data.folds import fold_numbers
from lightfast.report.tables import text_table
from lightfast.studies.emnist import study as emnist
from lightfast.studies.emnist.networks import (
    AUGMENT,
    CNNS,
    DENSE_ACTIVATIONS,
    letters_data,
    ours,
    take_sample,
)
from lightfast.studies.page import write_study_page
from lightfast.studies.registry import StudyOptions
from lightfast.studies.run import find_study


@pytest.fixture(scope="module")
def nothing(tmp_path_factory):
    """A data folder without any data set; what the system's packages carry is hidden too."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(StudyOptions, "has", lambda options, name: False)
        yield tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def quick(nothing, tmp_path_factory):
    # This fixture is set up before the one that gives every test one thread.
    torch.set_num_threads(1)
    options = StudyOptions(out=tmp_path_factory.mktemp("emnist"), data_folder=nothing, device="cpu")
    return options, emnist.run_emnist(options)


def test_the_study_is_registered():
    assert find_study("emnist").run is emnist.run_emnist


def test_at_paper_scale_missing_data_is_refused_with_the_command_that_fetches_it(nothing):
    with pytest.raises(DataError, match="lightfast data fetch emnist-balanced"):
        emnist.run_emnist(StudyOptions(out=nothing, scale="paper", data_folder=nothing))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_row_of_the_paper_is_in_the_table(quick):
    _, result = quick
    titles = [row[0] for row in result.tables[0].rows]
    assert [f"CNN, {layers} layer{'s' * (layers > 1)}" for layers in (1, 2, 3, 4)] == [
        title for title in titles if title.startswith("CNN")
    ]
    assert {"dense network, relu", "dense network, tanh", "dense network, sigmoid"} <= set(titles)
    assert {
        "random forest, depth 80, gini",
        "random forest, depth 80, entropy",
        "ours (resnet9, 16 wide)",
    } <= set(titles)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_figure_has_its_n_seed_and_interval(quick):
    options, result = quick
    figures = result.figures
    assert (figures["seed"], figures["n_test"], figures["scale"]) == (options.seed, 300, "quick")
    for row in figures["rows"]:
        low, high = row["accuracy_interval"]
        assert low < row["accuracy"] < high
        low, high = row["macro_f1_interval"]
        assert low <= row["macro_f1"] <= high


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_stand_in_is_named_in_tables_and_notes(quick):
    _, result = quick
    assert "mnist-5k" in result.tables[0].caption
    assert "not EMNIST" in result.notes[0]
    assert all(text_table(table) for table in result.tables)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_cross_validations_share_their_folds(quick):
    _, result = quick
    validated = list(result.figures["cross_validation"].values())
    assert len(validated) == 3
    assert {(one["folds"], one["n"], one["seed"]) for one in validated} == {(3, 300, 0)}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_second_run_trains_nothing_and_finds_the_same(quick, monkeypatch):
    options, result = quick
    monkeypatch.setattr("lightfast.train.fit.fit", lambda *_, **__: pytest.fail("trained again"))
    again = emnist.run_emnist(options)
    assert [row["accuracy"] for row in again.figures["rows"]] == [
        row["accuracy"] for row in result.figures["rows"]
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_page_holds_tables_and_figures(quick, tmp_path):
    _, result = quick
    text = write_study_page(tmp_path / "report.html", result).read_text("utf-8")
    assert text.count("<svg") >= 3
    assert "Hardest pairs" in text


@pytest.mark.parametrize("row", (*DENSE_ACTIVATIONS, *CNNS), ids=lambda row: row.part)
def test_the_papers_networks_are_trained_as_it_tells_and_say_what_differs(row):
    recipe = row.recipe
    assert (recipe.learning_rate, recipe.batch_size, recipe.epochs) == (0.001, 32, 20)
    assert (recipe.schedule, recipe.averaging, recipe.label_smoothing) == ("constant", 0.0, 0.0)
    assert (recipe.augment, recipe.weight_decay, recipe.keep) == ("none", 0.0, "last")
    assert "not told" in row.differs.lower()


def test_parts_have_no_picture_in_common(nothing):
    splits = letters_data(StudyOptions(out=nothing, data_folder=nothing)).splits
    train, val, test = (set(part.content_hashes) for part in (splits.train, splits.val, splits.test))
    assert not train & val
    assert not (train | val) & test


def test_only_clothes_are_mirrored(nothing):
    data = letters_data(StudyOptions(out=nothing, data_folder=nothing))
    assert ours(data).recipe.augment == "shift"
    assert AUGMENT == {"fashion-mnist": "mirror"}


def test_the_sample_is_drawn_by_seed(nothing):
    images = letters_data(StudyOptions(out=nothing, data_folder=nothing)).splits.train
    assert take_sample(images, 50, 1).ids == take_sample(images, 50, 1).ids
    assert take_sample(images, 50, 1).ids != take_sample(images, 50, 2).ids
    assert len(np.unique(fold_numbers(images, 3))) == 3
