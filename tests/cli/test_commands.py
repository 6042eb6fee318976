"""Every command does its work: what it prints, what it writes, one JSON object where that was asked for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from lightfast.corrupt.suite import CORRUPTIONS

# ---- data and corrupt


def test_data_list_says_what_is_here(type_in, tmp_path, blobs):
    (tmp_path / "data-sets").mkdir()
    np.savez(tmp_path / "data-sets" / "mine.npz", **blobs(8))
    said = type_in("data list --json").json
    assert said["others"] == ["mine"]
    assert {row["name"]: row["available"] for row in said["data_sets"]}["mnist-5k"] == "embedded"
    assert "mine" in type_in("data list").out


def test_data_list_shows_no_unpacked_archive(type_in, tmp_path, write_folder, monkeypatch):
    for name in ("LIGHTFAST_DATA", "LIGHTFAST_CACHE"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    write_folder(tmp_path / "pile", {"cat": 12, "dog": 12})
    shutil.make_archive(str(tmp_path / "pile"), "zip", tmp_path / "pile")
    assert type_in("data check pile.zip --json").json["n"] == 24
    assert type_in("data list --json").json["others"] == []


def test_data_check_names_what_it_cannot_read(type_in, tmp_path, write_folder):
    write_folder(tmp_path / "pile", {"cat": 12, "dog": 12})
    (tmp_path / "pile" / "cat" / "broken.png").write_bytes(b"no picture")
    assert "broken.png" in type_in("data check pile").out
    report = type_in("data check pile --json").json
    assert (report["n"], [Path(one["path"]).name for one in report["unreadable"]]) == (24, ["broken.png"])


def test_fetching_what_a_package_carries_downloads_nothing(type_in):
    said = type_in("data fetch mnist-5k --json").json
    assert said == {"name": "mnist-5k", "path": None, "parts": {"train": 5000}}


def test_corrupt_writes_the_same_bytes_for_the_same_seed(type_in, blobs_npz):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert (
            type_in(f"corrupt blobs.npz --name shot_noise --severity 4 --seed {seed} --out {name}.npz").code
            == 0
        )
    first, second, third = (np.load(f"{name}.npz")["images"] for name in "abc")
    assert np.array_equal(first, second)
    assert not np.array_equal(first, third)


def test_corrupt_keeps_labels_and_number(type_in, blobs_npz):
    assert type_in("corrupt blobs.npz --name fog --limit 30 --out foggy").code == 0
    assert len(list(Path("foggy").glob("*/*.png"))) == 30
    assert type_in("data check foggy --json").json["classes"].keys() == {"dark", "light"}


def test_corrupt_by_a_suite_writes_a_folder_a_kind(type_in, blobs_npz):
    written = type_in("corrupt blobs.npz --suite mnist-c --limit 4 --out all --json").json["written"]
    assert len(written) == 15
    assert sorted(path.name for path in Path("all").iterdir()) == sorted(
        f"{row['corruption']}-{row['severity']}" for row in written
    )


def test_corrupt_does_not_write_over_a_full_folder(type_in, blobs_npz, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    assert "holds something already" in type_in("corrupt blobs.npz --name fog --out full").line()


def test_corrupt_lists_every_corruption(type_in):
    assert {row["name"] for row in type_in("corrupt --list --json").json["corruptions"]} == set(
        CORRUPTIONS.names()
    )
    assert "zigzag" in type_in("corrupt --list").out


# ---- train, predict, evaluate, repair


def test_train_writes_a_whole_run_folder(run):
    wanted = {
        "checkpoint",
        "recipe.json",
        "history.jsonl",
        "predictions.parquet",
        "metrics.json",
        "report.html",
    }
    assert wanted <= {path.name for path in run.iterdir()}
    assert json.loads((run / "recipe.json").read_text())["epochs"] == 2


def test_metrics_carry_n_seed_and_interval(run):
    metrics = json.loads((run / "metrics.json").read_text())
    low, high = metrics["accuracy_interval"]
    assert low <= metrics["accuracy"] <= high
    assert {"macro_f1", "per_class", "seed", "n"} <= set(metrics)


def test_train_prints_one_json_object_equal_to_its_metrics(type_in, blobs_npz, small):
    said = type_in(f"train blobs.npz --out run {small} --json --seed 3")
    assert said.json == json.loads(Path("run/metrics.json").read_text())
    assert said.json["seed"] == 3


def test_train_without_a_model_takes_the_small_cnn_for_what_is_no_photograph(type_in, tmp_path, blobs):
    np.savez(tmp_path / "blobs.npz", **blobs(60))
    said = type_in("train blobs.npz --out run --set epochs=1 --json").json
    assert said["model"] == "cnn"
    assert any("no photographs" in note for note in said["notes"])


def test_train_does_not_write_over_a_run(run, type_in, blobs_npz, small):
    assert "--resume" in type_in(f"train blobs.npz --out {run} {small}").line()


def test_predict_prints_one_row_a_picture(run, type_in, blobs_npz):
    rows = type_in(f"predict {run} blobs.npz --top 2 --format csv").out.splitlines()
    # Most of them are training pictures, and the last column says so.
    assert rows[0] == "id,predicted_label,confidence,label_2,prob_2,seen"
    assert len(rows) == 81


def test_predict_prints_json(run, type_in, blobs_npz):
    said = type_in(f"predict {run} blobs.npz --json").json
    assert (said["n"], said["seed"], said["class_names"], said["unreadable"]) == (
        80,
        0,
        ["dark", "light"],
        [],
    )
    again = type_in(f"predict {run} blobs.npz --format json").json
    assert again["predictions"] == said["predictions"]
    assert {"id", "predicted_label", "confidence"} <= said["predictions"][0].keys()


def test_predict_writes_a_file(run, type_in, blobs_npz):
    from lightfast.evaluate.predictions import Predictions

    assert type_in(f"predict {run} blobs.npz --format parquet --out p.parquet").code == 0
    assert len(Predictions.load("p.parquet")) == 80


def test_predict_names_the_unreadable_and_goes_on(run, type_in, tmp_path, write_folder):
    write_folder(tmp_path / "pile", {"any": 3})
    (tmp_path / "pile" / "torn.jpg").write_bytes(b"torn")
    said = type_in(f"predict {run} pile")
    assert said.code == 0
    assert len(said.out.splitlines()) == 4
    assert "torn.jpg" in said.err


def test_predict_of_nothing_readable_is_bad_input(run, type_in, tmp_path):
    (tmp_path / "torn.jpg").write_bytes(b"torn")
    said = type_in(f"predict {run} torn.jpg")
    assert said.code == 2
    assert "torn.jpg" in said.line()


def test_evaluate_leaves_out_what_the_run_was_trained_on(run, type_in, tmp_path, blobs_npz):
    said = type_in(f"evaluate {run} blobs.npz --json").json
    assert said["n"] == json.loads((run / "metrics.json").read_text())["n"]
    assert any("left out" in note for note in said["notes"])


def test_evaluate_under_a_suite_prints_a_row_a_damage(run, type_in, tmp_path, blobs):
    np.savez(tmp_path / "new.npz", **blobs(40, seed=9))
    said = type_in(f"evaluate {run} new.npz --corruptions mnist-c --limit 10 --out card")
    assert said.code == 0, said.err
    assert all(name in said.out for name in ("zigzag", "mean under mnist-c", "card/report.html"))
    assert Path("card/report.html").is_file()


@pytest.mark.slow
def test_repair_reads_again_and_queues_the_doubtful(tmp_path, type_in, blobs):
    np.savez(tmp_path / "blobs.npz", **blobs(60))
    np.savez(tmp_path / "new.npz", **blobs(30, seed=9))
    assert type_in("train blobs.npz --out run --model cnn --set epochs=2 --set model.widths=[4,8]").code == 0
    said = type_in("repair run new.npz --damage mnist-c --out done --json")
    assert said.code == 0, said.err
    assert said.json["before"]["n"] == said.json["n"] == 30
    assert Path("done/queue.csv").is_file()


# ---- studies


@pytest.fixture
def asked(monkeypatch):
    """Puts a study that only answers in the place of the real ones;
    the options that it was given are returned.
    """
    from lightfast.report.page import Table
    from lightfast.studies import registry, run

    given = []

    def answer(options):
        given.append(options)
        table = Table(("row", "paper", "ours"), (("clean", "99.00 %", "99.3 %"),))
        return registry.StudyResult("A study", (table,), {"n": 3}, ("a stand-in",))

    monkeypatch.setattr(run, "find_study", lambda name: registry.Study(name, answer))
    return given


def test_study_prints_its_tables_and_notes(asked, type_in):
    said = type_in("study mnist-c --scale paper --seed 4")
    assert "paper" in said.out
    assert "99.3 %" in said.out
    assert said.err == "note: a stand-in\n"
    assert (asked[0].out, asked[0].scale, asked[0].seed) == (Path("runs/study-mnist-c-paper"), "paper", 4)


def test_study_prints_its_figures_as_json(asked, type_in):
    said = type_in("study svhn --out here --json").json
    assert (said["figures"], said["notes"], said["scale"], said["seed"]) == (
        {"n": 3},
        ["a stand-in"],
        "quick",
        0,
    )
    assert asked[0].out == Path("here")
