"""The folder of a sweep: levels, curve, regression and page; what it refuses and how it goes on."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightfast.base.errors import CheckpointError, DataError, SettingsError
from lightfast.base.plain import as_json
from lightfast.cli.text.statistics import sweep_lines
from lightfast.data.dataset import LoadedData
from lightfast.data.export import save_npz
from lightfast.data.images import ImageSet
from lightfast.experiments.levels import summarise_sweep
from lightfast.experiments.sweep import PointResult, SweepPoint, keep_classes
from lightfast.experiments.sweep_plan import SweepOptions, plan_points
from lightfast.pages.sweep import SweepResult
from lightfast.runs import sweep
from lightfast.runs.options import RunOptions
from lightfast.runs.sweep import sweep_run
from lightfast.train.fit import ClassifierPlan

FOREST = ClassifierPlan("random-forest", config={"trees": 3})
SIZES = SweepOptions("train_size", values=(12, 30, 60, 96), repeats=2, jobs=1)


@pytest.fixture(scope="module")
def noisy(blobs: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The blobs under so much noise that more pictures help."""
    rng = np.random.default_rng(9)
    pixels = np.clip(blobs.images * 0.3 + rng.normal(90, 45, blobs.images.shape), 0, 255).astype(np.uint8)
    return str(
        save_npz(
            tmp_path_factory.mktemp("data") / "noisy.npz",
            dataclasses.replace(blobs, images=pixels, name="noisy"),
        )
    )


def swept(source: str, folder: Path, sweep_options: SweepOptions) -> SweepResult:
    return sweep_run(source, RunOptions(out=folder, seed=1), plan=FOREST, sweep_options=sweep_options)


def headings(folder: Path) -> list[str]:
    page = (folder / "report.html").read_text()
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    return [re.sub(r"<[^>]+>", "", one).strip() for one in re.findall(r"<h2[^>]*>(.*?)</h2>", page, re.S)]


def test_over_train_size_there_is_a_curve_an_answer_and_a_regression(noisy: str, tmp_path: Path):
    found = swept(noisy, tmp_path / "run", dataclasses.replace(SIZES, target=0.9, seconds_per_label=6))
    result = as_json(found)
    assert result == json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert [(level["n_train"], level["repeats"], level["n_test"]) for level in result["levels"]] == [
        (n, 2, 24) for n in (12, 30, 60, 96)
    ]
    assert result["needed"]["target"] == 0.9
    assert [one["name"] for one in result["regression"]["coefficients"]][1:] == ["doublings"]
    assert len(result["points"]) == 8
    assert {
        "n_test",
        "seed",
        "data",
        "data_version",
        "test_version",
        "held_out",
        "interval_method",
        "notes",
    } <= set(result)
    assert "90 %" in " ".join(result["sentences"])
    assert "each doubling of the training pictures" in " ".join(result["sentences"]).lower()
    assert headings(tmp_path / "run")[:3] == ["Result", "Levels", "Regression"]
    told = sweep_lines(found)
    assert [line.split()[0] for line in told[2:6]] == ["12", "30", "60", "96"]
    assert "8 trainings, scored on 24 held-out pictures, seed 1" in told[-1]


def test_over_classes_the_regression_takes_classes_and_rows(noisy: str, tmp_path: Path):
    found = swept(
        noisy, tmp_path / "run", SweepOptions("classes", values=(2, 3), rows=(5, 20), repeats=2, jobs=1)
    )
    result = as_json(found)
    assert [one["name"] for one in result["regression"]["coefficients"]][1:] == ["classes", "rows"]
    assert {(level["n_train"], level["n_test"]) for level in result["levels"]} == {
        (10, 16),
        (40, 16),
        (15, 24),
        (60, 24),
    }
    assert headings(tmp_path / "run")[:3] == ["Result", "Levels", "Regression"]
    assert any("2 classes × 5" in line for line in sweep_lines(found))


def test_over_imbalance_every_remedy_is_measured_by_the_recall_of_the_rare_class(noisy: str, tmp_path: Path):
    sweep_options = SweepOptions("imbalance", values=(16, 1), minority="middle", repeats=2, jobs=1)
    found = swept(noisy, tmp_path / "run", sweep_options)
    result = as_json(found)
    assert result["minority"] == "middle"
    assert [
        (level["point"]["minority"][1], level["point"]["balance"]) for level in result["minority_recall"]
    ] == [(2, "none"), (2, "weights"), (2, "sampling"), (2, "augment"), (32, "none")]
    assert {level["n_test"] for level in result["minority_recall"]} == {8}
    by_hand = [one["recalls"]["middle"] for one in result["points"] if one["point"]["minority"][1] == 32]
    assert result["minority_recall"][-1]["value"] == pytest.approx(np.mean(by_hand))
    assert "Recall of the rare class" in (tmp_path / "run" / "report.html").read_text()
    assert any("2 of middle, class weights" in line for line in sweep_lines(found))


def test_the_same_command_goes_on_and_a_wider_sweep_adds_to_a_narrower_one(
    noisy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_fits: Any
):
    monkeypatch.setattr(sweep, "write_sweep_page", lambda *given: None)
    through = swept(noisy, tmp_path / "through", SIZES)
    fits = killed_fits(4)
    with pytest.raises(KeyboardInterrupt):
        swept(noisy, tmp_path / "cut", SIZES)
    assert not (tmp_path / "cut" / "metrics.json").exists()
    resumed = swept(noisy, tmp_path / "cut", SIZES)
    assert fits.count == 9
    for key in ("levels", "curve", "sentences"):
        assert as_json(getattr(resumed.found, key)) == as_json(getattr(through.found, key))
    swept(noisy, tmp_path / "cut", dataclasses.replace(SIZES, repeats=3))
    assert fits.count == 13


def test_an_official_test_part_is_what_is_held_out(
    blobs: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sweep, "write_sweep_page", lambda *given: None)
    source = save_npz(
        tmp_path / "parts.npz", LoadedData(train=blobs.take(range(90)), test=blobs.take(range(90, 120)))
    )
    result = swept(
        str(source), tmp_path / "run", SweepOptions("train_size", values=(20, 90), repeats=1, jobs=1)
    )
    assert (result.n_train, result.n_test) == (90, 30)
    assert result.test_version != result.data_version


def test_too_few_points_for_a_line_are_told_and_the_levels_stand(noisy: str, tmp_path: Path):
    result = as_json(
        swept(noisy, tmp_path / "run", SweepOptions("train_size", values=(20, 90), repeats=1, jobs=1))
    )
    assert len(result["levels"]) == 2
    assert (result["curve"], result["needed"], result["regression"]) == (None, None, None)
    assert [note.split(":")[0] for note in result["notes"] if note.startswith("no ")] == [
        "no curve",
        "no regression",
    ]
    assert headings(tmp_path / "run")[:2] == ["Result", "Levels"]


def test_two_sizes_with_repeats_have_no_curve_but_a_regression(blobs: ImageSet):
    measured = [
        PointResult(
            SweepPoint(train_size=size, repeat=repeat), size, 24, 0.5 + size / 400 + repeat / 100, 0.5, {}
        )
        for repeat in range(3)
        for size in (20, 80)
    ]
    found = summarise_sweep(measured, blobs, SweepOptions("train_size"), 0)
    assert found.curve is None
    assert found.regression is not None
    assert json.dumps(as_json(found), allow_nan=False)


def test_the_default_points_fit_the_data_and_whole_repeats_come_first(blobs: ImageSet):
    sizes = [point.train_size for point in plan_points(blobs, SweepOptions("train_size", repeats=1))]
    assert sizes == [30, 60, 120]
    points = plan_points(blobs, SweepOptions("classes", repeats=2))
    assert [point.repeat for point in points] == sorted(point.repeat for point in points)
    assert {(point.classes, point.rows) for point in points} == {
        (classes, rows) for classes in (2, 3) for rows in (10, 20, 40)
    }
    rare = plan_points(blobs, SweepOptions("imbalance", repeats=1))
    assert {point.minority for point in rare} == {("right", 2), ("right", 8), ("right", 40)}
    assert [point.balance for point in rare if point.minority == ("right", 40)] == ["none"]


@pytest.mark.parametrize(
    ("sweep_options", "message"),
    [
        (
            SweepOptions("train_size", values=(500,)),
            r"train_size=500 .*expected 6 to 96 training pictures, got 500\. Give other sizes",
        ),
        (
            SweepOptions("classes", values=(7,)),
            r"expected 2 to 3 classes, got 7\. Give other numbers of classes",
        ),
        (
            SweepOptions("classes", values=(2,), rows=(99,)),
            r"expected 1 to 32 pictures a class .*got 99\. Give other numbers of rows",
        ),
        (SweepOptions("imbalance", minority="up"), r"no class 'up'\. Classes: left, middle, right"),
        (
            SweepOptions("imbalance", values=(0.2,)),
            r"ratio 1:0\.2: expected 1 to 32 pictures of 'right'.*got 160\. Give other ratios",
        ),
        (SweepOptions("imbalance", values=(-5,)), r"`values`: expected ratios above 0"),
    ],
)
def test_a_sweep_outside_the_data_is_refused_in_one_line_and_leaves_no_run(
    noisy: str, tmp_path: Path, sweep_options: SweepOptions, message: str
):
    with pytest.raises((DataError, SettingsError), match=message) as caught:
        swept(noisy, tmp_path / "run", sweep_options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("sweep_options", "message"),
    [
        ({"repeats": 0}, "0 repeats: expected at least 1"),
        ({"target": 95}, r"target 95: expected an accuracy between 0 and 1\. 95 % is written 0\.95"),
        ({"seconds_per_label": -1}, "-1 seconds per label: expected 0 or more"),
        ({"rows": (5,)}, "`rows`: expected only with `over` classes"),
        ({"minority": "left"}, "`minority`: expected only with `over` imbalance"),
    ],
)
def test_wishes_that_make_no_sense_are_refused(sweep_options: dict[str, Any], message: str):
    with pytest.raises(SettingsError, match=message):
        SweepOptions("train_size", **sweep_options)


def test_a_plateau_schedule_and_a_rare_class_that_is_not_held_out_are_refused(
    blobs: ImageSet, noisy: str, tmp_path: Path
):
    plan = ClassifierPlan("mlp", FOREST.recipe.updated(["schedule=plateau"]))
    with pytest.raises(SettingsError, match="schedule=plateau stops by the held-out pictures"):
        sweep_run(noisy, RunOptions(out=tmp_path / "run"), plan=plan, sweep_options=SIZES)
    held = np.flatnonzero(blobs.require_labels()[90:] < 2) + 90
    source = save_npz(tmp_path / "parts.npz", LoadedData(train=blobs.take(range(90)), test=blobs.take(held)))
    with pytest.raises(DataError, match=r"no held-out pictures of 'right'\. Choose another `minority`"):
        swept(str(source), tmp_path / "run", SweepOptions("imbalance"))
    assert not (tmp_path / "run").exists()


def test_a_folder_with_another_kind_of_run_is_not_written_over(run: Path, noisy: str):
    before = (run / "metrics.json").read_bytes()
    with pytest.raises(CheckpointError, match="already holds"):
        swept(noisy, run, SIZES)
    assert (run / "metrics.json").read_bytes() == before


def test_classes_that_are_not_held_out_are_refused_before_the_first_training_and_the_cures_work(
    blobs: ImageSet, tmp_path: Path
):
    held = np.flatnonzero(blobs.require_labels()[90:] < 2) + 90
    train, test = blobs.take(range(90)), blobs.take(held)
    source = save_npz(tmp_path / "parts.npz", LoadedData(train=train, test=test))
    over, folder = SweepOptions("classes", values=(2,), rows=(4,), repeats=1, jobs=1), tmp_path / "run"
    with pytest.raises(
        DataError, match=r"no held-out pictures of 1 of 3 classes \(right\).*`over=train_size`"
    ):
        swept(str(source), folder, over)
    assert not folder.exists()
    sizes = SweepOptions("train_size", values=(12,), repeats=1, jobs=1)
    assert swept(str(source), tmp_path / "sizes", sizes).n_test == len(held)
    left = LoadedData(train=keep_classes(train, (0, 1)), test=keep_classes(test, (0, 1)))
    assert swept(str(save_npz(tmp_path / "left.npz", left)), folder, over).n_test == len(held)


def test_a_network_that_does_not_take_the_pictures_is_refused_before_a_folder_is_made(
    noisy: str, tmp_path: Path
):
    plan = ClassifierPlan("timm:vit_tiny_patch16_224", config={"depth": 1})
    with pytest.raises(SettingsError, match="takes no pictures of"):
        sweep_run(noisy, RunOptions(out=tmp_path / "run"), plan=plan, sweep_options=SIZES)
    assert not (tmp_path / "run").exists()
