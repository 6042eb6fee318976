"""Predictions and scores of a run folder; no figure ever counts a picture that the run was trained on."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightfast.base.errors import CheckpointError, DataError, UnknownName
from lightfast.base.plain import as_json
from lightfast.data.export import save_npz
from lightfast.data.ingest import load_images
from lightfast.data.splits import split
from lightfast.evaluate.predictions import Predictions
from lightfast.runs.evaluate import evaluate_run
from lightfast.runs.options import RunOptions


@pytest.fixture
def own_run(run, tmp_path):
    """A copy of the run, for tests that leave a record in it."""
    return str(shutil.copytree(run, tmp_path / "run"))


def test_pictures_of_the_training_are_left_out_of_the_score(own_run, blob_file, blobs):
    metrics = evaluate_run(own_run, blob_file, RunOptions())
    assert metrics.scored.evaluation.n == len(split(blobs).test)
    assert "were left out" in metrics.notes[-1]


def test_the_score_of_the_own_data_is_that_of_the_test_part(own_run, run, blob_file):
    metrics = evaluate_run(own_run, blob_file, RunOptions())
    trained = json.loads((run / "metrics.json").read_text())
    assert as_json(metrics)["accuracy"] == trained["accuracy"]
    assert as_json(metrics)["confusion"] == trained["confusion"]


def test_data_that_the_run_has_seen_whole_cannot_be_scored(own_run, blobs, tmp_path):
    source = save_npz(tmp_path / "train.npz", split(blobs).train)
    with pytest.raises(DataError, match="has seen every one"):
        evaluate_run(own_run, str(source), RunOptions())


def test_every_scoring_of_test_pictures_is_recorded_and_counted(own_run, blob_file):
    first = evaluate_run(own_run, blob_file, RunOptions(command="lightfast evaluate once"))
    second = evaluate_run(own_run, blob_file, RunOptions())
    # The training itself read them once.
    assert (first.touched_before, second.touched_before) == (1, 2)
    lines = [json.loads(line) for line in Path(own_run, "evaluations.jsonl").read_text().splitlines()]
    assert lines[1]["command"] == "lightfast evaluate once"
    assert {line["data_version"] for line in lines} == {first.data_version}
    assert all(line["when"].endswith("+00:00") for line in lines)


def test_a_suite_adds_the_corruption_card(own_run, blob_file, tmp_path):
    options = RunOptions(out=tmp_path / "scores")
    metrics = evaluate_run(own_run, blob_file, options, suite="mnist-c", severities=(1, 3), limit=10)
    assert metrics.robustness.n == 10
    assert len(metrics.robustness.rows) == 30
    assert json.loads((tmp_path / "scores" / "metrics.json").read_text()) == as_json(metrics)
    assert (
        "Accuracy by corruption and severity, n = 10 a point"
        in (tmp_path / "scores" / "report.html").read_text()
    )
    assert len(Predictions.load(tmp_path / "scores" / "predictions.parquet")) == metrics.scored.evaluation.n


def test_the_run_itself_is_not_written_over(own_run, blob_file):
    with pytest.raises(CheckpointError, match="is the run itself"):
        evaluate_run(own_run, blob_file, RunOptions(out=own_run))


def test_an_unknown_suite_is_refused_before_any_work(blob_file):
    with pytest.raises(UnknownName, match="mnist-c"):
        evaluate_run("no-such-run", blob_file, RunOptions(), suite="mnist")


def test_other_classes_are_refused_by_name(own_run, blobs, tmp_path):
    other = save_npz(
        tmp_path / "other.npz", dataclasses.replace(blobs, class_names=("left", "middle", "far"))
    )
    with pytest.raises(CheckpointError, match="far"):
        evaluate_run(own_run, str(other), RunOptions())


def test_the_same_classes_in_another_order_are_matched_by_name(own_run, blobs, tmp_path):
    turned = dataclasses.replace(
        blobs, labels=2 - blobs.require_labels(), class_names=blobs.class_names[::-1]
    )
    told = evaluate_run(own_run, str(save_npz(tmp_path / "turned.npz", turned)), RunOptions())
    assert (
        told.scored.evaluation.accuracy
        == evaluate_run(
            own_run, str(save_npz(tmp_path / "plain.npz", blobs)), RunOptions()
        ).scored.evaluation.accuracy
    )
    assert "another order" in " ".join(told.notes)


def test_loose_files_folders_and_arrays_are_read_one_row_each(predict_run, run, blobs, tmp_path):
    (tmp_path / "scans" / "deep").mkdir(parents=True)
    Image.fromarray(blobs.images[0, ..., 0]).save(tmp_path / "scans" / "deep" / "a.png")
    Image.fromarray(blobs.images[1, ..., 0]).save(tmp_path / "b.png")
    (tmp_path / "scans" / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    np.savez(tmp_path / "bare.npz", images=blobs.images[2:5])
    paths = [str(tmp_path / name) for name in ("scans", "b.png", "bare.npz")]
    predictions, unreadable = predict_run(str(run), paths, RunOptions())
    assert predictions.ids == ("deep/a.png", str(tmp_path / "b.png"), "bare/0", "bare/1", "bare/2")
    assert [one.path for one in unreadable] == [str(tmp_path / "scans" / "torn.jpg")]
    assert predictions.class_names == ("left", "middle", "right")


def test_pictures_of_another_size_are_brought_to_the_run_s(predict_run, run, tmp_path):
    Image.new("RGB", (50, 40), "white").save(tmp_path / "large.jpg")
    predictions, _ = predict_run(str(run), [str(tmp_path)], RunOptions())
    assert predictions.pred_probs.shape == (1, 3)


def test_an_npz_with_labels_is_predicted_without_them(predict_run, run, blob_file):
    predictions, _ = predict_run(str(run), [blob_file], RunOptions())
    assert predictions.labels is None
    assert predictions.ids == load_images(blob_file).images.ids


def test_nothing_to_read_is_said(predict_run, run, tmp_path):
    with pytest.raises(DataError, match="no picture files"):
        predict_run(str(run), [str(tmp_path)], RunOptions())
    with pytest.raises(CheckpointError, match="no checkpoint"):
        predict_run(str(tmp_path), ["x.png"], RunOptions())


def test_a_folder_of_one_class_is_scored(own_run, blobs, tmp_path):
    held = split(blobs).test
    folder = tmp_path / "own" / held.class_names[0]
    folder.mkdir(parents=True)
    for row in np.flatnonzero(held.require_labels() == 0):
        Image.fromarray(held.images[row, ..., 0]).save(folder / f"{row}.png")
    result = evaluate_run(own_run, str(folder.parent), RunOptions())
    assert result.scored.evaluation.n == len(list(folder.iterdir()))
    assert 0 <= as_json(result)["accuracy"] <= 1
    assert evaluate_run(own_run, str(folder), RunOptions()).scored.evaluation.n == result.scored.evaluation.n
