"""A library's decisions relabel a data set: found by path and by pixels, in the data set's own names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fixtures.databases import database, library, postgres_server
from PIL import Image
from sqlalchemy import select

from lightfast.base.errors import DataError
from lightfast.data.decisions import DecisionLog
from lightfast.data.ingest import load_splits
from lightfast.library.add import add_pictures
from lightfast.library.find import find_assets
from lightfast.library.label_numbers import label_numbers
from lightfast.library.library import Library
from lightfast.library.people.users import user_number
from lightfast.library.review.review import AnswerRow, decide_rows
from lightfast.library.review.undo import undo
from lightfast.library.schema import labels
from lightfast.runs.library.decisions import export_decisions
from lightfast.runs.options import RunOptions
from lightfast.runs.relabel import relabel_data

__all__ = ["database", "library", "postgres_server"]


@pytest.fixture
def data(library: Library, tmp_path: Path) -> Path:
    """Class folders of pictures of two sizes, so that all are resized on the way in; the library has all."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog", "owl"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(3):
            side = 20 + 4 * (number % 2)
            pixels = rng.integers(0, 255, (side, side, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{number}.png")
    add_pictures(library, [str(tmp_path / "data")])
    with library.store.write() as connection:
        user_number(connection, "ada")
        label_numbers(connection, ["cat", "dog", "owl"])
    return tmp_path / "data"


def _number(library: Library, path: Path) -> str:
    with library.store.read() as connection:
        return str(find_assets(connection, [str(path)])[str(path)])


def test_relabel_takes_what_the_library_decided(library: Library, data: Path, tmp_path: Path):
    rows = [
        AnswerRow(_number(library, data / "cat" / "0.png"), "dog"),
        AnswerRow(_number(library, data / "owl" / "1.png"), "owl", act="reject"),
        AnswerRow(_number(library, data / "dog" / "2.png"), "dog"),
    ]
    decide_rows(library, 1, rows)
    decide_rows(library, 1, [AnswerRow(_number(library, data / "dog" / "0.png"), "owl")])
    undo(library.store, 1)
    said = export_decisions(library, tmp_path / "log.jsonl", RunOptions(image_size=(16, 16)), str(data))
    assert (said.decisions, said.pictures, said.notes) == (3, 3, ())
    options = RunOptions(out=tmp_path / "next", image_size=(16, 16))
    done = relabel_data(str(data), tmp_path / "log.jsonl", options)
    assert (done.changed, done.agreed, done.left_out) == ({"train": 1}, 1, {"train": 1})
    again = load_splits(str(tmp_path / "next" / "data.csv")).train
    where = {Path(name).parent.name + Path(name).name: row for row, name in enumerate(again.ids)}
    assert again.class_names[again.require_labels()[where["cat0.png"]]] == "dog"
    assert "owl1.png" not in where


def test_a_data_set_elsewhere_is_found_by_its_pixels(library: Library, data: Path, tmp_path: Path):
    decide_rows(library, 1, [AnswerRow(_number(library, data / "cat" / "0.png"), "dog")])
    for name in ("cat", "dog"):
        (tmp_path / "copy" / name).mkdir(parents=True)
        for number in (0, 2):
            pixels = Image.open(data / name / f"{number}.png")
            pixels.save(tmp_path / "copy" / name / f"copied{number}.bmp")
    said = export_decisions(library, tmp_path / "log.jsonl", RunOptions(), str(tmp_path / "copy"))
    assert said.decisions == 1
    (one,) = DecisionLog(tmp_path / "log.jsonl").read().records
    assert (Path(one.picture).name, one.given_label, one.decided_label) == ("copied0.bmp", "cat", "dog")


def test_what_says_nothing_of_the_data_set_is_counted(library: Library, data: Path, tmp_path: Path):
    rows = [
        AnswerRow(_number(library, data / "cat" / "0.png"), "lynx"),
        AnswerRow(_number(library, data / "cat" / "1.png"), "owl", act="reject"),
        AnswerRow(_number(library, data / "cat" / "2.png"), "cat"),
    ]
    decide_rows(library, 1, rows, add_labels=True)
    said = export_decisions(library, tmp_path / "log.jsonl", RunOptions(), str(data))
    assert said.decisions == 1
    assert [note.split(":")[0] for note in said.notes] == ["1 decisions were left out"] * 2
    with library.store.read() as connection:
        assert "lynx" in connection.execute(select(labels.c.name)).scalars().all()


def test_nothing_decided_is_said(library: Library, data: Path, tmp_path: Path):
    with pytest.raises(DataError, match="no decision to export"):
        export_decisions(library, tmp_path / "log.jsonl", RunOptions(), str(data))
    assert not (tmp_path / "log.jsonl").exists()
