"""Explanations of a run: a file a picture, the wrong ones told from the right ones, and nothing scored."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from lightfast.base.errors import CheckpointError, SettingsError, UnknownName
from lightfast.base.plain import as_json
from lightfast.cli.text.explain import explain_lines
from lightfast.data.export import save_npz
from lightfast.data.images import ImageSet
from lightfast.data.preprocess import Preprocess
from lightfast.evaluate.predict import pred_probs
from lightfast.explain.attribution import explain
from lightfast.explain.methods import ExplainSettings
from lightfast.explain.pictures import FLAT_MAP
from lightfast.models.build import fresh_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.enhanced import prepend_enhancer
from lightfast.models.load import load_checkpoint
from lightfast.runs.explain import ExplainOptions, explain_run
from lightfast.runs.folder import write_seen
from lightfast.runs.options import RunOptions
from lightfast.train.fit import fit

SHAPE = (12, 12, 1)
NAMES = ("left", "middle", "right")
UNCHECKED = ExplainOptions(check=0)


def classifier(model: str = "cnn") -> Checkpoint:
    network = fresh_network(model, "classifier", SHAPE, 3, {}, 0)
    return Checkpoint("classifier", model, SHAPE, 3, NAMES, Preprocess.identity(SHAPE), network)


@pytest.fixture(scope="module")
def net() -> Checkpoint:
    return classifier()


@pytest.fixture
def folder(net: Checkpoint, tmp_path: Path) -> str:
    """A run of a small network that has learned nothing."""
    net.save(tmp_path / "run" / "checkpoint")
    return str(tmp_path / "run")


@pytest.fixture
def few(blobs: ImageSet, tmp_path: Path) -> tuple[str, ImageSet]:
    """Nine labelled pictures as an `.npz`, and as they are."""
    images = blobs.take(range(9))
    return str(save_npz(tmp_path / "few.npz", images)), images


def options(tmp_path: Path, **changes) -> RunOptions:
    return RunOptions(out=tmp_path / "why", **changes)


def test_every_picture_gets_its_raw_map_and_an_overlay(folder, few, net, tmp_path):
    result = explain_run(folder, [few[0]], options(tmp_path), UNCHECKED)
    expected = explain(net, few[1].images).maps
    for row, found in enumerate(result.found.explanations):
        values = np.load(tmp_path / "why" / found.map)
        assert values.dtype == np.float32
        assert np.allclose(values, expected[row], atol=1e-5)
        with Image.open(tmp_path / "why" / found.overlay) as drawn:
            assert min(drawn.size) >= 160
    assert {path.name for path in (tmp_path / "why").iterdir()} == {
        "contact-sheet.png",
        "explanations.json",
        "explanations.parquet",
        "maps",
        "overlays",
        "report.html",
    }


def test_readings_labels_and_files_stand_in_both_tables(folder, few, net, tmp_path):
    result = explain_run(folder, [few[0]], options(tmp_path), UNCHECKED)
    probs, (_, images) = pred_probs(net, few[1].images), few
    table = pd.read_parquet(tmp_path / "why" / "explanations.parquet")
    for row, found in enumerate(result.found.explanations):
        order = np.argsort(-probs[row])
        assert [guess.label for guess in found.top] == [NAMES[label] for label in order]
        assert found.top[0].probability == pytest.approx(probs[row].max(), abs=1e-4)
        assert found.true_label == table["true_label"][row] == NAMES[images.require_labels()[row]]
        assert found.right == (order[0] == images.require_labels()[row])
        assert table["label_1"][row] == found.top[0].label
    assert json.loads((tmp_path / "why" / "explanations.json").read_text()) == as_json(result)


def test_nothing_is_scored_and_no_touch_of_test_pictures_is_recorded(folder, few, tmp_path):
    result = explain_run(folder, [few[0]], options(tmp_path), UNCHECKED)
    assert "accuracy" not in as_json(result)
    assert any("read, not scored" in note for note in result.notes)
    assert not Path(folder, "evaluations.jsonl").exists()


def test_wrong_readings_stand_on_the_page_the_most_confident_first(folder, few, net, tmp_path):
    path, images = few
    probs = pred_probs(net, images.images)
    wrong = np.flatnonzero(probs.argmax(axis=1) != images.require_labels())
    assert len(wrong) > 1
    result = explain_run(folder, [path], options(tmp_path), UNCHECKED)
    assert as_json(result)["wrong"] == len(wrong)
    page = (tmp_path / "why" / "report.html").read_text()
    section = page[page.index('<h2 id="where-it-looked-when-it-was-wrong"') :]
    section = section[: section.index("</section>")]
    order = wrong[np.argsort(-probs[wrong].max(axis=1), kind="stable")]
    places = [section.index(f'aria-label="{result.found.explanations[row].id}:') for row in order]
    assert places == sorted(places)


def test_pictures_without_labels_have_no_section_of_wrong_ones(folder, few, tmp_path):
    images = few[1]
    np.savez(tmp_path / "bare.npz", images=images.images)
    result = explain_run(folder, [str(tmp_path / "bare.npz")], options(tmp_path), UNCHECKED)
    assert as_json(result)["wrong"] is None
    assert {one.true_label for one in result.found.explanations} == {None}
    assert "when it was wrong" not in (tmp_path / "why" / "report.html").read_text()


def test_pictures_of_the_training_are_marked(folder, few, tmp_path):
    path, images = few
    write_seen(Path(folder), images.take([2, 5]))
    result = explain_run(folder, [path], options(tmp_path), UNCHECKED)
    assert [row for row, one in enumerate(result.found.explanations) if one.seen_in_training] == [2, 5]
    assert "seen in training" in (tmp_path / "why" / "report.html").read_text()


def test_a_class_that_is_asked_for_is_explained_on_every_picture(folder, few, net, tmp_path):
    explain_options = dataclasses.replace(UNCHECKED, target="middle")
    result = explain_run(folder, [few[0]], options(tmp_path), explain_options)
    assert {one.target for one in result.found.explanations} == {"middle"}
    expected = explain(net, few[1].images, targets=np.ones(9, dtype=np.int64)).maps
    assert np.allclose(np.load(tmp_path / "why" / result.found.explanations[4].map), expected[4], atol=1e-5)


def test_the_check_is_in_the_result_and_on_the_page(folder, few, tmp_path):
    result = explain_run(folder, [few[0]], options(tmp_path), ExplainOptions(check=3))
    assert result.check.faithfulness.n == 3
    assert result.check.randomisation.rows[-1].part == "all weights"
    page = (tmp_path / "why" / "report.html").read_text()
    assert "Areas under the curves, n = 3 pictures" in page
    assert any(line.startswith("deletion") for line in explain_lines(result))


def test_without_a_check_the_page_says_so(folder, few, tmp_path):
    explain_run(folder, [few[0]], options(tmp_path), UNCHECKED)
    assert "This was not checked." in (tmp_path / "why" / "report.html").read_text()


def test_a_limit_draws_by_the_seed_and_says_so(folder, few, tmp_path):
    explain_options = dataclasses.replace(UNCHECKED, limit=4)
    results = [
        explain_run(folder, [few[0]], options(tmp_path, seed=seed), explain_options) for seed in (1, 1, 2)
    ]
    drawn = [[one.id for one in result.found.explanations] for result in results]
    assert len(drawn[0]) == 4
    assert drawn[0] == drawn[1] != drawn[2]
    assert "4 of 9 pictures" in (tmp_path / "why" / "report.html").read_text()


def test_files_of_an_earlier_explanation_go_and_others_stay(folder, few, tmp_path):
    explain_run(folder, [few[0]], options(tmp_path), UNCHECKED)
    (tmp_path / "why" / "overlays" / "mine.txt").write_text("kept")
    explain_run(folder, [few[0]], options(tmp_path), dataclasses.replace(UNCHECKED, limit=2))
    assert len(list((tmp_path / "why" / "overlays").iterdir())) == 3
    assert len(list((tmp_path / "why" / "maps").iterdir())) == 2


def test_files_of_an_interrupted_explanation_go_with_the_next(folder, few, tmp_path):
    def stopped(label: str, done: int, total: int, detail: str = "") -> None:
        if label == "explaining":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explain_run(folder, [few[0]], options(tmp_path, report=stopped), UNCHECKED)
    assert len([*(tmp_path / "why" / "maps").iterdir()]) == 9
    explain_run(folder, [few[0]], options(tmp_path), ExplainOptions(check=0, limit=2))
    assert (
        len([*(tmp_path / "why" / "maps").iterdir()])
        == len([*(tmp_path / "why" / "overlays").iterdir()])
        == 2
    )
    assert not [path for path in (tmp_path / "why").iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("name", "what"), [("run.json", "holds a run"), ("report.html", "holds the report of something else")]
)
def test_the_report_of_another_verb_is_not_written_over(folder, few, tmp_path, name, what):
    (tmp_path / "why").mkdir()
    (tmp_path / "why" / name).write_text("{}")
    with pytest.raises(CheckpointError, match=what):
        explain_run(folder, [few[0]], options(tmp_path), UNCHECKED)
    assert [(path.name, path.read_text()) for path in (tmp_path / "why").iterdir()] == [(name, "{}")]


def test_a_broken_picture_is_named_and_the_others_go_on(folder, few, tmp_path):
    (tmp_path / "mixed").mkdir()
    Image.fromarray(few[1].images[0, ..., 0]).save(tmp_path / "mixed" / "good.png")
    (tmp_path / "mixed" / "bad.png").write_bytes(b"no picture")
    result = explain_run(folder, [str(tmp_path / "mixed")], options(tmp_path), UNCHECKED)
    assert len(result.found.predicted) == 1
    assert [Path(one.path).name for one in result.unreadable] == ["bad.png"]
    assert "bad.png" in (tmp_path / "why" / "report.html").read_text()


def test_several_sources_are_read_without_labels(folder, few, tmp_path):
    Image.fromarray(few[1].images[0, ..., 0]).save(tmp_path / "one.png")
    result = explain_run(folder, [str(tmp_path / "one.png"), few[0]], options(tmp_path), UNCHECKED)
    assert (as_json(result)["n"], as_json(result)["labelled"]) == (10, False)
    assert any("several sources" in note for note in result.notes)


def test_without_a_folder_the_result_lies_in_the_run(folder, few):
    result = explain_run(
        folder, [few[0]], RunOptions(), dataclasses.replace(UNCHECKED, method="integrated-gradients")
    )
    assert result.found.out == Path(folder, "explained", "integrated-gradients")
    assert result.found.signed


def test_features_writes_the_maps_of_every_layer(folder, few, tmp_path):
    result = explain_run(folder, [few[0]], options(tmp_path), ExplainOptions("features"))
    kept = np.load(tmp_path / "why" / result.found.explanations[0].map)
    assert tuple(kept) == result.layers
    assert all(kept[name].ndim == 3 for name in kept)
    assert (tmp_path / "why" / result.found.explanations[8].figure).is_file()
    page = (tmp_path / "why" / "report.html").read_text()
    assert "Two pictures side by side" in page
    assert "8 of 9 pictures" in page


def test_what_an_enhancer_changed_is_shown(net, few, tmp_path):
    network = fresh_network("autoencoder", "restorer", SHAPE, 0, {}, 0)
    enhancer = Checkpoint("restorer", "autoencoder", SHAPE, 0, (), Preprocess.identity(SHAPE), network)
    both = prepend_enhancer(enhancer, net)
    both.save(tmp_path / "both" / "checkpoint")
    result = explain_run(str(tmp_path / "both"), [few[0]], options(tmp_path), UNCHECKED)
    before, after = pred_probs(net, few[1].images), pred_probs(both, few[1].images)
    assert result.enhancer.changed == int((before.argmax(axis=1) != after.argmax(axis=1)).sum())
    first = result.enhancer.tops[0]
    assert first.before[0][1] == pytest.approx(before[0].max(), abs=1e-4)
    assert first.after[0][1] == pytest.approx(after[0].max(), abs=1e-4)
    assert "What the enhancer changed" in (tmp_path / "why" / "report.html").read_text()


# ---- what is refused, before any picture is read


@pytest.mark.parametrize(
    "explain_options, kind, part",
    [
        (ExplainOptions("grad-camm"), UnknownName, "Did you mean grad-cam"),
        (ExplainOptions(layer="no-such"), SettingsError, "no-such"),
        (ExplainOptions("features", layer="no-such"), SettingsError, "no-such"),
        (ExplainOptions("occlusion", layer="conv1"), SettingsError, "layer"),
        (ExplainOptions(target="up"), UnknownName, "unknown class 'up'"),
        (ExplainOptions(settings=("windows=3",)), UnknownName, "Did you mean window"),
        (ExplainOptions("features", check=3), SettingsError, "`check` says nothing"),
        (ExplainOptions(check=-1), SettingsError, "check -1"),
    ],
)
def test_wishes_that_cannot_be(folder, explain_options, kind, part, tmp_path):
    with pytest.raises(kind, match=part):
        explain_run(folder, ["no-such-pictures"], options(tmp_path), explain_options)
    assert not (tmp_path / "why").exists()


def test_a_forest_has_no_gradients_but_can_be_covered(blobs, few, tmp_path):
    fit(blobs, blobs, model="random-forest", config={"trees": 5}).save(tmp_path / "forest" / "checkpoint")
    with pytest.raises(CheckpointError, match="occlusion"):
        explain_run(str(tmp_path / "forest"), [few[0]], options(tmp_path), UNCHECKED)
    explain_options = ExplainOptions("occlusion", check=1, limit=2, settings=("window=6", "stride=6"))
    result = explain_run(str(tmp_path / "forest"), [few[0]], options(tmp_path), explain_options)
    assert result.check.randomisation.verdict == "could not run"


def test_the_run_itself_is_not_written_over(folder, few):
    with pytest.raises(CheckpointError, match="is the run itself"):
        explain_run(folder, [few[0]], RunOptions(out=Path(folder)), UNCHECKED)


def test_a_folder_without_a_checkpoint_is_named(few, tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint in"):
        explain_run(str(tmp_path), [few[0]], options(tmp_path), UNCHECKED)


def test_the_settings_reach_the_method(folder, few, net, tmp_path):
    result = explain_run(
        folder,
        [few[0]],
        options(tmp_path),
        ExplainOptions("occlusion", check=0, settings=("window=4", "stride=4")),
    )
    expected = explain(
        net, few[1].images, method="occlusion", settings=ExplainSettings(window=4, stride=4)
    ).maps
    assert np.allclose(np.load(tmp_path / "why" / result.found.explanations[1].map), expected[1], atol=1e-5)


@pytest.mark.parametrize("method", ["grad-cam", "occlusion"])
def test_maps_that_show_nothing_are_counted_said_and_not_coloured(folder, blobs, tmp_path, method):
    grey = np.full((2, *SHAPE), 90, dtype=np.uint8)
    given = ImageSet(np.concatenate([blobs.images[:2], grey]), NAMES, np.array([0, 1, 2, 0]))
    source = str(save_npz(tmp_path / "given.npz", given))
    network = load_checkpoint(folder)
    with torch.no_grad():
        # An untrained network hardly reads its pictures; this one does.
        [*network.torch_network.parameters()][-2].mul_(20)
    network.save(Path(tmp_path, "loud", "checkpoint"))
    result = explain_run(
        str(tmp_path / "loud"), [source], options(tmp_path), dataclasses.replace(UNCHECKED, method=method)
    )
    shown = as_json(result)
    assert [one["flat"] for one in shown["explanations"]] == [False, False, True, True]
    assert shown["flat_maps"] == 2
    assert any(note.startswith("2 of 4 maps are flat and not coloured") for note in shown["notes"])
    assert "flat       2 of 4 maps show nothing and are not coloured" in explain_lines(result)
    drawn = np.asarray(Image.open(result.found.out / shown["explanations"][2]["overlay"]))
    assert len(np.unique(drawn.reshape(-1, drawn.shape[-1]), axis=0)) == 1
    assert FLAT_MAP in (result.found.out / "report.html").read_text()
