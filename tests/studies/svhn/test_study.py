from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from lightfast.base.errors import DataError
from lightfast.data.images import ImageSet
from lightfast.models.build import build_network
from lightfast.report.tables import text_table
from lightfast.statistics.intervals import wilson
from lightfast.studies.registry import StudyOptions
from lightfast.studies.run import find_study
from lightfast.studies.svhn import study as svhn


@pytest.fixture(scope="module")
def nothing(tmp_path_factory):
    """A data folder without any data set."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def stand_in(nothing):
    return svhn.study_data(StudyOptions(out=nothing, data_folder=nothing))


@pytest.fixture(scope="module")
def quick(nothing, tmp_path_factory):
    # This fixture is set up before the one that gives every test one thread.
    torch.set_num_threads(1)
    options = StudyOptions(out=tmp_path_factory.mktemp("svhn"), data_folder=nothing, device="cpu")
    return options, svhn.run_svhn(options)


@pytest.fixture
def svhn_folder(tmp_path):
    """A folder with a file of the layout of SVHN: 400 and 250 pictures of noise."""
    rng = np.random.default_rng(0)
    parts = {
        part: rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        for part, count in (("train", 400), ("test", 250))
    }
    labels = {f"{part}_labels": np.arange(len(images)) % 10 for part, images in parts.items()}
    arrays = {f"{part}_images": images for part, images in parts.items()}
    np.savez(tmp_path / "svhn.npz", class_names=np.array(list("0123456789")), **arrays, **labels)
    return tmp_path


def test_the_study_is_registered():
    assert find_study("svhn").run is svhn.run_svhn


def test_without_svhn_the_stand_in_is_used_and_said(stand_in):
    assert stand_in.stand_in
    assert "not SVHN" in stand_in.notes[0]
    assert "random textures" in stand_in.notes[0]


def test_a_fifth_of_the_training_pictures_is_for_validation(stand_in):
    splits = stand_in.splits
    assert len(splits.train) + len(splits.val) == 200
    assert len(splits.val) == pytest.approx(40, abs=5)
    assert len(splits.test) == 100


def test_svhn_itself_is_used_where_it_is(svhn_folder, tmp_path):
    data = svhn.study_data(StudyOptions(out=tmp_path, data_folder=svhn_folder))
    assert not data.stand_in
    assert len(data.splits.test) == 100
    with np.load(svhn_folder / "svhn.npz") as published:
        known = {image.tobytes() for image in published["test_images"]}
    assert all(image.tobytes() in known for image in data.splits.test.images)


def test_at_paper_scale_missing_sources_are_named_with_the_cure(nothing, tmp_path):
    with pytest.raises(DataError, match=r"neither svhn nor .*mnist and cifar10.* lightfast data fetch svhn"):
        svhn.study_data(StudyOptions(out=tmp_path, data_folder=nothing, scale="paper"))


def test_training_and_test_pictures_of_the_stand_in_share_no_source(nothing, tmp_path):
    sources = svhn._sources(StudyOptions(out=tmp_path, data_folder=nothing))
    for train, test in (sources.digits, sources.grounds):
        assert not set(train.content_hashes) & set(test.content_hashes)


def test_the_papers_rows_are_its_description():
    first, second, _ = svhn.SVHN_ROWS
    assert (first.paper, second.paper) == (0.770, 0.795)
    assert (first.recipe.batch_size, first.recipe.epochs, first.recipe.schedule) == (16, 15, "constant")
    network = build_network(first.model, "classifier", (32, 32, 3), 10)
    kernels = [layer.kernel_size for layer in network.features if isinstance(layer, nn.Conv2d)]
    assert kernels == [(5, 5), (5, 5)]


def test_digits_are_never_mirrored():
    assert all(row.recipe.augment in ("none", "shift", "affine") for row in svhn.SVHN_ROWS)


@pytest.mark.slow
def test_the_quick_study_prints_the_papers_figures_beside_ours(quick):
    _, result = quick
    text = text_table(result.tables[0])
    assert all(figure in text for figure in ("77.0 %", "79.5 %", "stand-in", "seed 0"))
    assert len(result.tables[1].rows) == 3


@pytest.mark.slow
def test_the_quick_study_counts_what_its_predictions_say(quick):
    for row in quick[1].figures["rows"]:
        assert row["n"] == 100
        assert row["accuracy_interval"] == list(wilson(round(100 * row["accuracy"]), 100))


@pytest.mark.slow
def test_a_second_run_finds_the_trained_parts_and_the_same_figures(quick, monkeypatch):
    options, result = quick
    monkeypatch.setattr("lightfast.train.fit.fit", None)
    assert svhn.run_svhn(dataclasses.replace(options)).figures == result.figures


@pytest.mark.slow
def test_the_stand_ins_test_pictures_of_real_data_are_made_of_test_parts(data_folder, tmp_path):
    options = StudyOptions(out=tmp_path, data_folder=data_folder, scale="paper")
    if options.has("svhn"):
        pytest.skip("SVHN itself is here: no stand-in")
    if not options.has("mnist"):
        pytest.skip("mnist is not in LIGHTFAST_DATA")
    sources = svhn._sources(options)
    assert all(
        isinstance(part, ImageSet) and part.name.endswith("/test")
        for part in (sources.digits[1], sources.grounds[1])
    )
