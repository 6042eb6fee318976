"""`predict` marks the pictures that a person should look at, and queues them."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.plain import as_json
from lightfast.data.decisions import ReviewQueue
from lightfast.data.export import save_npz
from lightfast.data.images import ImageSet
from lightfast.evaluate.predictions import Predictions
from lightfast.evaluate.review import ReviewRule, review_threshold
from lightfast.runs.options import RunOptions
from lightfast.runs.predict.predict import MODEL_FILE, tag_run
from lightfast.tagging.rows import RowOptions


@pytest.fixture(scope="module")
def own_run(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the run with invented validation predictions: 300 pictures, one in six wrong and unsure."""
    folder = Path(shutil.copytree(run, tmp_path_factory.mktemp("review") / "run"))
    sure = np.where(np.arange(300) % 6 == 0, 0.5, 0.9).astype(np.float32)
    probs = np.stack([sure, 1 - sure, np.zeros(300, np.float32)], axis=1)
    labels = np.where(np.arange(300) % 6 == 0, 1, 0)
    known = Predictions(probs, ("left", "middle", "right"), tuple(map(str, range(300))), labels)
    known.save(folder / "val_predictions.parquet")
    return folder


@pytest.fixture(scope="module")
def dim(blobs: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Blobs that fade out: from easy to nothing."""
    strength = np.linspace(1, 0, 40)[:, None, None, None]
    images = (blobs.images[:40] * strength + 30 * (1 - strength)).astype(np.uint8)
    return str(save_npz(tmp_path_factory.mktemp("dim") / "dim.npz", ImageSet(images, name="dim")))


def asked(text: str) -> RowOptions:
    return RowOptions(review=ReviewRule.from_text(text))


def test_training_keeps_what_it_says_of_the_validation_pictures(run, blobs):
    known = Predictions.load(run / "val_predictions.parquet")
    assert known.seen.all()
    assert set(known.ids) < set(blobs.ids)
    assert not set(known.ids) & set(Predictions.load(run / "predictions.parquet").ids)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_every_form_marks_those_below_the_threshold_of_the_validation_pictures(
    own_run, dim, tmp_path, ending
):
    out = tmp_path / f"tags.{ending}"
    result = tag_run(str(own_run), [dim], RunOptions(out=out), row_options=asked("precision=0.98"))
    read = {"csv": pd.read_csv, "jsonl": partial(pd.read_json, lines=True), "parquet": pd.read_parquet}
    table = read[ending](out)
    assert result.review.review.threshold == np.float32(0.9)
    assert table["needs_review"].tolist() == (table["confidence"] < 0.9).tolist()
    assert 0 < result.review.needs_review == table["needs_review"].sum() < 40
    told = as_json(result)
    assert (told["review"]["n"], told["review"]["passed"], told["review"]["right"]) == (300, 250, 250)
    assert "of 300 validation pictures 250 reach it, 250 of them" in told["notes"][-1]


def test_the_queue_names_them_the_least_sure_first_with_their_content(own_run, dim, tmp_path):
    result = tag_run(str(own_run), [dim], RunOptions(out=tmp_path / "t.csv"), row_options=asked("gap=0.6"))
    assert result.review.queue == tmp_path / "t.csv.queue.csv"
    queue, table = ReviewQueue.load(result.review.queue), pd.read_csv(tmp_path / "t.csv")
    assert {one.id for one in queue.items} == set(table.loc[table["needs_review"], "id"])
    sure = [one.confidence for one in queue.items]
    assert sure == sorted(sure)
    with np.load(dim) as arrays:
        given = ImageSet(arrays["images"], name="dim")
    known = dict(zip(given.ids, given.content_hashes, strict=True))
    assert queue.more["content"].tolist() == [known[one.id] for one in queue.items]
    assert queue.more["decided_label"].tolist() == [""] * len(queue.items)
    assert "differ by" in queue.items[0].reason


def test_an_exported_file_in_its_run_knows_the_threshold_and_alone_does_not(own_run, dim, tmp_path):
    by_run = tag_run(str(own_run), [dim], RunOptions(), row_options=asked("precision=0.98"))
    beside = tag_run(str(own_run / MODEL_FILE), [dim], RunOptions(), row_options=asked("precision=0.98"))
    assert beside.predictions == by_run.predictions
    shutil.copy(own_run / MODEL_FILE, tmp_path / "alone.onnx")
    with pytest.raises(SettingsError, match="validation predictions"):
        tag_run(str(tmp_path / "alone.onnx"), [dim], RunOptions(), row_options=asked("precision=0.98"))
    alone = tag_run(str(tmp_path / "alone.onnx"), [dim], RunOptions(), row_options=asked("gap=0.2"))
    assert "no validation predictions tell" in alone.notes[-1]


def test_impossible_wishes_are_refused_before_any_row_is_written(own_run, dim, tmp_path):
    with pytest.raises(SettingsError, match="cannot be proven on the 300 validation pictures"):
        tag_run(str(own_run), [dim], RunOptions(out=tmp_path / "t.csv"), row_options=asked("precision=0.999"))
    with pytest.raises(SettingsError, match="validation predictions"):
        tag_run("hf-hub:nobody/nothing", [dim], RunOptions(), row_options=asked("precision=0.9"))
    assert list(tmp_path.iterdir()) == []


def test_answers_in_an_earlier_queue_are_not_written_over(own_run, dim, tmp_path):
    options = RunOptions(out=tmp_path / "t.csv")
    queue = tag_run(str(own_run), [dim], options, row_options=asked("gap=0.6")).review.queue
    lines = queue.read_text().splitlines()
    queue.write_text("\n".join([lines[0], f"{lines[1]}left", *lines[2:]]) + "\n")
    with pytest.raises(DataError, match="holds 1 answers"):
        tag_run(str(own_run), [dim], options, row_options=asked("gap=0.6"))
    assert filled(queue) == 1


def filled(queue: Path) -> int:
    return int((pd.read_csv(queue)["decided_label"].fillna("") != "").sum())


def test_a_run_of_several_labels_has_thresholds_of_its_own(own_run, dim, tmp_path):
    from lightfast.models.load import load_checkpoint

    several = load_checkpoint(own_run).replace(task="multi-label")
    several.save(tmp_path / "run" / "checkpoint")
    with pytest.raises(SettingsError, match="is for one label a picture"):
        tag_run(str(tmp_path / "run"), [dim], RunOptions(), row_options=asked("gap=0.2"))


def test_the_threshold_is_that_of_the_rule(own_run):
    known = Predictions.load(own_run / "val_predictions.parquet")
    assert review_threshold(ReviewRule("precision", 0.98), known).threshold == np.float32(0.9)
