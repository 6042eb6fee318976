"""Objects found by a run: files and folders in, a list and a sheet out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightfast.base.errors import DataError
from lightfast.base.plain import as_json
from lightfast.cli.text.runs import objects_lines
from lightfast.pages.objects_sheet import ObjectsResult, PictureObjects, drawn_objects, write_objects_sheet
from lightfast.runs.objects import objects_run
from lightfast.runs.options import RunOptions
from lightfast.tagging.objects import Objects, ObjectSettings

FOUND = Objects(
    ("cat", "a label that is far too long to stand on any picture whatever"),
    (0.9, 0.6),
    np.array([[10, 20, 60, 80], [0, 0, 100, 50]]),
    {},
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures, a broken one, a hidden one and a text."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    (folder / "in").mkdir()
    for name in ("a.png", "in/b.png", ".hidden.png"):
        Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)).save(folder / name)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    (folder / "notes.txt").write_text("no picture", encoding="utf-8")
    return folder


def test_every_picture_is_listed_and_the_broken_one_named(run: Path, pictures: Path) -> None:
    result = objects_run(str(run), [str(pictures)], RunOptions(), ObjectSettings(threshold=0.0, limit=3))
    assert [one.path for one in result.pictures] == ["a.png", "in/b.png"]
    assert [one.path for one in result.unreadable] == ["broken.jpg"]
    assert all(set(one.found.tags) == {"left", "middle", "right"} for one in result.pictures)


def test_list_and_sheet_are_written(run: Path, pictures: Path, tmp_path: Path) -> None:
    result = objects_run(
        str(run), [str(pictures)], RunOptions(out=tmp_path), ObjectSettings(threshold=0.0, limit=3)
    )
    assert json.loads((tmp_path / "objects.json").read_text(encoding="utf-8")) == as_json(result)
    with Image.open(result.sheet) as sheet:
        assert sheet.format == "PNG"
        assert sheet.width > 2 * 380


def test_only_unreadable_pictures_are_an_error(run: Path, pictures: Path) -> None:
    with pytest.raises(DataError, match="none of the 1 pictures"):
        objects_run(str(run), [str(pictures / "broken.jpg")], RunOptions())


def test_a_folder_without_pictures_is_an_error(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no picture files"):
        objects_run(str(run), [str(tmp_path)], RunOptions())


def test_boxes_are_drawn_where_they_are() -> None:
    plain = np.full((100, 100, 3), 255, dtype=np.uint8)
    one = Objects(("cat",), (0.9,), np.array([[30, 40, 70, 90]]), {})
    drawn = np.asarray(drawn_objects(plain, one, side=100))
    changed = np.argwhere((drawn != 255).any(axis=2))
    assert changed[:, 0].max() == 89
    assert (drawn[60:85, 33:67] == 255).all()
    assert (drawn[60:85, 30:33] != 255).any(axis=2).all()


def test_long_labels_and_no_objects_can_be_drawn(tmp_path: Path) -> None:
    image = np.zeros((100, 100, 3), dtype=np.uint8)
    none = Objects((), (), np.zeros((0, 4), dtype=np.int64), {})
    shown = [
        PictureObjects("x" * 300, FOUND, image),
        PictureObjects("b", none, image[:1]),
        PictureObjects("c", FOUND, image[:, :2]),
        PictureObjects("d", none, image),
    ]
    path = write_objects_sheet(tmp_path / "sheet.png", shown)
    with Image.open(path) as sheet:
        assert sheet.height > 2 * 380


def test_lines_count_boxes_of_one_label() -> None:
    cats = Objects(("cat", "cat"), (0.9, 0.8), np.array([[0, 0, 9, 9], [20, 0, 29, 9]]), {})
    none = Objects((), (), np.zeros((0, 4), dtype=np.int64), {})
    pictures = (PictureObjects("a.png", cats), PictureObjects("b.png", none))
    assert objects_lines(ObjectsResult("run", pictures, (), (), None)) == [
        "a.png: cat 90 % (2 boxes)",
        "b.png: nothing above the threshold",
    ]
