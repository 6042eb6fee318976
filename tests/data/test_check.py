"""The report on a data set."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from lightfast.data.check import check, examine
from lightfast.data.loaded import LoadedData


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
    assert json.loads(json.dumps(report.as_json()))["unreadable"] == [{"path": str(tree / "cat" / "empty.png"), "reason": "empty file"}]
