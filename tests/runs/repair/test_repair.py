"""Repairing with a run: with and without labels,
with a kit that is there and one that has to be trained first.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures.runs import give_small_kit, small_kit_plan
from PIL import Image

from lightfast.base.errors import CheckpointError, UnknownName
from lightfast.base.plain import as_json
from lightfast.corrupt.suite import corrupt_array
from lightfast.data.images import ImageSet
from lightfast.data.splits import split
from lightfast.evaluate.compare import mcnemar
from lightfast.models.load import load_checkpoint
from lightfast.restore.views import views_of_restorer
from lightfast.runs.options import RunOptions
from lightfast.runs.repair import kit as repair_kit
from lightfast.runs.repair.kit import fit_pipeline, load_pipeline, pipeline_for_run
from lightfast.runs.repair.options import RepairOptions
from lightfast.runs.repair.plan import KitChoice, RepairPlan
from lightfast.runs.repair.repair import damage_pictures, repair_run

SMALL = small_kit_plan()


@pytest.fixture(scope="module")
def repaired_run(run: Path, blobs: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the shared run with a small repair kit."""
    folder = Path(shutil.copytree(run, tmp_path_factory.mktemp("repair") / "run"))
    return give_small_kit(folder, blobs)


@pytest.fixture
def scans(blobs: ImageSet, tmp_path: Path) -> str:
    """Loose damaged pictures without labels."""
    damaged = corrupt_array(blobs.images[:12], "fog", 4, np.random.default_rng(0))
    (tmp_path / "scans").mkdir()
    for row, image in enumerate(damaged):
        Image.fromarray(image[..., 0]).save(tmp_path / "scans" / f"{row:02d}.png")
    return str(tmp_path / "scans")


def test_pictures_without_labels_get_readings_and_a_queue(repaired_run, scans, tmp_path):
    metrics = as_json(repair_run(str(repaired_run), scans, RunOptions(out=tmp_path / "out")))
    readings = pd.read_parquet(tmp_path / "out" / "readings.parquet")
    assert metrics["n"] == len(readings) == 12
    assert "accuracy" not in metrics
    assert {
        "id",
        "damage",
        "severity",
        "first_label",
        "first_confidence",
        "final_label",
        "final_confidence",
        "kept",
        "doubtful",
        "reason",
    } <= set(readings.columns)
    assert sum(metrics["damage"].values()) == 12


def test_the_queue_is_the_doubtful_ones_least_confident_first(repaired_run, scans, tmp_path):
    repair_run(str(repaired_run), scans, RunOptions(out=tmp_path / "out"))
    readings = pd.read_parquet(tmp_path / "out" / "readings.parquet")
    queue = pd.read_csv(tmp_path / "out" / "queue.csv")
    assert set(queue["id"].astype(str)) == set(readings.loc[readings["doubtful"], "id"])
    assert queue["final_confidence"].is_monotonic_increasing
    assert "given_label" not in queue.columns


def test_restored_pictures_of_one_s_own_are_written(repaired_run, scans, tmp_path):
    metrics = as_json(repair_run(str(repaired_run), scans, RunOptions(out=tmp_path / "out")))
    pictures = sorted((tmp_path / "out").glob("restored/*.png"))
    assert len(pictures) == metrics["attempted"] > 0
    with Image.open(pictures[0]) as first:
        assert first.size == (12, 12)


def test_labelled_pictures_get_before_after_and_a_paired_test(repaired_run, blob_file, blobs, tmp_path):
    metrics = as_json(
        repair_run(
            str(repaired_run),
            blob_file,
            RunOptions(out=tmp_path / "out"),
            repair_options=RepairOptions(damage="mnist-c"),
        )
    )
    readings = pd.read_parquet(tmp_path / "out" / "readings.parquet")
    expected = mcnemar(
        (readings["first_label"] == readings["given_label"]).to_numpy(),
        (readings["final_label"] == readings["given_label"]).to_numpy(),
    )
    assert metrics["n"] == len(split(blobs).test)
    assert metrics["paired"]["p_value"] == pytest.approx(expected.p_value)
    assert (metrics["before"]["accuracy"], metrics["accuracy"]) == (
        expected.before_accuracy,
        expected.after_accuracy,
    )
    assert metrics["psnr"]["n"] == metrics["attempted"]
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == metrics


def test_the_report_says_that_no_label_chose_what_was_restored(repaired_run, blob_file, tmp_path):
    repair_run(
        str(repaired_run),
        blob_file,
        RunOptions(out=tmp_path / "out"),
        repair_options=RepairOptions(damage="mnist-c"),
    )
    page = (tmp_path / "out" / "report.html").read_text()
    assert "no label was looked at" in page
    assert "The original damaged-digits study chose them by their true labels" in page


def test_the_default_place_is_inside_the_run_which_itself_is_safe(repaired_run, scans):
    assert repair_run(str(repaired_run), scans, RunOptions()).out == repaired_run / "repaired"
    with pytest.raises(CheckpointError, match="is the run itself"):
        repair_run(str(repaired_run), scans, RunOptions(out=repaired_run))


def test_a_limit_draws_that_many_pictures(repaired_run, scans, tmp_path):
    assert (
        repair_run(
            str(repaired_run), scans, RunOptions(out=tmp_path / "out"), repair_options=RepairOptions(limit=5)
        ).report.n
        == 5
    )


def test_unknown_suites_are_refused_with_the_closest_names(repaired_run, scans):
    for asked in ({"kit": KitChoice("mnist")}, {"repair_options": RepairOptions(damage="mnist")}):
        with pytest.raises(UnknownName, match="mnist-c"):
            repair_run(str(repaired_run), scans, RunOptions(), **asked)


def test_a_kit_made_for_another_suite_is_not_used(repaired_run):
    classifier = load_checkpoint(repaired_run)
    assert load_pipeline(repaired_run, classifier, KitChoice("imagenet-c")) is None
    assert load_pipeline(repaired_run, classifier, KitChoice()) is not None


def test_a_kit_with_another_restorer_is_not_used_and_the_papers_is_made_for_the_same_damages(
    repaired_run, scans, tmp_path, monkeypatch
):
    folder = shutil.copytree(repaired_run, tmp_path / "run")
    told = json.loads((folder / "repair" / "kit.json").read_text())
    (folder / "repair" / "kit.json").write_text(json.dumps({**told, "suite": "camera"}))
    plans: list[RepairPlan] = []

    def small_kit(classifier, parts, plan, training):
        plans.append(plan)
        recipe = plan.restorer.recipe.updated(["epochs=1"])
        few = dataclasses.replace(SMALL, restorer=dataclasses.replace(plan.restorer, recipe=recipe))
        return fit_pipeline(classifier, parts, few, training)

    monkeypatch.setattr("lightfast.runs.repair.kit.fit_pipeline", small_kit)
    classifier, wanted = load_checkpoint(folder), KitChoice(restorer="autoencoder")
    assert load_pipeline(folder, classifier, wanted) is None
    found = repair_run(str(folder), scans, RunOptions(out=tmp_path / "out"), kit=wanted)
    assert "restorer autoencoder" in as_json(found)["notes"][-1]
    (plan,) = plans
    assert (plan.suite, plan.restorer.model, plan.restorer.pixel_loss) == ("camera", "autoencoder", "bce")
    assert (plan.restorer.recipe.epochs, plan.restorer.recognition) == (50, 0)
    # It is kept, and found again by name and without one.
    for again in (wanted, KitChoice()):
        there = load_pipeline(folder, classifier, again)
        assert there is not None
        assert there.restorer.model == "autoencoder"


def test_a_kit_of_another_budget_is_not_used_and_what_it_was_is_told(repaired_run, scans, tmp_path):
    classifier = load_checkpoint(repaired_run)
    assert load_pipeline(repaired_run, classifier, KitChoice(budget=3600.0)) is None
    assert load_pipeline(repaired_run, classifier, KitChoice(budget=600.0)) is not None
    notes = repair_run(str(repaired_run), scans, RunOptions(out=tmp_path / "out")).notes
    assert any(
        one.startswith("the repair kit: unet of width 8, 2 epochs") and one.endswith("budget of 10 min 0 s")
        for one in notes
    )


def test_other_views_keep_the_kit_and_fit_its_rules_anew(repaired_run, scans, tmp_path):
    folder = shutil.copytree(repaired_run, tmp_path / "run")
    weights = (folder / "repair" / "restorer" / "weights.safetensors").read_bytes()
    notes = repair_run(
        str(folder), scans, RunOptions(out=tmp_path / "out"), kit=KitChoice(views="shift")
    ).notes
    assert any("re-readings over shift views: the rules were fitted anew" in one for one in notes)
    assert (folder / "repair" / "restorer" / "weights.safetensors").read_bytes() == weights
    there = load_pipeline(folder, load_checkpoint(folder), KitChoice())
    assert there is not None
    assert views_of_restorer(there.restorer) == "shift"
    # What was not asked for stays, and what is there is not fitted again.
    for again in (KitChoice(), KitChoice(views="shift")):
        said = repair_run(
            str(folder), scans, RunOptions(out=tmp_path / "again", resume=True), kit=again
        ).notes
        assert not any("fitted anew" in one for one in said)
    with pytest.raises(UnknownName, match="shift"):
        KitChoice(views="shifted")


def test_other_views_leave_what_is_told_of_the_kit_that_they_are_for(repaired_run, tmp_path, monkeypatch):
    folder, home = shutil.copytree(repaired_run, tmp_path / "run"), tmp_path / "out"
    shutil.copytree(folder / "repair", home / "repair")
    for place, suite in ((folder, "mnist-c"), (home, "camera")):
        told = {"suite": suite, "severities": [1, 2, 3, 4, 5], "seconds": {"detector": 75.0}}
        (place / "repair" / "kit.json").write_text(json.dumps(told))
    # As where the run cannot be written.
    monkeypatch.setattr(repair_kit, "_kit_home", lambda *_: home)
    choice = KitChoice(suite="camera", views="shift")
    pipeline_for_run(folder, load_checkpoint(folder), choice, RunOptions(out=home))
    assert json.loads((home / "repair" / "kit.json").read_text())["suite"] == "camera"


def test_a_kit_of_an_earlier_version_is_used_and_named(repaired_run, scans, tmp_path):
    folder = shutil.copytree(repaired_run, tmp_path / "run")
    told = {"suite": "mnist-c", "severities": [1, 2, 3, 4, 5], "seconds": {"detector": 75.0}}
    (folder / "repair" / "kit.json").write_text(json.dumps(told))
    notes = repair_run(str(folder), scans, RunOptions(out=tmp_path / "out")).notes
    assert any("made by an earlier version" in one for one in notes)


def test_an_unknown_restorer_is_refused_with_those_that_there_are():
    with pytest.raises(UnknownName, match="autoencoder"):
        KitChoice(restorer="autoencode")


def test_a_missing_kit_is_trained_first_on_training_pictures_alone(run, scans, blobs, tmp_path, monkeypatch):
    given: list[tuple[ImageSet, ImageSet]] = []

    def small_kit(classifier, parts, plan, training):
        given.append(parts)
        return fit_pipeline(classifier, parts, SMALL, training)

    monkeypatch.setattr("lightfast.runs.repair.kit.fit_pipeline", small_kit)
    monkeypatch.setattr("lightfast.runs.repair.kit.within_budget", lambda *_: SMALL)
    folder = shutil.copytree(run, tmp_path / "run")
    metrics = as_json(repair_run(str(folder), scans, RunOptions(out=tmp_path / "out")))
    parts = split(blobs)
    assert [one.version for one in given[0]] == [parts.train.version, parts.val.version]
    assert "trained first" in metrics["notes"][-1]
    assert (folder / "repair" / "rules.json").is_file()


def test_a_kit_is_not_trained_on_data_that_have_changed(run, scans, blobs, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    told = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**told, "data_version": "0123456789abcdef"}))
    with pytest.raises(CheckpointError, match="have changed"):
        repair_run(str(folder), scans, RunOptions(out=tmp_path / "out"))


def test_one_in_eight_pictures_stays_as_it_was(blobs):
    damaged = damage_pictures(blobs, "mnist-c", seed=0)
    untouched = np.array(damaged.kinds) == "clean"
    assert 5 <= untouched.sum() <= 30
    np.testing.assert_array_equal(damaged.images.images[untouched], blobs.images[untouched])
    assert damaged.images.parent == blobs.version
