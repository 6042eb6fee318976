"""The damaged-digits study at its quick scale, end to end on the embedded digits."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from lightfast.data.images import ImageSet
from lightfast.models.checkpoint import Checkpoint
from lightfast.report.tables import markdown_table, text_table
from lightfast.studies.mnist_c.networks import PAPER_MIX, mnist_c_plan
from lightfast.studies.mnist_c.tables import BREAKOUTS, _bce, _clustered
from lightfast.studies.registry import StudyOptions, StudyResult, trained
from lightfast.studies.run import find_study
from lightfast.train.fit import fit
from lightfast.train.recipe import Recipe, Training


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    return find_study("mnist-c").run(StudyOptions(tmp_path_factory.mktemp("study"), "quick"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_quick_prints_the_papers_figures_beside_ours(result: StudyResult):
    assert len(result.tables) == 4
    text = text_table(result.tables[0])
    assert all(f"{100 * before:.2f} → {100 * after:.2f}" in text for _, _, before, after in BREAKOUTS)
    assert "mean of 15" in markdown_table(result.tables[1])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_quick_repairs_and_every_figure_carries_its_n_and_interval(result: StudyResult):
    figures = json.loads(json.dumps(result.figures, allow_nan=False))
    kinds = figures["kinds"]
    assert kinds[-1]["after_accuracy"] > kinds[-1]["before_accuracy"]
    assert all({"n", "before_interval", "after_interval", "p_value"} <= set(row) for row in kinds[:-1])
    assert all({"n", "difference_interval"} <= set(row) for row in figures["held_out"])
    assert figures["seed"] == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_breakout_has_the_papers_way_and_ours_and_says_what_differs(result: StudyResult):
    rows = result.figures["breakouts"]
    assert [row["way"] for row in rows] == ["paper", "two", "all"] * len(BREAKOUTS)
    for row in rows:
        # Restoring misread pictures only loses nothing, whatever the restorer does.
        assert row["way"] != "paper" or row["lost"] == 0
        assert ("paper_before" in row) == (row["way"] == "paper")
    assert all("vit-base-mnist" in row["differs"] for row in rows[::3])
    assert any("autoencoder" in row["name"] for row in result.figures["autoencoder"])


def test_the_paper_scale_trains_as_the_paper_says():
    plan = mnist_c_plan("paper")
    assert plan.breakout == 1500
    assert plan.autoencoder.recipe.epochs == 50
    assert plan.autoencoder.pixel_loss == "bce"
    assert plan.classifier.augment == "none"
    # Noisy pictures by either of two kinds are what goes in; fog is not among them.
    assert PAPER_MIX.kinds == ("clean", "motion_blur", "shot_noise")
    assert PAPER_MIX.clean_share == 0


def test_a_part_is_made_once_and_anew_when_its_key_changes(tmp_path: Path, blobs: ImageSet):
    made: list[int] = []

    def make(training: Training, epochs: int) -> Checkpoint:
        made.append(epochs)
        return fit(blobs, blobs, model="mlp", recipe=Recipe(epochs=epochs), training=training)

    options = StudyOptions(tmp_path, "quick")
    for epochs in (1, 1, 2):
        trained(
            options,
            "classifier",
            {"epochs": epochs, "choices": (("fog", 3),)},
            lambda training, epochs=epochs: make(training, epochs),
        )
    assert made == [1, 2]


def test_a_part_that_was_stopped_goes_on(tmp_path: Path, blobs: ImageSet):
    seen: list[int] = []

    def make(training: Training) -> Checkpoint:
        made = fit(
            blobs,
            blobs,
            model="mlp",
            recipe=Recipe(epochs=3),
            training=dataclasses.replace(training, report=stop_once),
        )
        assert [row["epoch"] for row in made.history] == [1, 2, 3]
        return made

    def stop_once(label: str, done: int, total: int, detail: str = "") -> None:
        seen.append(done)
        if done == 2000 and seen.count(2000) == 1:
            raise KeyboardInterrupt

    options = StudyOptions(tmp_path, "quick")
    with pytest.raises(KeyboardInterrupt):
        trained(options, "classifier", {"a": 1}, make)
    trained(options, "classifier", {"a": 1}, make)
    assert seen.count(0) == 1


def test_bce_matches_a_slow_loop():
    rng = np.random.default_rng(0)
    restored, clean = rng.integers(0, 256, (2, 3, 4, 4, 1), dtype=np.uint8)
    total = 0.0
    for guess, truth in zip(restored.ravel(), clean.ravel(), strict=True):
        p, t = min(max(guess / 255, 0.5 / 255), 1 - 0.5 / 255), truth / 255
        total -= t * np.log(p) + (1 - t) * np.log(1 - p)
    assert _bce(restored, clean) == pytest.approx(total / restored.size)


def test_the_clustered_interval_is_wider_than_one_that_takes_repeats_for_new_digits():
    rng = np.random.default_rng(0)
    gained = np.tile(rng.random(200) < 0.3, 4)
    before = np.zeros(800, dtype=bool)
    clustered = _clustered(before, gained, 200)
    plain = 1.96 * gained.std(ddof=1) / np.sqrt(800)
    assert clustered.high - clustered.low == pytest.approx(4 * plain, rel=0.02)
