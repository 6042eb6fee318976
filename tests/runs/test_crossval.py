"""The folder of a cross-validation: out-of-fold predictions of every picture, figures, a page,
and going on after an interruption.
"""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightfast.base.errors import CheckpointError, DataError, SettingsError, UnknownName
from lightfast.base.plain import as_json
from lightfast.cli.text.statistics import crossval_lines
from lightfast.data.dataset import LoadedData
from lightfast.data.export import save_npz
from lightfast.data.images import ImageSet
from lightfast.evaluate.metrics import score
from lightfast.evaluate.predictions import Predictions
from lightfast.experiments.crossval import FoldOptions
from lightfast.pages.crossval import CrossvalResult
from lightfast.runs import crossval
from lightfast.runs.crossval import crossval_run
from lightfast.runs.options import RunOptions
from lightfast.train.fit import ClassifierPlan

FOREST = ClassifierPlan("random-forest", config={"trees": 5})
FOLD_OPTIONS = FoldOptions(folds=3, jobs=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("crossval") / "run"


@pytest.fixture(scope="module")
def result(blob_file: str, folder: Path) -> CrossvalResult:
    return crossval_run(
        blob_file,
        RunOptions(out=folder, seed=3, command="lightfast crossval blobs.npz"),
        plan=FOREST,
        fold_options=FOLD_OPTIONS,
    )


def test_the_readings_are_out_of_fold_of_every_picture_and_metrics_are_their_score(
    result, folder: Path, blobs: ImageSet
):
    kept = Predictions.load(folder / "predictions.parquet")
    assert len(kept) == len(blobs)
    plain = as_json(result)
    assert plain == json.loads((folder / "metrics.json").read_text())
    assert plain["pooled"] == json.loads(json.dumps(score(kept).as_json()))
    assert {
        "accuracy",
        "accuracy_interval",
        "accuracy_spread",
        "macro_f1",
        "n",
        "seed",
        "folds",
        "per_fold",
        "unreadable",
    } <= set(plain)
    assert (plain["n"], plain["seed"], plain["folds"], plain["data"]) == (120, 3, 3, "blobs")


def test_the_report_has_its_sections_and_asks_nothing_of_the_network(result, folder: Path):
    page = (folder / "report.html").read_text()
    for heading in ("Result", "Folds", "Classes", "Confidence"):
        assert re.search(rf"<h2[^>]*>\s*{heading}", page), heading
    assert "random-forest on blobs, cross-validated" in page
    assert "Nadeau and Bengio" in page
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)


def test_the_terminal_lines_tell_every_fold_mean_interval_and_n(result):
    told = crossval_lines(result)
    assert [line.split()[0] for line in told[2:5]] == ["1.1", "1.2", "1.3"]
    assert any(line.startswith("accuracy") and "[" in line and "spread" in line for line in told)
    assert "n = 120, 3 folds × 1, seed 3" in "\n".join(told)
    assert told[-1].endswith("predictions.parquet")


def test_the_same_command_goes_on_where_it_stopped(
    result, blob_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_fits: Any
):
    fits = killed_fits(2)
    monkeypatch.setattr(crossval, "write_crossval_page", lambda *given: None)
    options = RunOptions(out=tmp_path / "cut", seed=3)
    with pytest.raises(KeyboardInterrupt):
        crossval_run(blob_file, options, plan=FOREST, fold_options=FOLD_OPTIONS)
    assert not (tmp_path / "cut" / "metrics.json").exists()
    again = crossval_run(blob_file, options, plan=FOREST, fold_options=FOLD_OPTIONS)
    assert fits.count == 4
    assert as_json(again.pooled) == as_json(result.pooled)
    assert again.validated.interval() == result.validated.interval()


def test_an_official_test_part_stays_aside(blobs: ImageSet, tmp_path: Path):
    # Labels of the test part are turned: were it split into folds, accuracy would show it.
    test = dataclasses.replace(blobs.take(range(90, 120)), labels=(blobs.require_labels()[90:] + 1) % 3)
    parts = LoadedData(train=blobs.take(range(60)), val=blobs.take(range(60, 90)), test=test)
    source = save_npz(tmp_path / "parts.npz", parts)
    result = crossval_run(
        str(source), RunOptions(out=tmp_path / "run"), plan=FOREST, fold_options=FOLD_OPTIONS
    )
    assert (result.pooled.n, result.pooled.accuracy) == (90, 1.0)
    assert any("official test part (30 pictures) was left aside" in note for note in result.notes)
    assert "was left aside" in (tmp_path / "run" / "report.html").read_text()


def test_the_folder_of_a_training_is_not_written_over(run: Path, blob_file: str):
    before = (run / "metrics.json").read_bytes()
    with pytest.raises(CheckpointError, match="already holds"):
        crossval_run(blob_file, RunOptions(out=run), plan=FOREST, fold_options=FOLD_OPTIONS)
    assert (run / "metrics.json").read_bytes() == before


def test_what_cannot_be_done_is_one_line_with_a_cure_before_anything_is_fitted(
    blobs: ImageSet, blob_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ClassifierPlan, "fit", lambda *given: pytest.fail("fitted"))
    options = RunOptions(out=tmp_path / "run")
    right = np.flatnonzero(blobs.require_labels() == 2)
    scarce = save_npz(
        tmp_path / "scarce.npz", blobs.take([*np.flatnonzero(blobs.require_labels() < 2), *right[:3]])
    )
    for source, kind, message in (
        (
            scarce,
            DataError,
            r"class 'right' would be missing from a fold: expected at least 5 .* got 3\. Use at most 3 folds",
        ),
        (
            save_npz(tmp_path / "few.npz", blobs.take([0, 1, 2, 3])),
            DataError,
            r"5 folds: expected at least 5 .* got 4\. Use fewer",
        ),
        (tmp_path / "nothing.npz", DataError, r"no such file"),
    ):
        with pytest.raises(kind, match=message) as caught:
            crossval_run(str(source), options, plan=FOREST, fold_options=FoldOptions())
        assert "\n" not in str(caught.value)
    with pytest.raises(UnknownName, match="random-forest"):
        crossval_run(blob_file, options, plan=ClassifierPlan("random-wood"), fold_options=FOLD_OPTIONS)
    with pytest.raises(SettingsError, match="`out"):
        crossval_run(blob_file, RunOptions(), plan=FOREST, fold_options=FOLD_OPTIONS)
    assert not (tmp_path / "run").exists()
