"""What a training leaves behind, and how it goes on after an interruption."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightfast.base.errors import (
    CheckpointError,
    DataError,
    SettingsError,
    StorageError,
    TrainingError,
    UnknownName,
)
from lightfast.base.plain import as_json
from lightfast.cli.text.runs import score_lines
from lightfast.data.export import save_npz
from lightfast.data.images import ImageSet
from lightfast.evaluate.metrics import score
from lightfast.evaluate.predict import predict
from lightfast.evaluate.predictions import Predictions
from lightfast.models.load import load_checkpoint
from lightfast.pages.run import TrainResult
from lightfast.runs.fit import TrainOptions
from lightfast.runs.folder import begin, claimed
from lightfast.runs.options import RunOptions
from lightfast.runs.train import train_run
from lightfast.train.fit import ClassifierPlan, fit
from lightfast.train.recipe import Recipe

RECIPE = Recipe.of(epochs=3, batch_size=16, learning_rate=1e-2)


def comparable(result: TrainResult) -> dict:
    """The figures, without those that differ from one run to the next (places and times)."""
    return {key: value for key, value in as_json(result).items() if key not in ("run", "seconds")}


def test_the_run_folder_holds_what_the_design_page_names(run):
    names = {path.name for path in run.iterdir() if not path.name.startswith(".")}
    assert names == {
        "checkpoint",
        "recipe.json",
        "history.jsonl",
        "predictions.parquet",
        "val_predictions.parquet",
        "margins.parquet",
        "metrics.json",
        "report.html",
        "run.json",
        "seen.npy",
        "evaluations.jsonl",
    }


def test_metrics_are_the_score_of_the_saved_predictions(run):
    metrics = json.loads((run / "metrics.json").read_text())
    evaluation = score(Predictions.load(run / "predictions.parquet")).as_json()
    assert {key: metrics[key] for key in evaluation} == evaluation
    assert {"run", "model", "unreadable", "notes", "temperature", "seconds", "parameters"} <= set(metrics)


def test_the_saved_checkpoint_reads_the_test_part_as_the_predictions_say(run, blobs):
    saved = Predictions.load(run / "predictions.parquet")
    rows = [blobs.ids.index(one) for one in saved.ids]
    again = predict(load_checkpoint(run), blobs.take(rows))
    np.testing.assert_allclose(again.pred_probs, saved.pred_probs, atol=1e-6)


def test_the_parts_share_no_picture_and_each_epoch_has_a_line(run):
    told = json.loads((run / "run.json").read_text())
    assert sum(told["parts"].values()) == 120
    assert len((run / "history.jsonl").read_text().splitlines()) == 2


def test_the_report_asks_nothing_of_the_network(run):
    page = (run / "report.html").read_text()
    assert "mlp on blobs" in page
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert "http://" not in page.replace("http://www.w3.org/", "")
    assert "https://" not in page


def test_a_training_stopped_in_its_second_epoch_resumes_to_the_same_figures(blob_file, tmp_path):
    def stop(label: str, done: int, total: int, detail: str = "") -> None:
        if detail and done == 2000:
            raise KeyboardInterrupt

    whole = train_run(blob_file, RunOptions(out=tmp_path / "whole"), model="mlp", recipe=RECIPE)
    with pytest.raises(KeyboardInterrupt):
        train_run(blob_file, RunOptions(out=tmp_path / "cut", report=stop), model="mlp", recipe=RECIPE)
    assert not (tmp_path / "cut" / "metrics.json").exists()
    resumed = train_run(blob_file, RunOptions(out=tmp_path / "cut", resume=True), model="mlp", recipe=RECIPE)
    assert comparable(resumed) == comparable(whole)
    assert len((tmp_path / "cut" / "history.jsonl").read_text().splitlines()) == 3


def test_a_finished_run_resumes_to_the_same_result_at_once(run, blob_file):
    recipe = Recipe.of(epochs=2, batch_size=16, learning_rate=1e-2)
    again = train_run(blob_file, RunOptions(out=run, resume=True), model="mlp", recipe=recipe)
    assert as_json(again) == json.loads((run / "metrics.json").read_text())


def test_a_folder_with_another_run_is_not_written_over(run, blob_file):
    before = (run / "metrics.json").read_bytes()
    with pytest.raises(CheckpointError, match="resume"):
        train_run(blob_file, RunOptions(out=run), model="mlp", recipe=RECIPE)
    assert (run / "metrics.json").read_bytes() == before


@pytest.mark.parametrize(
    "change, named", [({"model": "random-forest"}, "model"), ({"recipe": RECIPE}, "recipe")]
)
def test_resuming_with_other_settings_names_the_first_difference(run, blob_file, change, named):
    with pytest.raises(CheckpointError, match=f"another {named}"):
        train_run(blob_file, RunOptions(out=run, resume=True), **{"model": "mlp", **change})


def test_an_older_run_that_says_nothing_of_compile_or_of_not_this_goes_on(tmp_path):
    settings = {"data_version": "a", "recipe": {"epochs": 3, "compile": False}}
    begin(tmp_path / "run", {"data_version": "a", "recipe": {"epochs": 3}}, resume=False)
    assert not begin(tmp_path / "run", settings, resume=True)
    with pytest.raises(CheckpointError, match=r"recipe: epochs.*expected 3, got 4"):
        begin(tmp_path / "run", {**settings, "recipe": {"epochs": 4}}, resume=True)


def test_what_pictures_are_not_belongs_to_the_settings_of_a_run(tmp_path):
    begin(tmp_path / "run", {"data_version": "a", "ruled_out_version": "b"}, resume=False)
    with pytest.raises(CheckpointError, match="another ruled out version: expected b, got None"):
        begin(tmp_path / "run", {"data_version": "a"}, resume=True)


def test_a_file_in_the_way_is_one_storage_line_before_any_training(blob_file, tmp_path):
    (tmp_path / "run").write_text("not a folder")
    with pytest.raises(StorageError, match="cannot write"):
        train_run(blob_file, RunOptions(out=tmp_path / "run"), model="mlp")


def test_a_missing_out_and_an_unknown_model_are_refused(blob_file, tmp_path):
    with pytest.raises(SettingsError, match="`out"):
        train_run(blob_file, RunOptions())
    with pytest.raises(UnknownName, match="resnet9"):
        train_run(blob_file, RunOptions(out=tmp_path / "run"), model="resnet")
    assert not (tmp_path / "run").exists()


def test_files_that_cannot_be_read_are_named_in_metrics_and_report(blobs: ImageSet, tmp_path: Path):
    for row, image in enumerate(blobs.images):
        folder = tmp_path / "bars" / blobs.class_names[blobs.require_labels()[row]]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(folder / f"{row}.png")
    (tmp_path / "bars" / "left" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    metrics = train_run(
        str(tmp_path / "bars"), RunOptions(out=tmp_path / "run"), model="random-forest", config={"trees": 10}
    )
    assert [Path(one.path).name for one in metrics.unreadable] == ["broken.png"]
    assert "broken.png" in (tmp_path / "run" / "report.html").read_text()
    assert metrics.scored.evaluation.accuracy > 0.9


def test_a_run_that_was_copied_elsewhere_still_reads(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    assert load_checkpoint(copy).class_names == ("left", "middle", "right")


def rare_class(blobs: ImageSet, tmp_path: Path) -> str:
    """The blobs, with one picture of a class more."""
    labels = blobs.require_labels().copy()
    labels[0] = blobs.num_classes
    return str(
        save_npz(
            tmp_path / "rare.npz", ImageSet(blobs.images, (*blobs.class_names, "owl"), labels, name="rare")
        )
    )


def test_a_class_of_one_picture_is_learned_and_told_as_untested(blobs, tmp_path):
    metrics = train_run(
        rare_class(blobs, tmp_path), RunOptions(out=tmp_path / "run"), model="mlp", recipe=RECIPE
    )
    assert load_checkpoint(tmp_path / "run").class_names[-1] == "owl"
    assert any("class 'owl' (1)" in note for note in metrics.notes)
    lines = score_lines(metrics.scored.evaluation)
    assert "not tested owl: no picture to test on" in lines
    assert "owl" not in lines[1]


def test_a_class_too_small_for_the_folds_is_refused_before_the_training(blobs, tmp_path):
    with pytest.raises(DataError, match="class 'owl' would be missing from a fold"):
        train_run(
            rare_class(blobs, tmp_path),
            RunOptions(out=tmp_path / "run"),
            model="mlp",
            recipe=RECIPE,
            train_options=TrainOptions(folds=3),
        )
    assert not (tmp_path / "run").exists()


def test_a_refused_start_leaves_the_folder_to_the_corrected_command(blob_file, tmp_path):
    out = RunOptions(out=tmp_path / "run", image_size=(32, 32))
    with pytest.raises(CheckpointError, match="no such file of weights"):
        train_run(blob_file, out, model="lite0", config={"weights": str(tmp_path / "gone.pth")})
    assert train_run(blob_file, out, model="mlp", recipe=RECIPE).model == "mlp"


def test_what_a_stopped_try_said_of_the_validation_pictures_is_said_anew(blob_file, tmp_path):
    out = RunOptions(out=tmp_path / "run")
    train_run(blob_file, out, model="mlp", recipe=RECIPE)
    (tmp_path / "run" / "metrics.json").unlink()
    kept = tmp_path / "run" / "val_predictions.parquet"
    said = Predictions.load(kept)
    dataclasses.replace(said, pred_probs=said.pred_probs[:, ::-1].copy()).save(kept)
    train_run(blob_file, dataclasses.replace(out, resume=True), model="mlp", recipe=RECIPE)
    np.testing.assert_allclose(Predictions.load(kept).pred_probs, said.pred_probs, atol=1e-5)


def test_what_auto_chose_is_cross_validated(blob_file, tmp_path, monkeypatch):
    def chosen(train: ImageSet, val: ImageSet, _budget: float, _training: object):
        return fit(train, val, model="mlp", recipe=RECIPE, config={"hidden": [8]})

    def caught(_images: ImageSet, plan: ClassifierPlan, *_: object):
        assert (plan.model, plan.recipe, plan.config) == ("mlp", RECIPE, {"hidden": [8]})
        raise TrainingError("caught")

    monkeypatch.setattr("lightfast.runs.fit.choose_model", chosen)
    monkeypatch.setattr("lightfast.experiments.few_choice.FEW_LABELS", 0)
    monkeypatch.setattr("lightfast.runs.train.cross_validate", caught)
    with pytest.raises(TrainingError, match="caught"):
        train_run(
            blob_file,
            RunOptions(out=tmp_path / "run", image_size=(72, 72)),
            model="auto",
            train_options=TrainOptions(folds=2),
        )


def test_a_network_that_does_not_take_the_pictures_leaves_no_folder(blob_file, tmp_path):
    out = tmp_path / "a" / "run"
    with pytest.raises(SettingsError, match=r"takes no pictures of .*`image_size=224`"):
        train_run(str(blob_file), RunOptions(out=out), model="timm:vit_tiny_patch16_224", config={"depth": 1})
    assert not out.exists()


def test_a_refusal_after_the_claim_leaves_no_folder_and_keeps_what_was_there(tmp_path):
    for name, others in (("new", ()), ("old", ("notes.txt",))):
        folder = tmp_path / name
        begin(folder, {"model": "cnn"}, resume=False)
        for other in others:
            (folder / other).write_text("mine")
        with pytest.raises(SettingsError), claimed(folder):
            raise SettingsError("refused")
        assert [path.name for path in folder.glob("*")] == list(others)
        assert folder.exists() == bool(others)


def test_the_claim_of_an_interrupted_run_stays(tmp_path):
    begin(tmp_path, {"model": "cnn"}, resume=False)
    (tmp_path / ".training").mkdir()
    with pytest.raises(SettingsError), claimed(tmp_path):
        raise SettingsError("refused")
    assert (tmp_path / "run.json").is_file()
