"""Answers to the queue of `repair` come back: checked, kept, applied, counted."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from lightfast.base.errors import DataError, SettingsError, UnknownName
from lightfast.base.plain import as_json
from lightfast.cli.text.repair import repair_lines
from lightfast.data.decisions import DecisionLog
from lightfast.data.images import ImageSet
from lightfast.data.splits import split
from lightfast.models.load import load_checkpoint
from lightfast.restore.denoise import RestorerPlan
from lightfast.restore.detector import DetectorPlan
from lightfast.runs.options import RunOptions
from lightfast.runs.repair.kit import fit_pipeline, save_pipeline
from lightfast.runs.repair.options import RepairOptions
from lightfast.runs.repair.plan import KitRecord, RepairPlan
from lightfast.runs.repair.repair import repair_run
from lightfast.statistics.intervals import wilson
from lightfast.train.recipe import Recipe, Training

SMALL = RepairPlan(
    severities=(3,),
    detector=DetectorPlan(model="mlp", config={"hidden": [32]}, recipe=Recipe.of(epochs=1)),
    restorer=RestorerPlan(config={"width": 4}, recipe=Recipe.of(epochs=1)),
)


@pytest.fixture(autouse=True, scope="module")
def written_page():
    """The page takes longer than all else here: it is written where a test gives the true one back."""
    from lightfast.runs.repair import repair

    with pytest.MonkeyPatch.context() as patch:
        true = repair.write_repair_page
        patch.setattr(repair, "write_repair_page", lambda path, result: path)
        yield true


@pytest.fixture(scope="module")
def repaired(run: Path, blobs: ImageSet, blob_file: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a kit so small that much is doubtful, and its repair of damaged test pictures."""
    folder = Path(shutil.copytree(run, tmp_path_factory.mktemp("answers") / "run"))
    parts = split(blobs)
    classifier = load_checkpoint(folder)
    with torch.no_grad():
        # It takes everything for the first class: there is something to put right.
        list(classifier.torch_network.parameters())[-1][0] += 100
    classifier.save(folder / "checkpoint")
    pipeline, seconds = fit_pipeline(classifier, (parts.train, parts.val), SMALL, Training())
    # Everything is doubtful.
    rules = dataclasses.replace(pipeline.calibration, review_threshold=1.1, review_thresholds={})
    save_pipeline(folder, dataclasses.replace(pipeline, calibration=rules), KitRecord.of(SMALL, seconds))
    result = repair_run(str(folder), blob_file, RunOptions(), repair_options=RepairOptions(damage="mnist-c"))
    assert result.report.scores.after.accuracy < 1
    return folder


@pytest.fixture
def own(repaired: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(repaired, tmp_path / "run"))


def answer(run: Path, blobs: ImageSet, count: int | None = None) -> tuple[Path, dict[str, str]]:
    """The queue with the true label in its first `count` rows, and those."""
    truth = {
        name: blobs.class_names[label] for name, label in zip(blobs.ids, blobs.require_labels(), strict=True)
    }
    path = run / "repaired" / "queue.csv"
    rows = list(csv.DictReader(path.read_text().splitlines()))
    said = {row["id"]: truth[row["id"]] for row in rows[:count]}
    for row in rows:
        row["decided_label"] = said.get(row["id"], row["decided_label"])
    write(path, rows)
    return path, said


def write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def take_up(run: Path, source: str, answers: Path | None, reviewer: str | None = "Ada"):
    said = RepairOptions(damage="mnist-c", answers=answers, reviewer=reviewer if answers else None)
    return repair_run(str(run), source, RunOptions(), repair_options=said)


def test_the_answers_are_in_the_figures_with_interval_and_paired_test(own, blobs, blob_file, written_page):
    path, said = answer(own, blobs)
    found = take_up(own, blob_file, path)
    readings = pd.read_parquet(own / "repaired" / "readings.parquet")
    final = [said.get(one, label) for one, label in zip(readings["id"], readings["final_label"], strict=True)]
    right = (np.array(final) == readings["given_label"]).sum()
    told = as_json(found)["answers"]
    assert told["accuracy"] == right / len(readings)
    assert tuple(told["accuracy_interval"]) == pytest.approx(tuple(wilson(int(right), len(readings))))
    assert told["n"] == len(readings)
    assert (told["decided"], told["waiting"], told["empty"]) == (len(said), 0, 0)
    assert told["paired"]["lost"] == 0
    assert told["changed"] == told["paired"]["gained"]
    text = "\n".join(repair_lines(found))
    assert "with them" in text
    assert f"{len(said)} pictures decided by Ada" in text
    page = written_page(own / "report.html", found).read_text()
    assert "with people&#39;s answers" in page or "with people's answers" in page


def test_decisions_say_who_when_and_about_which_pixels_and_stay(own, blobs, blob_file):
    path, said = answer(own, blobs, 3)
    take_up(own, blob_file, path)
    records = DecisionLog(own / "repaired" / "decisions.jsonl").read().records
    assert {one.picture: one.decided_label for one in records} == said
    assert {one.reviewer for one in records} == {"Ada"}
    assert all(len(one.content) == 32 and one.when for one in records)
    queue = pd.read_csv(own / "repaired" / "queue.csv")
    assert queue["decided_label"].notna().sum() == 3
    assert set(queue.loc[queue["decided_label"].notna(), "reviewer"]) == {"Ada"}
    # The same file once more says nothing new; without it the decisions hold.
    assert take_up(own, blob_file, own / "repaired" / "queue.csv").report.answers.new == 0
    later = take_up(own, blob_file, None)
    assert later.report.answers.decided == 3
    assert len(DecisionLog(own / "repaired" / "decisions.jsonl").read().records) == 3


def test_what_does_not_fit_is_set_aside_and_counted(own, blobs, blob_file):
    path, _ = answer(own, blobs, 3)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    rows[0]["content"], rows[1]["id"] = "0" * 32, "blobs/none"
    write(path, rows)
    found = take_up(own, blob_file, path)
    answers = found.report.answers
    assert (answers.decided, answers.set_aside, answers.empty) == (1, 2, len(rows) - 3)
    aside = list(csv.DictReader((own / "repaired" / "answers_set_aside.csv").read_text().splitlines()))
    assert [row["id"] for row in aside] == [rows[0]["id"], "blobs/none"]
    assert "content hash" in aside[0]["reason"]
    assert any("answers set aside" in note for note in found.notes)


def test_a_label_that_is_no_class_refuses_all_and_changes_nothing(own, blobs, blob_file):
    path, _ = answer(own, blobs, 2)
    path.write_text(path.read_text().replace(",middle,", ",midle,").replace(",left,", ",lft,"))
    rows = list(csv.DictReader(path.read_text().splitlines()))
    rows[0]["decided_label"] = "midle"
    write(path, rows)
    before = {one.name: one.read_bytes() for one in (own / "repaired").iterdir() if one.is_file()}
    before.pop("evaluations.jsonl", None)
    with pytest.raises(UnknownName, match="midle"):
        take_up(own, blob_file, path)
    after = {one.name: one.read_bytes() for one in (own / "repaired").iterdir() if one.is_file()}
    assert {name: after.get(name) for name in before} == before


def test_answers_that_nobody_took_up_are_kept_when_the_queue_is_written_again(own, blobs, blob_file):
    _, said = answer(own, blobs, 2)
    notes = take_up(own, blob_file, None).notes
    kept = own / "repaired" / "queue.answered-1.csv"
    assert any(f"kept as {kept}" in note for note in notes)
    assert take_up(own, blob_file, kept).report.answers.decided == len(said)


def test_empty_and_anonymous_answers_are_refused_before_anything_is_read(own, blobs, blob_file):
    with pytest.raises(DataError, match="holds no answers"):
        take_up(own, "nowhere", own / "repaired" / "queue.csv")
    path, _ = answer(own, blobs, 1)
    with pytest.raises(DataError, match="does not say who decided"):
        take_up(own, blob_file, path, reviewer=None)
    with pytest.raises(SettingsError, match="`answers`"):
        RepairOptions(reviewer="Ada")


def test_answers_about_other_pictures_altogether_are_refused(own, blobs, blob_file):
    path, _ = answer(own, blobs, 2)
    said = RepairOptions(answers=path, reviewer="Ada")
    with pytest.raises(DataError, match=r"none of the 2 answers.*`damage`"):
        repair_run(str(own), blob_file, RunOptions(), repair_options=said)


def test_metrics_file_and_result_say_the_same(own, blobs, blob_file):
    path, _ = answer(own, blobs, 2)
    found = take_up(own, blob_file, path)
    assert json.loads((own / "repaired" / "metrics.json").read_text())["answers"] == as_json(found)["answers"]
