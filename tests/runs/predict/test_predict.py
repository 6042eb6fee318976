"""Tagging files with a run: the numbers of `predict`, written as they come, nothing lost."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lightfast.base.errors import CheckpointError, DataError, SettingsError
from lightfast.data.images import ImageSet
from lightfast.evaluate.predictions import Predictions
from lightfast.models.load import load_checkpoint
from lightfast.runs.folder import SEEN_FILE
from lightfast.runs.options import RunOptions
from lightfast.runs.predict.predict import MODEL_FILE, tag_run
from lightfast.tagging.rows import RowOptions


@pytest.fixture
def pictures(blobs: ImageSet, tmp_path: Path) -> Path:
    """Twelve of the blobs as PNG files in two folders, one broken file among them."""
    folder = tmp_path / "pictures"
    for index in range(12):
        path = folder / f"part {index % 2}" / f"{index:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(blobs.images[index, :, :, 0]).save(path)
    (folder / "part 0" / "broken.png").write_bytes(b"nothing")
    return folder


@pytest.fixture
def own_run(run: Path, tmp_path: Path) -> Path:
    """A copy of the run, which an export may be put into."""
    return Path(shutil.copytree(run, tmp_path / "run"))


def test_the_numbers_are_those_of_predict(predict_run, own_run: Path, pictures: Path, tmp_path: Path):
    result = tag_run(str(own_run), [str(pictures)], RunOptions(out=tmp_path / "tags.parquet"))
    torch_read, unreadable = predict_run(str(own_run), [str(pictures)], RunOptions())
    back = Predictions.load(tmp_path / "tags.parquet")
    assert back.ids == torch_read.ids
    assert np.abs(back.pred_probs - torch_read.pred_probs).max() < 1e-6
    assert (back.predicted_labels == torch_read.predicted_labels).all()
    assert result.n == 12
    assert sum(result.classes.values()) == 12
    assert (
        [Path(one.path).name for one in result.unreadable]
        == [Path(one.path).name for one in unreadable]
        == ["broken.png"]
    )


def test_real_photographs_read_alike_by_both_ways(predict_run, data_folder: Path, tmp_path: Path):
    from lightfast.data.preprocess import Preprocess
    from lightfast.models.build import fresh_network
    from lightfast.models.checkpoint import Checkpoint

    if not (data_folder / "clothing").is_dir():
        pytest.skip("clothing is not among the data")
    for index, path in enumerate(sorted((data_folder / "clothing").rglob("*.jpg"))[::90]):
        (tmp_path / "photos").mkdir(exist_ok=True)
        shutil.copyfile(path, tmp_path / "photos" / f"{index}.jpg")
    network = fresh_network("timm:resnet10t", "classifier", (64, 64, 3), 3, {}, 0).eval()
    shape = Preprocess((64, 64), 3, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    Checkpoint("classifier", "timm:resnet10t", (64, 64, 3), 3, ("a", "b", "c"), shape, network).save(
        tmp_path / "run" / "checkpoint"
    )
    tag_run(str(tmp_path / "run"), [str(tmp_path / "photos")], RunOptions(out=tmp_path / "tags.parquet"))
    torch_read, _ = predict_run(str(tmp_path / "run"), [str(tmp_path / "photos")], RunOptions())
    back = Predictions.load(tmp_path / "tags.parquet")
    assert back.ids == torch_read.ids
    assert np.abs(back.pred_probs - torch_read.pred_probs).max() < 1e-5


def test_the_export_is_made_once_and_again_for_another_checkpoint(own_run: Path, pictures: Path):
    options = RunOptions()
    first = tag_run(str(own_run), [str(pictures)], options).predictions
    made = (own_run / MODEL_FILE).stat().st_mtime_ns
    assert tag_run(str(own_run), [str(pictures)], options).predictions == first
    assert (own_run / MODEL_FILE).stat().st_mtime_ns == made
    checkpoint = load_checkpoint(own_run)
    checkpoint.replace(temperature=checkpoint.temperature * 50).save(own_run / "checkpoint")
    again = tag_run(str(own_run), [str(pictures)], options).predictions
    assert (own_run / MODEL_FILE).stat().st_mtime_ns != made
    assert max(row["confidence"] for row in again) < min(row["confidence"] for row in first)


def test_an_export_reads_without_its_run(own_run: Path, pictures: Path, tmp_path: Path):
    by_run = tag_run(str(own_run), [str(pictures)], RunOptions(), row_options=RowOptions(top=2)).predictions
    shutil.move(own_run / MODEL_FILE, tmp_path / "alone.onnx")
    shutil.rmtree(own_run)
    alone = tag_run(
        str(tmp_path / "alone.onnx"), [str(pictures)], RunOptions(), row_options=RowOptions(top=2)
    ).predictions
    # What the run has seen stands in its folder.
    assert alone == [{name: value for name, value in row.items() if name != "seen"} for row in by_run]
    assert set(alone[0]) == {"id", "path", "predicted_label", "confidence", "label_2", "prob_2"}


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_every_form_says_which_pictures_the_run_has_seen(
    own_run: Path, pictures: Path, blobs: ImageSet, tmp_path: Path, ending: str
):
    out = tmp_path / f"tags.{ending}"
    result = tag_run(str(own_run), [str(pictures)], RunOptions(out=out))
    tested = set(Predictions.load(own_run / "predictions.parquet").ids)
    read = {"csv": pd.read_csv, "jsonl": partial(pd.read_json, lines=True), "parquet": pd.read_parquet}
    table = read[ending](out)
    wanted = [blobs.ids[int(Path(path).stem)] not in tested for path in table["path"]]
    assert table["seen"].tolist() == wanted
    assert 0 < sum(wanted) < 12
    assert f"{sum(wanted)} of 12 pictures were seen by the model" in result.notes[-1]
    again = tag_run(str(own_run / MODEL_FILE), [str(pictures)], RunOptions()).predictions
    assert [row["seen"] for row in again] == wanted


def test_a_run_without_a_record_says_nothing_of_what_it_has_seen(own_run: Path, pictures: Path):
    (own_run / SEEN_FILE).unlink()
    result = tag_run(str(own_run), [str(pictures)], RunOptions())
    assert result.notes == ()
    assert "seen" not in result.predictions[0]


def test_broken_files_stand_in_a_list_beside_the_rows(own_run: Path, pictures: Path, tmp_path: Path):
    out = tmp_path / "tags.csv"
    result = tag_run(str(own_run), [str(pictures)], RunOptions(out=out))
    assert result.unreadable_file == str(tmp_path / "tags.csv.unreadable.csv")
    assert "broken.png,not a picture" in Path(result.unreadable_file).read_text(encoding="utf-8")
    (pictures / "part 0" / "broken.png").unlink()
    assert tag_run(str(own_run), [str(pictures)], RunOptions(out=out)).unreadable_file is None
    assert not (tmp_path / "tags.csv.unreadable.csv").exists()


def test_arrays_follow_files(own_run: Path, pictures: Path, blob_file: str, blobs: ImageSet, tmp_path: Path):
    out = tmp_path / "tags.jsonl"
    result = tag_run(str(own_run), [blob_file, str(pictures / "part 1")], RunOptions(out=out))
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert result.n == len(rows) == 6 + len(blobs)
    assert rows[0]["id"] == "01.png"
    assert rows[0]["path"] == str(pictures / "part 1" / "01.png")


def test_stopped_on_the_way_the_rows_so_far_stay(own_run: Path, pictures: Path, tmp_path: Path):
    def stop(label: str, done: int, total: int, detail: str = "") -> None:
        if label == "tagging" and done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tag_run(str(own_run), [str(pictures)], RunOptions(out=tmp_path / "tags.csv", report=stop))
    lines = (tmp_path / "tags.csv.part").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "id,path,predicted_label,confidence,seen"
    assert len(lines) == 13
    assert not (tmp_path / "tags.csv").exists()
    assert (tmp_path / "tags.csv.unreadable.csv").exists()


def test_nothing_readable_is_an_error_and_no_file(own_run: Path, pictures: Path, tmp_path: Path):
    with pytest.raises(DataError, match="none of the 1 files could be read"):
        tag_run(
            str(own_run), [str(pictures / "part 0" / "broken.png")], RunOptions(out=tmp_path / "tags.csv")
        )
    assert not list(tmp_path.glob("tags.csv")) + list(tmp_path.glob("*.part"))


def test_a_form_that_cannot_be_streamed_is_refused_before_anything_is_read(
    own_run: Path, pictures: Path, tmp_path: Path
):
    with pytest.raises(SettingsError, match="csv, jsonl, parquet"):
        tag_run(str(own_run), [str(pictures)], RunOptions(out=tmp_path / "tags.txt"))
    assert not (own_run / MODEL_FILE).exists()


def test_a_forest_reads_as_it_is(predict_run, blob_file: str, pictures: Path, tmp_path: Path):
    from lightfast.runs.train import train_run
    from lightfast.train.recipe import Recipe

    train_run(
        blob_file,
        RunOptions(out=tmp_path / "forest"),
        model="random-forest",
        recipe=Recipe.of(),
        config={"trees": 5},
    )
    rows = tag_run(str(tmp_path / "forest"), [str(pictures)], RunOptions()).predictions
    read, _ = predict_run(str(tmp_path / "forest"), [str(pictures)], RunOptions())
    assert [row["confidence"] for row in rows] == pytest.approx(read.confidence.tolist(), abs=1e-6)
    assert not (tmp_path / "forest" / MODEL_FILE).exists()


def test_no_run_is_refused(pictures: Path, tmp_path: Path):
    with pytest.raises(CheckpointError, match="no checkpoint"):
        tag_run(str(tmp_path), [str(pictures)], RunOptions())


def test_damaged_files_are_listed_and_the_option_of_the_note_reads_them(own_run: Path, pictures: Path):
    grain = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    Image.fromarray(grain).save(pictures / "rotted.jpg")
    content = (pictures / "rotted.jpg").read_bytes()
    (pictures / "rotted.jpg").write_bytes(content[: len(content) // 2] + content[len(content) // 2 + 300 :])
    strict = tag_run(str(own_run), [str(pictures)], RunOptions())
    assert (strict.n, {Path(one.path).name for one in strict.unreadable}) == (
        12,
        {"broken.png", "rotted.jpg"},
    )
    assert any(
        one.startswith("1 files are damaged and were left out; `damaged=read`") for one in strict.notes
    )
    lenient = tag_run(str(own_run), [str(pictures)], RunOptions(damaged="read"))
    assert (lenient.n, len(lenient.unreadable)) == (13, 1)
    assert "1 files are damaged and were read as far as they go" in lenient.notes
