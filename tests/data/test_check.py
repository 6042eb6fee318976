"""The report on a data set."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from lightfast.base.errors import DataError
from lightfast.base.plain import as_json
from lightfast.cli.text.runs import check_lines
from lightfast.data.check import check, examine
from lightfast.data.dataset import LoadedData
from lightfast.data.export import save_npz
from lightfast.data.images import ImageSet
from lightfast.runs.options import RunOptions
from lightfast.runs.train import train_run


def test_a_folder_is_counted(tree: Path) -> None:
    (tree / "dog" / "2.png").unlink()
    report = check(tree)
    assert report.n == 5
    assert report.classes == {"cat": 3, "dog": 2}
    assert report.smallest_class == "dog"
    assert report.sizes == {"12x10": 5}


def test_broken_files_are_listed_and_warned_about(tree: Path) -> None:
    (tree / "cat" / "empty.png").touch()
    report = check(tree)
    assert [one.reason for one in report.unreadable] == ["empty file"]
    assert "1 files could not be read" in report.warnings


def test_copies_within_and_between_classes_are_told_apart(tree: Path) -> None:
    shutil.copy(tree / "cat" / "0.png", tree / "cat" / "copy.png")
    shutil.copy(tree / "cat" / "1.png", tree / "dog" / "copy.png")
    report = check(tree)
    assert report.duplicates == (("cat/0.png", "cat/copy.png"),)
    assert report.conflicts == (("cat/1.png", "dog/copy.png"),)
    assert any("exact copies" in warning for warning in report.warnings)
    assert any("different labels" in warning for warning in report.warnings)


def test_training_pictures_in_the_test_part_are_counted(made: Any) -> None:
    report = examine(LoadedData(train=made([0, 1, 0], [1, 2, 3]), test=made([0, 1], [3, 4])), "x")
    assert report.overlap == 1
    assert report.parts == {"train": 3, "test": 2}
    assert any("also in the validation or test part" in warning for warning in report.warnings)


def test_few_and_uneven_classes_are_warned_about(made: Any) -> None:
    warnings = examine(LoadedData(train=made([0] * 99 + [1] * 9)), "x").warnings
    few, uneven = warnings
    assert few == "classes with fewer than 10 pictures: class1 (9)"
    assert uneven == "uneven classes: the largest has 11 times the pictures of the smallest"


def test_a_sound_set_has_no_warnings(made: Any) -> None:
    assert examine(LoadedData(train=made([0, 1] * 10)), "x").warnings == ()


def test_the_report_is_json(tree: Path) -> None:
    (tree / "cat" / "empty.png").touch()
    report = check(tree)
    assert json.loads(json.dumps(as_json(report)))["unreadable"] == [
        {"path": str(tree / "cat" / "empty.png"), "reason": "empty file"}
    ]


def scenes(folder: Path, copies: dict[str, str]) -> Path:
    """Four pictures of two classes, and compressed copies {name: of}."""
    for number, name in enumerate(("cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = gaussian_filter(np.random.default_rng(number).normal(size=(64, 64, 3)), (3, 3, 0))
        Image.fromarray(np.clip(128 + 400 * noise, 0, 255).astype(np.uint8)).save(path)
    for name, of in copies.items():
        Image.open(folder / of).save(folder / name, quality=60)
    return folder


def test_near_duplicates_are_told_from_exact_copies(tmp_path: Path) -> None:
    folder = scenes(
        tmp_path / "pets", {"cat/2.jpg": "cat/0.png", "dog/2.jpg": "cat/1.png", "dog/3.png": "dog/0.png"}
    )
    report = check(folder)
    assert report.duplicates == (("dog/0.png", "dog/3.png"),)
    assert report.near_duplicates == (("cat/0.png", "cat/2.jpg"),)
    assert report.near_conflicts == (("cat/1.png", "dog/2.jpg"),)
    assert "2 groups of near duplicates hold 4 pictures" in report.warnings
    assert "1 groups of near duplicates have different labels" in report.warnings
    assert "near copy  cat/1.png ~ dog/2.jpg with different labels" in check_lines(report)
    assert json.loads(json.dumps(as_json(report)))["near_duplicates"] == [["cat/0.png", "cat/2.jpg"]]


def test_near_duplicates_in_the_test_part_are_counted(tmp_path: Path) -> None:
    scenes(tmp_path / "train", {})
    for name in ("cat", "dog"):
        (tmp_path / "test" / name).mkdir(parents=True)
        Image.open(tmp_path / "train" / name / "0.png").save(
            tmp_path / "test" / name / "copy.jpg", quality=60
        )
    report = check(tmp_path)
    assert (report.overlap, report.near_overlap) == (0, 2)
    assert any("near duplicate in the validation or test part" in warning for warning in report.warnings)


def test_arrays_are_not_searched_for_near_duplicates(made: Any) -> None:
    report = examine(LoadedData(train=made([0, 1] * 10)), "x")
    assert "did not come from picture files" in report.near_not_searched
    assert any("were not searched" in line for line in check_lines(report))


def test_tags_are_counted_and_compared(made: Any) -> None:
    plain = made([0] * 6, [1, 1, 2, 2, 3, 4])
    tags = np.array([[1, 0], [1, 0], [1, 1], [0, 1], [0, 0], [0, 1]], dtype=bool)
    report = examine(
        LoadedData(train=ImageSet(plain.images, ("sea", "sky"), tags=tags, ids=tuple("abcdef"))), "x"
    )
    assert report.classes == {"sea": 3, "sky": 3}
    assert (report.duplicates, report.conflicts) == ((("a", "b"),), (("c", "d"),))


def test_pictures_without_labels_have_no_classes(made: Any) -> None:
    report = examine(LoadedData(train=ImageSet(made([0] * 3).images)), "x")
    assert (report.classes, report.smallest_class, report.warnings) == ({}, "", ())
    assert check_lines(report)


def test_a_library_without_class_folders_is_looked_at_without_labels(tmp_path: Path) -> None:
    scenes(tmp_path / "pets", {"cat/2.jpg": "cat/0.png"})
    library = tmp_path / "library"
    library.mkdir()
    for number, path in enumerate(sorted((tmp_path / "pets").rglob("*.*"))):
        shutil.copy(path, library / f"{number}{path.suffix}")
    shutil.copy(library / "3.png", library / "copy.png")
    (library / "empty.jpg").touch()
    report = check(library)
    assert (report.n, report.classes) == (6, {})
    assert [one.reason for one in report.unreadable] == ["empty file"]
    assert report.duplicates == (("3.png", "copy.png"),)
    assert report.near_duplicates == (("0.png", "2.jpg"),)
    assert report.warnings[0].startswith(
        f"no labels, train refuses it: {library} has 7 pictures but no class"
    )
    assert "classes    none: pictures without labels" in check_lines(report)


def test_one_class_is_looked_at_and_what_train_says_is_said(tree: Path) -> None:
    shutil.rmtree(tree / "dog")
    report = check(tree)
    assert report.n == 3
    assert "has one class only (cat)" in report.warnings[0]


def refusal(source: Path, folder: Path) -> str:
    """What `train` says when it refuses a source."""
    with pytest.raises(DataError) as caught:
        train_run(str(source), RunOptions(out=folder), model="random-forest")
    return str(caught.value)


def test_a_class_of_the_test_part_alone_is_said_as_train_says_it(made: Any, tmp_path: Path) -> None:
    names = ("a", "b", "c")
    data = LoadedData(train=made([0, 1] * 9, names=names), test=made([2, 2], [80, 81], names=names))
    path = save_npz(tmp_path / "set.npz", data)
    warnings = check(path).warnings
    assert "only the test part has pictures of: c" in warnings
    assert f"train refuses it: {refusal(path, tmp_path / 'run')}" in warnings


def test_too_few_pictures_are_said_as_train_says_it(tree: Path, tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        (tree / "dog" / name).unlink()
    assert f"train refuses it: {refusal(tree, tmp_path / 'run')}" in check(tree).warnings
    # With two classes that can be divided, the third is learned and a note says so.
    shutil.copytree(tree / "cat", tree / "cow")
    for number, path in enumerate(sorted((tree / "cow").iterdir())):
        Image.fromarray(np.full((12, 10, 3), 40 * number, np.uint8)).save(path)
    report = check(tree)
    assert not any("refuses" in warning for warning in report.warnings)
    assert any(note.startswith("train: too few distinct pictures") for note in report.notes)


def test_many_groups_are_named_up_to_a_limit_and_the_rest_is_counted(made: Any) -> None:
    report = examine(LoadedData(train=made([0, 1] * 30, [number // 2 for number in range(60)])), "x")
    lines = [line for line in check_lines(report) if line.startswith("conflict")]
    assert len(lines) == 21
    assert lines[-1] == "conflict   … and 10 more groups with different labels"


def rotted(folder: Path, *, whole: int, damaged: int) -> Path:
    """JPEG files of noise, the last `damaged` of them without 300 bytes in the middle."""
    folder.mkdir(parents=True)
    for index in range(whole + damaged):
        grain = np.random.default_rng(index).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(grain).save(folder / f"{index}.jpg")
        if index >= whole:
            content = (folder / f"{index}.jpg").read_bytes()
            (folder / f"{index}.jpg").write_bytes(
                content[: len(content) // 2] + content[len(content) // 2 + 300 :]
            )
    return folder


def test_damaged_pixels_are_named_even_where_nothing_of_a_class_is_left(tmp_path: Path) -> None:
    rotted(tmp_path / "cat", whole=2, damaged=1)
    rotted(tmp_path / "dog", whole=0, damaged=3)
    report = check(tmp_path)
    assert [Path(one.path).name for one in report.unreadable] == ["2.jpg", "0.jpg", "1.jpg", "2.jpg"]
    assert (report.reasons, report.n, report.classes) == ({"damaged": 4}, 2, {"cat": 2, "dog": 0})
    assert "classes of which no picture can be read: dog" in report.warnings
    lenient = check(tmp_path, damaged="read")
    assert (lenient.unreadable, lenient.classes) == ((), {"cat": 3, "dog": 3})
    assert "4 files are damaged and were read as far as they go" in lenient.notes
