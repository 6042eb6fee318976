"""Enhancing with a run: whose pictures are learnt from, what is kept and what refused, leaks in plain sight,
other classifiers.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from lightfast.base.errors import CheckpointError
from lightfast.base.plain import as_json
from lightfast.cli.text.enhance import enhance_lines
from lightfast.data.export import save_npz
from lightfast.data.images import ImageSet
from lightfast.data.splits import split
from lightfast.evaluate.compare import mcnemar
from lightfast.evaluate.predict import predict
from lightfast.evaluate.predictions import Predictions
from lightfast.models.enhanced import split_enhanced
from lightfast.models.infer import predict_logits
from lightfast.models.load import load_checkpoint
from lightfast.restore.enhance import weights_digest
from lightfast.restore.refit import refit_classifier
from lightfast.runs.enhance import enhance as module
from lightfast.runs.enhance.enhance import _loaded, enhance_run
from lightfast.runs.enhance.options import EnhanceOptions
from lightfast.runs.folder import without_seen, write_seen
from lightfast.runs.options import RunOptions

QUICK = (
    "epochs=8",
    "batch_size=16",
    "learning_rate=0.02",
    "augment=none",
    "enhancer.width=4",
    "enhancer.depth=1",
    "plan.clean_share=0.8",
    "averaging=0",
)
BRIEF = ("epochs=1", "enhancer.width=2", "enhancer.depth=1")
ONE = (0.1,)


@pytest.fixture(scope="module")
def bent(run: Path, blobs: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared run with a classifier that takes far too much for the first class:
    an enhancer can help it.
    """
    folder = Path(shutil.copytree(run, tmp_path_factory.mktemp("bent") / "run"))
    classifier = load_checkpoint(folder)
    logits = predict_logits(classifier.replace(temperature=1.0), blobs.images)[np.arange(120) % 3 != 0]
    last = [part for part in classifier.torch_network.modules() if isinstance(part, torch.nn.Linear)][-1]
    with torch.no_grad():
        last.bias[0] += float(np.quantile(logits[:, 1:].max(axis=1) - logits[:, 0], 0.9))
    classifier.save(folder / "checkpoint")
    return folder


@pytest.fixture(scope="module")
def accepted(bent: Path, run: Path, blob_file: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An enhancer that helps, also tried before the unbent run, and beside the leaking protocol."""
    folder = tmp_path_factory.mktemp("enhanced") / "accepted"
    # The seed of the verb must not matter: DATA is what the run was trained on, and its own split is taken.
    enhance_options = EnhanceOptions(strengths=ONE, settings=QUICK, transfer=(str(run),), protocol="full")
    made = enhance_run(str(bent), blob_file, RunOptions(out=folder, seed=5), enhance_options=enhance_options)
    assert made.accepted, made.reason
    return folder


def told(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


# ---- what is learnt from, and what is tested on


def test_the_split_of_the_run_is_taken_and_its_test_part_is_read(accepted: Path, blobs: ImageSet):
    parts, metrics, record = (
        split(blobs, seed=0),
        told(accepted),
        json.loads((accepted / "run.json").read_text()),
    )
    assert (metrics["data_version"], metrics["test_version"]) == (parts.train.version, parts.test.version)
    assert metrics["parts"] == {"train": len(parts.train), "val": len(parts.val), "test": len(parts.test)}
    assert (record["split_seed"], record["seed"], record["own_split"], record["made_by"]) == (
        0,
        5,
        True,
        "enhance",
    )
    assert metrics["touched_before"] >= 1  # by the training of the run


def test_no_test_picture_is_learnt_from_or_chosen_by(bent, blob_file, blobs, tmp_path, monkeypatch):
    given: list[set[str]] = []
    real = module.fit_enhancer

    def noted(classifier, train, val, **more):
        given.append({*train.content_hashes, *val.content_hashes})
        return real(classifier, train, val, **more)

    monkeypatch.setattr(module, "fit_enhancer", noted)
    for protocol in ("honest", "full"):
        enhance_options = EnhanceOptions(strengths=ONE, settings=BRIEF, degrade="none", protocol=protocol)
        enhance_run(
            str(bent), blob_file, RunOptions(out=tmp_path / protocol), enhance_options=enhance_options
        )
    test = set(split(blobs).test.content_hashes)
    assert [bool(one & test) for one in given] == [False, False, True]
    assert test <= given[2]


def test_of_other_data_what_the_run_has_seen_is_not_tested_on(bent, blobs, tmp_path):
    rng = np.random.default_rng(9)
    fresh = np.clip(blobs.images.astype(int) + rng.integers(-20, 20, blobs.images.shape), 0, 255).astype(
        np.uint8
    )
    both = ImageSet(
        np.concatenate([blobs.images, fresh]), blobs.class_names, np.tile(np.arange(120) % 3, 2), name="more"
    )
    source = str(save_npz(tmp_path / "more.npz", both))
    metrics = as_json(
        enhance_run(
            str(bent),
            source,
            RunOptions(out=tmp_path / "out"),
            enhance_options=EnhanceOptions(strengths=ONE, settings=BRIEF, degrade="none", gate="off"),
        )
    )
    parts = split(both)
    free = [len(without_seen(bent, part)[0]) for part in (parts.val, parts.test)]
    assert free != [len(parts.val), len(parts.test)]
    assert [metrics["parts"]["val"], metrics["parts"]["test"]] == free
    assert sum("were left out" in note for note in metrics["notes"]) == 2
    seen = set(np.load(tmp_path / "out" / "seen.npy"))
    assert set(np.load(bent / "seen.npy")) <= seen
    assert len(seen) > len(np.load(bent / "seen.npy"))


def test_a_limit_holds_for_each_part(run, blob_file, tmp_path):
    enhance_options = EnhanceOptions(strengths=ONE, settings=BRIEF, degrade="none", limit=10)
    metrics = as_json(
        enhance_run(str(run), blob_file, RunOptions(out=tmp_path / "out"), enhance_options=enhance_options)
    )
    assert metrics["parts"] == {"train": 10, "val": 10, "test": 10}
    assert metrics["n"] == 10


# ---- what is kept


def test_a_passed_gate_leaves_a_whole_run_folder(accepted: Path, run: Path):
    wanted = {
        "checkpoint",
        "run.json",
        "seen.npy",
        "recipe.json",
        "history.jsonl",
        "predictions.parquet",
        "val_predictions.parquet",
        "metrics.json",
        "report.html",
    }
    assert wanted <= {path.name for path in accepted.iterdir()}
    assert set(told(run)) <= set(told(accepted))
    assert {"enhancer", "gate", "before", "paired", "transfer", "leak"} <= set(told(accepted))
    assert json.loads((accepted / "recipe.json").read_text())["epochs"] == 8
    assert len((accepted / "history.jsonl").read_text().splitlines()) == 8


def test_the_classifier_inside_is_the_one_of_the_run_bit_for_bit(accepted: Path, bent: Path):
    behind, alone = split_enhanced(load_checkpoint(accepted))[1], load_checkpoint(bent)
    assert weights_digest(behind.torch_network) == weights_digest(alone.torch_network)


def test_the_figures_are_those_of_both_readings_of_the_test_pictures(
    accepted: Path, bent: Path, blobs: ImageSet
):
    test, metrics = split(blobs).test, told(accepted)
    before, after = predict(load_checkpoint(bent), test), predict(load_checkpoint(accepted), test)
    expected = mcnemar(before.correct, after.correct)
    assert (metrics["before"]["accuracy"], metrics["accuracy"]) == (
        expected.before_accuracy,
        expected.after_accuracy,
    )
    assert metrics["paired"]["difference_interval"] == pytest.approx(list(expected.difference_interval))
    assert metrics["paired"]["p_value"] == pytest.approx(expected.p_value)
    np.testing.assert_allclose(
        Predictions.load(accepted / "predictions.parquet").pred_probs, after.pred_probs, atol=1e-6
    )


def test_every_kind_of_damage_is_measured_on_all_test_pictures(accepted: Path, blobs: ImageSet):
    metrics, n = told(accepted), len(split(blobs).test)
    assert set(metrics["by_kind"]) == {"gaussian_noise", "gaussian_blur", "contrast", "jpeg_compression"}
    assert {test["n"] for test in (metrics["degraded"], *metrics["by_kind"].values())} == {n}
    assert metrics["gate"]["degraded"]["n"] == len(split(blobs).val)


def test_what_is_refused_has_no_checkpoint_but_tells_why_and_how_to_keep_it(refused: Path):
    metrics = told(refused)
    assert not (refused / "checkpoint").exists()
    assert {"report.html", "metrics.json", "refused"} <= {path.name for path in refused.iterdir()}
    assert "a gain is not shown" in metrics["reason"]
    assert (metrics["degraded"], metrics["by_kind"], metrics["suite"]) == (None, {}, None)
    with pytest.raises(CheckpointError, match="gate refused"):
        load_checkpoint(refused)
    said = "\n".join(enhance_lines(_loaded(refused)))
    assert "REFUSED" in said
    assert f"--use {refused} --gate off" in said


def test_a_refused_enhancer_is_kept_with_the_gate_off_without_learning_again(
    refused, run, blob_file, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "fit_enhancer", None)
    enhance_options = EnhanceOptions(use=str(refused), gate="off")
    metrics = as_json(
        enhance_run(str(run), blob_file, RunOptions(out=tmp_path / "kept"), enhance_options=enhance_options)
    )
    assert metrics["accepted"]
    assert metrics["refit"] is None
    enhancer = split_enhanced(load_checkpoint(tmp_path / "kept"))[0]
    assert weights_digest(enhancer.torch_network) == weights_digest(
        load_checkpoint(refused / "refused").torch_network
    )


def test_an_enhancer_is_used_before_another_classifier_under_the_same_gate(
    accepted, run, blob_file, tmp_path
):
    metrics = as_json(
        enhance_run(
            str(run),
            blob_file,
            RunOptions(out=tmp_path / "out"),
            enhance_options=EnhanceOptions(use=str(accepted)),
        )
    )
    assert (metrics["accepted"], metrics["suite"]) == (False, "camera")
    assert metrics["before"]["accuracy"] == told(run)["accuracy"]


def test_an_enhanced_run_can_be_enhanced_again(accepted, blob_file, tmp_path):
    enhance_options = EnhanceOptions(strengths=ONE, settings=BRIEF, degrade="none", gate="off")
    metrics = as_json(
        enhance_run(
            str(accepted), blob_file, RunOptions(out=tmp_path / "twice"), enhance_options=enhance_options
        )
    )
    assert metrics["before"]["accuracy"] == told(accepted)["accuracy"]
    assert split_enhanced(load_checkpoint(tmp_path / "twice"))[1].model == "enhanced"


# ---- leaks and other classifiers


def test_every_figure_of_the_full_protocol_is_marked_and_the_honest_one_stands_beside_it(accepted: Path):
    metrics = told(accepted)
    leak = metrics["leak"]
    assert all(one["leak"] for one in (leak, leak["clean"], leak["degraded"], *leak["by_kind"].values()))
    assert leak["honest"]["clean"] == metrics["paired"]
    assert not any(
        one["leak"] for one in (metrics["paired"], metrics["degraded"], *metrics["by_kind"].values())
    )
    lines = [line for line in enhance_lines(_loaded(accepted)) if "LEAK" in line]
    assert [line.split(":")[0] for line in lines] == ["LEAK", "LEAK clean", "LEAK degraded"]
    assert all("honest" in line for line in lines[1:])
    page = (accepted / "report.html").read_text()
    assert page.count("LEAK +") + page.count("LEAK −") + page.count("LEAK 0.00") >= 6


def test_the_saved_enhancer_is_the_honest_one(accepted, bent, blob_file, tmp_path):
    honest = EnhanceOptions(strengths=ONE, settings=QUICK)
    enhance_run(str(bent), blob_file, RunOptions(out=tmp_path / "honest", seed=5), enhance_options=honest)
    first, second = (split_enhanced(load_checkpoint(folder))[0] for folder in (accepted, tmp_path / "honest"))
    assert weights_digest(first.torch_network) == weights_digest(second.torch_network)
    assert told(tmp_path / "honest")["leak"] is None


def test_a_transfer_is_told_as_a_share_of_the_own_gain(accepted: Path, run: Path):
    row, metrics = told(accepted)["transfer"][0], told(accepted)
    assert (row["name"], row["model"], row["left_out"]) == (run.name, "mlp", 0)
    assert row["clean"]["before_accuracy"] == told(run)["accuracy"]
    assert row["clean_kept"] == pytest.approx(row["clean"]["difference"] / metrics["paired"]["difference"])


def test_what_a_stranger_was_trained_on_is_not_counted_for_it(bent, run, blobs, blob_file, tmp_path):
    other = split(blobs, seed=3)
    load_checkpoint(run).save(tmp_path / "other" / "checkpoint")
    write_seen(tmp_path / "other", other.train, other.val)
    metrics = as_json(
        enhance_run(
            str(bent),
            blob_file,
            RunOptions(out=tmp_path / "out"),
            enhance_options=EnhanceOptions(
                strengths=ONE, settings=BRIEF, degrade="none", transfer=(str(tmp_path / "other"),)
            ),
        )
    )
    free = set(split(blobs).test.content_hashes) & set(other.test.content_hashes)
    row = metrics["transfer"][0]
    assert 0 < row["clean"]["n"] == len(free) < metrics["n"]
    assert row["left_out"] == metrics["n"] - len(free)


# ---- where the classifier may be trained


def test_the_control_learns_on_the_enhancers_pictures_and_reads_the_same_test_pictures(
    accepted: Path, bent: Path, blobs: ImageSet
):
    parts, refit = split(blobs, seed=0), told(accepted)["refit"]
    mix = EnhanceOptions().measured
    sides = (parts.train, parts.val)
    again = refit_classifier(load_checkpoint(bent), sides, dataclasses.replace(mix, clean_share=0.8), seed=5)
    assert (refit["pictures"], refit["damaged"], refit["reason"]) == (len(parts.train), True, "")
    assert refit["clean"]["after_accuracy"] == predict(again, parts.test).correct.mean()
    assert refit["clean"]["before_accuracy"] == told(accepted)["accuracy"]
    assert refit["degraded"]["n"] == len(parts.test)


def test_terminal_and_page_say_what_retraining_gives(accepted: Path):
    sentence = _loaded(accepted).refit.sentence()
    assert sentence.startswith("If you may retrain: without any enhancer")
    assert sentence in enhance_lines(_loaded(accepted))
    page = (accepted / "report.html").read_text()
    assert "If you may retrain</h2>" in page
    assert "without any enhancer, the classifier with its last layer fitted anew" in page


# ---- resuming


def test_a_finished_run_comes_back_as_it_is_and_another_wish_is_refused(refused, run, blob_file):
    enhance_options = EnhanceOptions(strengths=ONE, settings=BRIEF, degrade="none")
    again = enhance_run(
        str(run), blob_file, RunOptions(out=refused, resume=True), enhance_options=enhance_options
    )
    assert as_json(again) == told(refused)
    assert "REFUSED" in enhance_lines(again)[0]
    with pytest.raises(CheckpointError, match="already holds a run"):
        enhance_run(str(run), blob_file, RunOptions(out=refused), enhance_options=enhance_options)
    with pytest.raises(CheckpointError, match="another config"):
        enhance_run(
            str(run),
            blob_file,
            RunOptions(out=refused, resume=True),
            enhance_options=dataclasses.replace(enhance_options, gate="off"),
        )


def test_an_interrupted_run_ends_like_one_that_ran_through(bent, blob_file, tmp_path):
    enhance_options = EnhanceOptions(
        strengths=(0.1, 1.0), settings=(*BRIEF, "epochs=2", "plan.trial_epochs=1"), gate="off", degrade="none"
    )

    def interrupt(label: str, done: int, total: int, detail: str = "") -> None:
        if label == "enhancer" and done >= 1000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        enhance_run(
            str(bent),
            blob_file,
            RunOptions(out=tmp_path / "a", report=interrupt),
            enhance_options=enhance_options,
        )
    resumed = as_json(
        enhance_run(
            str(bent), blob_file, RunOptions(out=tmp_path / "a", resume=True), enhance_options=enhance_options
        )
    )
    through = as_json(
        enhance_run(str(bent), blob_file, RunOptions(out=tmp_path / "b"), enhance_options=enhance_options)
    )
    own = ("seconds", "run", "recipe", "touched_before")
    assert {key: resumed[key] for key in resumed if key not in own} == {
        key: through[key] for key in through if key not in own
    }


# ---- the page


def test_the_page_gives_the_verdict_first(accepted: Path, refused: Path):
    for folder, said in (
        (accepted, "Accepted: accuracy changes by"),
        (refused, "Refused: accuracy changes by"),
    ):
        page = (folder / "report.html").read_text()
        assert 0 < page.index(said) < page.index("Without and with the enhancer</h2>")
        assert str(folder.parent) not in page
