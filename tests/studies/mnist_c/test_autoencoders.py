"""The tables of the four kinds of autoencoder and of the sturdier readers, trained as little as can be."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from lightfast.data.images import sample
from lightfast.evaluate.compare import mcnemar
from lightfast.report.tables import text_table
from lightfast.restore.denoise import RestorerPlan
from lightfast.statistics.intervals import student_mean, wilson
from lightfast.studies.mnist_c.autoencoders import AUTOENCODER_ROWS, _row, autoencoders_table
from lightfast.studies.mnist_c.networks import Parts, mnist_c_plan
from lightfast.studies.mnist_c.sturdier import (
    EPSILON,
    PLANTED_SHARE,
    STURDIER_ROWS,
    planted_digits,
    sturdier_table,
    suspicious,
)
from lightfast.studies.registry import StudyOptions
from lightfast.train.recipe import Recipe


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    plan = dataclasses.replace(
        mnist_c_plan("quick"),
        classifier=Recipe(epochs=1, averaging=0.9),
        autoencoder=RestorerPlan(
            model="autoencoder", pixel_loss="bce", recognition=0, recipe=Recipe(epochs=1), per_epoch=128
        ),
        autoencoder_seeds=2,
        sturdier=300,
        per_kind=40,
        held_out=40,
    )
    options = StudyOptions(tmp_path_factory.mktemp("study"))
    splits = options.pictures("mnist-5k").splits(0, val=0.1)
    few = dataclasses.replace(splits, train=sample(splits.train, 600), val=sample(splits.val, 60))
    return Parts(options, plan, few)


def test_every_kind_has_loss_psnr_ssim_accuracy_gain_and_seconds_with_intervals(parts: Parts):
    table, rows = autoencoders_table(parts)
    rows = json.loads(json.dumps(rows, allow_nan=False))
    assert [row["name"] for row in rows] == ["not restored", *(kind.title for kind in AUTOENCODER_ROWS)]
    for row in rows[1:]:
        for name in ("bce", "psnr", "ssim", "accuracy", "seconds"):
            low, high = row[f"{name}_interval"]
            assert low <= row[name] <= high
        # Seconds and accuracy of two trainings may be the same.
        for low, high in (row[f"{name}_interval"] for name in ("bce", "psnr", "ssim")):
            assert low < high
        assert row["trainings"] == 2
    for row in rows[2:]:
        low, high = row["difference_interval"]
        assert low <= row["difference"] <= high
    assert not any("difference" in row for row in rows[:2])
    assert "Student's t" in text_table(table)
    # Found again, not trained again.
    written = {path: path.stat().st_mtime_ns for path in parts.options.out.rglob("*.safetensors")}
    assert autoencoders_table(parts)[1][1:] == rows[1:]
    assert written == {path: path.stat().st_mtime_ns for path in parts.options.out.rglob("*.safetensors")}


def test_the_new_kinds_are_parts_of_their_own_and_the_papers_is_the_studys(parts: Parts):
    autoencoders_table(parts)
    made = {path.name for path in (parts.options.out / "parts").iterdir()}
    assert {f"{start}{kind.part}" for kind in AUTOENCODER_ROWS[1:] for start in ("", "seed-1-")} <= made
    assert {"autoencoder-two-kinds", "seed-1-autoencoder-two-kinds"} <= made


def test_of_one_training_the_intervals_are_those_of_the_digits():
    rng = np.random.default_rng(0)
    old, new = ({"bce": rng.random(50), "accuracy": (rng.random(50) < 0.7).astype(float)} for _ in range(2))
    row, paired = _row("new", [new], [old]), mcnemar(old["accuracy"] > 0, new["accuracy"] > 0)
    assert row["bce_interval"] == pytest.approx(list(student_mean(new["bce"])))
    assert row["accuracy_interval"] == pytest.approx(list(wilson(int(new["accuracy"].sum()), 50)))
    assert row["difference"] == pytest.approx(paired.difference)
    assert row["difference_interval"] == pytest.approx(list(paired.difference_interval))


def test_of_several_trainings_the_interval_holds_both_scatters():
    rng = np.random.default_rng(0)
    digits = rng.random(200)
    alike = [{"bce": digits + shift} for shift in (0.0, 1e-6)]
    apart = [{"bce": digits + shift} for shift in (0.0, 1.0)]
    alone = student_mean(digits)
    found = _row("", alike, None)["bce_interval"]
    assert found == pytest.approx(list(alone), abs=1e-3)
    low, high = _row("", apart, None)["bce_interval"]
    assert high - low > 5


def test_every_sturdier_reader_is_measured_against_none(parts: Parts):
    table, rows = sturdier_table(parts)
    rows = json.loads(json.dumps(rows, allow_nan=False))
    assert [row.get("part") for row in rows[:-1]] == [row.part for row in STURDIER_ROWS]
    for row in rows[:-1]:
        for name in ("clean", "kinds", "adversarial"):
            assert row[f"{name}_interval"][0] <= row[name] <= row[f"{name}_interval"][1]
            assert (f"{name}_gain_interval" in row) == bool(row["against"])
    found = rows[-1]
    assert found["planted"] == round(PLANTED_SHARE * 300)
    assert rows[4]["n_train"] == 300 - found["removed"]
    assert str(EPSILON) in text_table(table)


def test_planted_digits_are_adversarial_labelled_by_the_fooled_reader_and_the_others_stay(parts: Parts):
    train = sample(parts.splits.train, 200)
    found = planted_digits(parts.classifier, train, seed=0)
    same = (found.images.images == train.images).all(axis=(1, 2, 3))
    changed = found.images.require_labels() != train.require_labels()
    assert found.rows.sum() == 40
    assert not same[found.rows].any()
    assert same[~found.rows].all()
    assert (changed == found.fooled).all()
    assert not found.fooled[~found.rows].any()
    moved = np.abs(found.images.images.astype(int) - train.images)
    assert moved.max() <= round(255 * EPSILON)
    again = planted_digits(parts.classifier, train, seed=0)
    assert again.images.version == found.images.version != train.version


def test_a_wrong_label_among_clean_digits_is_suspicious(parts: Parts):
    train = parts.splits.train
    quiet = ~suspicious(train)
    row = int(np.flatnonzero(quiet)[0])
    other = train.class_names[(int(train.require_labels()[row]) + 1) % 10]
    assert suspicious(train.relabel({row: other}, step={"verb": "test"}))[row]


def test_the_plain_reader_of_all_digits_is_the_studys_own(parts: Parts):
    whole = dataclasses.replace(parts, plan=dataclasses.replace(parts.plan, sturdier=None))
    sturdier_table(whole)
    plain = parts.options.out / "parts" / "sturdier-plain" / "key.json"
    told = json.loads(plain.read_text()) if plain.is_file() else {}
    assert told.get("data") != whole.splits.train.version


def test_the_paper_scale_trains_each_kind_more_than_once():
    plan = mnist_c_plan("paper")
    assert plan.autoencoder_seeds >= 3
    assert plan.sturdier is None
