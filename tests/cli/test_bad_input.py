"""Bad input from end to end: exit code 2 and one line that names the input and the cure,
nothing half-written.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

# ---- names and settings that do not exist


@pytest.mark.parametrize(
    "text, part",
    [
        ("data fetch mnits", "mnist"),
        ("data check mnits", "Did you mean"),
        ("train cifar --out r", "cifar10"),
        ("train blobs.npz --out r --model cn", "cnn"),
        ("train blobs.npz --out r --model unet", "restorer"),
        ("train blobs.npz --out r --model cnn --set epoch=3", "epochs"),
        ("train blobs.npz --out r --model cnn --set epochs=many", "epochs"),
        ("train blobs.npz --out r --model cnn --set nonsense", "key=value"),
        ("train blobs.npz --out r --set model.colour=3 --model mlp", "colour"),
        ("train blobs.npz --out r --image-size wide", "--image-size 32x32"),
        ("train blobs.npz --out r --model cnn --set schedule=plateau --set patience=2", "patience"),
        ("train blobs.npz --out r --model lite0 --set epochs=3", "mode=staged"),
        ("train blobs.npz --out r --budget soon", "--budget 5m"),
        ("train blobs.npz --out r --taxonomy nowhere.yaml", "nowhere.yaml"),
        ("export nowhere --out x.onnx", "lightfast train"),
        ("corrupt blobs.npz --name fogg --out y", "fog"),
        ("corrupt blobs.npz --suite mnistc --out y", "mnist-c"),
        ("corrupt blobs.npz --out y", "--name or --suite"),
        ("corrupt blobs.npz --name fog --suite all --out y", "--name or --suite"),
        ("corrupt blobs.npz --name fog", "--out"),
        ("corrupt --name fog --out y", "needs pictures"),
        ("corrupt blobs.npz --suite mnist-c --out y.npz", "a folder"),
        ("study svnh", "svhn"),
        ("study svhn --scale cpu", "--scale quick or paper"),
        ("predict nowhere blobs.npz", "lightfast train"),
        ("evaluate nowhere blobs.npz", "lightfast train"),
        ("repair nowhere blobs.npz", "lightfast train"),
        ("predict run x --format parquet", "--out FILE.parquet"),
        ("predict run x --out photo.jpg", "--format"),
    ],
)
def test_a_wrong_name_or_setting_is_one_line_with_the_cure(text, part, type_in, blobs_npz):
    said = type_in(text)
    assert said.code == 2, said.err
    assert part in said.line()
    assert not Path("y").exists()


def test_settings_without_a_model_are_refused_for_photographs(type_in, tmp_path, blobs):
    np.savez(tmp_path / "photos.npz", **blobs(20, size=72))
    said = type_in("train photos.npz --out r --set epochs=3")
    assert said.code == 2
    assert "--model lite0" in said.line()
    assert not Path("r").exists()


# ---- data that cannot be used


@pytest.mark.parametrize(
    "arrays, part",
    [
        ({"images": np.full((4, 8, 8), np.nan), "labels": np.arange(4) % 2}, "NaN"),
        ({"images": np.zeros((4, 8), np.uint8), "labels": np.arange(4) % 2}, "(4, 8)"),
        ({"images": np.zeros((4, 8, 8, 2), np.uint8), "labels": np.arange(4) % 2}, "(4, 8, 8, 2)"),
        ({"images": np.zeros((4, 8, 8), np.uint8), "labels": np.arange(3) % 2}, "shape (4,)"),
        ({"images": np.zeros((4, 8, 8), np.uint8)}, "'labels'"),
        ({"images": np.zeros((4, 8, 8), np.uint8), "labels": np.zeros(4, int)}, "one class"),
    ],
    ids=["NaN", "two-axes", "two-channels", "too-few-labels", "no-labels", "one-class"],
)
def test_a_wrong_npz_says_what_was_expected_and_came(arrays, part, type_in, tmp_path):
    np.savez(tmp_path / "wrong.npz", **arrays)
    said = type_in("train wrong.npz --out r")
    assert said.code == 2
    assert part in said.line()


@pytest.mark.parametrize(
    "classes, part",
    [
        ({"cat": 3, "dog": 0}, "empty class"),
        ({"cat": 1}, "one class only"),
        ({"cat": 3}, "one class only"),
        ({"Cat": 3, "cat": 3}, "spelled alike"),
        ({"cat": 2, "dog": 30}, "'cat' is too small"),
        ({}, "no class folders"),
    ],
    ids=["empty", "one-picture", "one-class", "alike", "tiny-class", "nothing"],
)
def test_a_folder_that_no_classifier_can_learn_from(classes, part, type_in, tmp_path, write_folder):
    (tmp_path / "pile").mkdir()
    write_folder(tmp_path / "pile", classes)
    said = type_in("train pile --out r")
    assert said.code == 2
    assert part in said.line()
    assert not Path("r").exists()


def test_another_class_list_is_refused_by_name(run, type_in, tmp_path, blobs):
    np.savez(tmp_path / "others.npz", **blobs(20, names=("dark", "purple")))
    for verb in ("evaluate", "repair"):
        said = type_in(f"{verb} {run} others.npz")
        assert said.code == 2
        assert "purple" in said.line()


@pytest.mark.parametrize(
    "text",
    ["train blobs.npz", "corrupt blobs.npz --name fog", "evaluate RUN blobs.npz", "repair RUN blobs.npz"],
)
def test_a_file_in_the_place_of_a_folder_is_one_line(text, run, type_in, blobs_npz, tmp_path):
    (tmp_path / "taken").write_text("a file")
    said = type_in(f"{text.replace('RUN', str(run))} --out taken/here")
    assert said.code == 2
    assert "a file stands where a folder is wanted" in said.line()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blobs.npz", "taken"]


def test_an_export_that_could_not_write_a_sidecar_ends_with_1(run, type_in, tmp_path, write_folder):
    folder = write_folder(tmp_path / "pictures", {"a": 2})
    (folder / "a" / "0.png.xmp").write_text("broken", encoding="utf-8")
    said = type_in(f"export {run} pictures --to xmp")
    assert said.code == 1
    assert "1 picture(s) got no sidecar:" in said.out
    (folder / "a" / "0.png.xmp").unlink()
    assert type_in(f"export {run} pictures --to xmp").code == 0


@pytest.mark.parametrize("name", ["tags.csv", "tags.txt", "tags.json"])
def test_a_place_for_predictions_is_tried_first(name, type_in, tmp_path, read_only):
    (tmp_path / "mount").mkdir()
    read_only(tmp_path / "mount")
    said = type_in(f"predict no-run no-pictures --out mount/{name}")
    assert (said.code, said.line()) == (
        2,
        f"lightfast: cannot write mount/{name}: the file system is read-only. Choose another place, or mount "
        "it writable.",
    )


def test_a_check_says_each_note_once(type_in, tmp_path, write_folder):
    folder = write_folder(tmp_path / "pictures", {"a": 2, "b": 2})
    (folder / "a" / "notes.txt").write_text("no picture", encoding="utf-8")
    said = type_in("data check pictures")
    assert (said.out + said.err).count("have no ending of a picture") == 1
