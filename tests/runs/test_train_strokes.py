"""A run whose network reads strokes: trained from a file, and its predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fixtures.strokes import made_drawings, write_strokes

from lightfast.base.errors import CheckpointError, DataError, SettingsError, UnknownName
from lightfast.base.files import load_json
from lightfast.data.strokes import load_strokes
from lightfast.evaluate.review import ReviewRule
from lightfast.evaluate.strokes import predict_strokes
from lightfast.models.load import load_checkpoint
from lightfast.models.stroke_net import load_stroke_classifier
from lightfast.pages.strokes import StrokeTrainResult
from lightfast.runs.export import ExportOptions, export_run
from lightfast.runs.options import RunOptions
from lightfast.runs.predict.predict import tag_run
from lightfast.runs.train_strokes import train_strokes_run
from lightfast.tagging.rows import RowOptions
from lightfast.train.strokes import STROKE_RECIPE

NAMES = ("triangle", "square", "pentagon")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[StrokeTrainResult, str, str]:
    """(a training on a file of strokes, that file, two drawings that it has not seen)."""
    folder = tmp_path_factory.mktemp("strokes")
    source = write_strokes(folder / "made.ndjson.gz", made_drawings(NAMES, 60))
    new = write_strokes(folder / "new.ndjson", made_drawings(NAMES, 1, 1).take([0, 1]))
    recipe = STROKE_RECIPE.updated(["epochs=12", "batch_size=16", "averaging=0"])
    options = RunOptions(out=folder / "run", near_duplicates="ignore")
    found = train_strokes_run(str(source), options, recipe=recipe, config={"width": 8})
    return found, str(source), str(new)


def test_a_run_learns_the_strokes_and_says_how_rightly_while_they_are_drawn(made):
    found = made[0]
    assert found.accuracy > 0.8
    assert [one.share for one in found.while_drawn][-1] == 1
    assert found.n == found.parts["test"]
    assert found.accuracy_interval[0] < found.accuracy <= found.accuracy_interval[1]
    told = load_json(found.run / "metrics.json")
    assert (told["model"], told["accuracy"]) == ("strokes", found.accuracy)
    assert "Trained on strokes" in (found.run / "report.html").read_text(encoding="utf-8")


def test_a_finished_run_is_loaded_again_with_resume_and_another_one_is_refused(made):
    found, source, _ = made
    settings = {"recipe": STROKE_RECIPE.updated(["epochs=12", "batch_size=16", "averaging=0"])}
    again = RunOptions(out=found.run, near_duplicates="ignore", resume=True)
    assert train_strokes_run(source, again, **settings, config={"width": 8}).while_drawn == found.while_drawn
    with pytest.raises(CheckpointError, match="another config"):
        train_strokes_run(source, again, **settings, config={"width": 4})


def test_predict_says_what_the_python_verb_says(made):
    found, _, new = made
    rows = tag_run(str(found.run), [new], RunOptions(), row_options=RowOptions(top=3)).predictions or ()
    assert [row["id"] for row in rows] == ["key-1-0", "key-1-1"]
    classifier = load_stroke_classifier(found.run / "checkpoint")
    probs = [predict_strokes(classifier, one)[-1].max() for one in load_strokes(new).drawings]
    assert np.allclose([row["confidence"] for row in rows], probs, atol=1e-6)


def test_every_stroke_is_a_row(made):
    found, _, new = made
    rows = tag_run(str(found.run), [new], RunOptions(), row_options=RowOptions(every_stroke=True)).predictions
    assert [row["id"] for row in rows or ()] == [
        *(f"key-1-0#{count}" for count in (1, 2, 3)),
        *(f"key-1-1#{count}" for count in (1, 2, 3, 4)),
    ]


def test_what_it_has_learnt_from_is_marked(made):
    found, source, _ = made
    result = tag_run(str(found.run), [source], RunOptions())
    seen = sum(bool(row["seen"]) for row in result.predictions or ())
    assert seen >= found.parts["train"] + found.parts["val"]
    assert any("seen by the model" in note for note in result.notes)


def test_pictures_are_refused_in_one_line(made, blob_file):
    run = str(made[0].run)
    with pytest.raises(DataError, match="no strokes, and this run reads nothing else"):
        tag_run(run, [blob_file], RunOptions())
    with pytest.raises(CheckpointError, match="reads drawings as strokes, no pictures"):
        load_checkpoint(run)
    with pytest.raises(CheckpointError, match="reads drawings as strokes, no pictures"):
        export_run(run, ExportOptions(), RunOptions(out=made[0].run / "strokes.onnx"))
    assert not (made[0].run / "strokes.onnx").exists()
    rule = RowOptions(review=ReviewRule.from_text("gap=0.1"))
    with pytest.raises(SettingsError, match="`review` needs"):
        tag_run(run, [made[2]], RunOptions(), row_options=rule)


def test_what_cannot_be_learnt_is_refused_before_anything_is_written(blob_file, tmp_path: Path):
    options = RunOptions(out=tmp_path / "run")
    with pytest.raises(DataError, match="has no strokes"):
        train_strokes_run(blob_file, options)
    with pytest.raises(UnknownName, match="setting of model strokes"):
        train_strokes_run(blob_file, options, config={"depth": 3})
    unnamed = tmp_path / "unnamed.ndjson"
    unnamed.write_text('{"drawing": [[[0, 5], [0, 5]]]}\n' * 4, encoding="utf-8")
    with pytest.raises(DataError, match="unnamed has no labels") as refused:
        train_strokes_run(str(unnamed), options)
    assert '"word"' in str(refused.value)
    assert not (tmp_path / "run").exists()
