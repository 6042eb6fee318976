"""The damaged-digits study at its quick scale, end to end on the embedded digits."""

from __future__ import annotations

import dataclasses
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from lightfast.base.errors import CheckpointError, SettingsError
from lightfast.data.images import ImageSet
from lightfast.evaluate.predict import predict
from lightfast.models.checkpoint import Checkpoint
from lightfast.report.tables import markdown_table, text_table
from lightfast.restore.views import REREAD_VIEWS
from lightfast.statistics.intervals import difference_interval, wilson
from lightfast.studies.mnist_c.networks import PAPER_MIX, SEVERITY_OF, mnist_c_plan, published_reader
from lightfast.studies.mnist_c.readers import over_seeds
from lightfast.studies.mnist_c.tables import BREAKOUTS, _bce, _clustered, _reader_words, mean_of_kinds
from lightfast.studies.registry import StudyOptions, StudyResult, trained
from lightfast.studies.run import find_study, run_study
from lightfast.train.fit import fit
from lightfast.train.recipe import Recipe, Training


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    return find_study("mnist-c").run(StudyOptions(tmp_path_factory.mktemp("study"), "quick"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_quick_prints_the_papers_figures_beside_ours(result: StudyResult):
    assert len(result.tables) == 8
    text = text_table(result.tables[0])
    assert all(f"{100 * before:.2f} → {100 * after:.2f}" in text for _, _, before, after in BREAKOUTS)
    assert "mean of 15" in markdown_table(result.tables[1])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_quick_repairs_and_every_figure_carries_its_n_and_interval(result: StudyResult):
    figures = json.loads(json.dumps(result.figures, allow_nan=False))
    kinds = figures["kinds"]
    assert kinds[-1]["after_accuracy"] > kinds[-1]["before_accuracy"]
    both = {"n", "before_interval", "after_interval"}
    assert all({*both, "p_value"} <= set(row) for row in kinds[:-1])
    assert all({*both, "difference_interval"} <= set(row) for row in (*figures["held_out"], kinds[-1]))
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


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_lever_stands_beside_the_repair_without_it(result: StudyResult):
    rows = result.figures["levers"]
    assert len(rows) == 3
    assert "gain" not in rows[0]
    for above, row in pairwise(rows):
        assert row["gain"] == pytest.approx(row["mean"] - above["mean"])
        assert row["gain_interval"][0] <= row["gain"] <= row["gain_interval"][1]
        assert set(row["kinds"]) == set(SEVERITY_OF)
    assert result.figures["restorer"]["model"] == "aligned-unet"
    assert result.figures["restorer"]["views"] in REREAD_VIEWS


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_both_readers_are_shown_over_seeds_with_the_interval_over_them(result: StudyResult):
    rows = result.figures["readers"]
    assert [row["model"] for row in rows] == ["cnn", "cnn-2"]
    for row in rows:
        means = [run["mean"]["after_accuracy"] for run in row["runs"]]
        assert len(means) == len(row["seeds"]) == mnist_c_plan("quick").seeds > 1
        assert row["after"] == pytest.approx(np.mean(means))
        assert row["after_interval"] == pytest.approx(list(over_seeds(means, row["digits"])))
        assert "(Student's t" in text_table(result.tables[3])
    assert mnist_c_plan("paper").seeds >= 3


def test_the_interval_over_seeds_is_students_and_no_narrower_than_the_pictures_own():
    shares = [0.8, 0.82, 0.83]
    students = stats.t.interval(0.95, 2, np.mean(shares), stats.sem(shares))
    assert over_seeds(shares, 100_000) == pytest.approx(students)
    assert over_seeds([0.9, 0.9], 60) == wilson(54, 60)
    assert over_seeds([0.9], 60) == (0.0, 1.0)
    assert over_seeds([0.9, 0.99], 60).high == 1.0


def test_the_mean_of_kinds_counts_every_digit_once():
    rng = np.random.default_rng(1)
    read = np.repeat(rng.random((1, 2, 300)) < 0.8, 5, axis=0)  # the same digits wrong under all five kinds
    told = mean_of_kinds(read, seed=0)
    alone = mean_of_kinds(read[:1], seed=0)
    assert told["n"] == 5 * alone["n"] == 1500
    for name in ("before_interval", "after_interval", "difference_interval"):
        assert told[name] == pytest.approx(alone[name], abs=0.02)


def published(folder: Path, names: list[str]) -> str:
    """A tiny network in the layout of published classifiers, untrained: what is read is of no matter."""
    transformers = pytest.importorskip("transformers", reason="the extra 'hub' is not installed")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    labels = {"id2label": dict(enumerate(names)), "label2id": {name: at for at, name in enumerate(names)}}
    config = transformers.ViTConfig(**sizes, **labels, image_size=56, patch_size=14)
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"size": {"height": 56, "width": 56}}))
    return f"hf-hub:{folder}"


@pytest.mark.parametrize("names", [list("0123456789"), [f"LABEL_{number}" for number in range(10)]])
def test_a_published_reader_stands_in_the_papers_rows(tmp_path: Path, names: list[str]):
    options = StudyOptions(tmp_path / "out", reader=published(tmp_path / "vit", names))
    digits = options.pictures("mnist-5k").data.train.take(range(30))
    reader = published_reader(options, digits)
    assert reader is not None
    assert predict(reader, digits).pred_probs.shape == (30, 10)
    assert f"hf-hub:{tmp_path / 'vit'} at 56 × 56 pixels" in _reader_words(reader)


def test_a_reader_of_other_classes_is_refused(tmp_path: Path):
    options = StudyOptions(tmp_path / "out", reader=published(tmp_path / "vit", list("abcdefghij")))
    digits = options.pictures("mnist-5k").data.train.take(range(3))
    with pytest.raises(CheckpointError, match="another class list"):
        published_reader(options, digits)
    with pytest.raises(CheckpointError, match="another class list"):
        run_study("mnist-c", options)
    assert not (tmp_path / "out").exists()  # before anything is trained


def test_without_a_reader_the_papers_rows_say_who_reads(tmp_path: Path):
    options = StudyOptions(tmp_path)
    digits = ImageSet(np.zeros((1, 28, 28, 1), dtype=np.uint8), ("0",))
    assert published_reader(options, digits) is None
    assert "vit-base-mnist" in _reader_words(None)


def test_a_study_that_has_its_own_readers_takes_no_other(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"trains its own classifiers.*mnist-c takes one"):
        run_study("svhn", StudyOptions(tmp_path, reader="hf-hub:somebody/vit"))


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


def test_where_no_digit_changes_the_interval_is_that_of_the_digits_and_not_of_width_0():
    read = np.random.default_rng(0).random(400) < 0.8
    assert _clustered(read, read, 100) == difference_interval(read[:100], read[:100])
    assert _clustered(read, read, 100).high > 0.01
