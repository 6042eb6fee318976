"""Tags as tables and as lists to train on."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from library.brightness import add_greys, confirm, numbers_of, truth_of
from library.pictures import suggest
from pyarrow import parquet

from lightfast.base.errors import DataError
from lightfast.data.dataset import ImageSpec
from lightfast.data.ingest import load_splits
from lightfast.data.lists.listing import load_unlabelled
from lightfast.library.export_tags import export_labels, export_tags
from lightfast.library.held_out import hold_out
from lightfast.library.library import Library
from lightfast.library.review.decide import ReviewAct, decide

BRIGHT, DARK = 1, 2


@pytest.fixture
def filled(library: Library, tmp_path: Path) -> Library:
    """Four pictures: two confirmed, one suggested, one rejected."""
    add_greys(library, tmp_path / "greys", 4)
    numbers = numbers_of(library)
    confirm(library, numbers[:2], truth_of(library))
    suggest(library, numbers[2], DARK, 0.75)
    decide(library.store, 1, [ReviewAct(numbers[3], "reject", DARK)])
    return library


def test_every_tag_is_a_row_with_who_says_it(filled: Library, tmp_path: Path):
    said = export_tags(filled, tmp_path / "tags.csv")
    assert (said.rows, said.pictures) == (4, 4)
    rows = list(csv.DictReader((tmp_path / "tags.csv").read_text(encoding="utf-8").splitlines()))
    assert [(Path(row["path"]).name, row["label"], row["state"]) for row in rows] == [
        ("000.png", "dark", "confirmed"),
        ("001.png", "bright", "confirmed"),
        ("002.png", "dark", "suggested"),
        ("003.png", "dark", "rejected"),
    ]
    assert [row["probability"] for row in rows] == ["", "", "0.75", ""]
    assert [row["reviewer"] for row in rows] == ["ada", "ada", "", "ada"]


def test_all_kinds_of_file_say_the_same(filled: Library, tmp_path: Path):
    export_tags(filled, tmp_path / "tags.jsonl", ["suggested"])
    export_tags(filled, tmp_path / "tags.parquet", ["suggested"])
    (line,) = (tmp_path / "tags.jsonl").read_text(encoding="utf-8").splitlines()
    assert parquet.read_table(tmp_path / "tags.parquet").to_pylist() == [json.loads(line)]


def test_what_people_confirmed_is_a_source_of_labelled_pictures(filled: Library, tmp_path: Path):
    assert export_labels(filled, tmp_path / "pile.csv").rows == 2
    images = load_splits(str(tmp_path / "pile.csv")).train
    assert [images.class_names[one] for one in images.require_labels()] == ["dark", "bright"]


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_the_untouched_part_is_the_test_split_of_the_list(filled: Library, tmp_path: Path, ending: str):
    confirm(filled, numbers_of(filled), truth_of(filled))
    hold_out(filled.store, numbers_of(filled)[:2])
    said = export_labels(filled, tmp_path / f"pile.{ending}")
    assert "2 pictures of the untouched part are the test split" in said.notes
    splits = load_splits(str(tmp_path / f"pile.{ending}"))
    assert {Path(one).name for one in splits.test.ids} == {"000.png", "001.png"}
    assert {Path(one).name for one in splits.train.ids} == {"002.png", "003.png"}


def test_the_list_is_taken_by_the_verbs_that_only_look(filled: Library, tmp_path: Path):
    """As `predict`, `curate` and `select` read a pile."""
    export_labels(filled, tmp_path / "pile.csv")
    images = load_unlabelled([str(tmp_path / "pile.csv")], ImageSpec((12, 12), 1)).train
    assert sorted(Path(one).name for one in images.ids) == ["000.png", "001.png"]


def test_several_labels_are_lists(filled: Library, tmp_path: Path):
    decide(filled.store, 1, [ReviewAct(numbers_of(filled)[0], "confirm", BRIGHT)])
    export_labels(filled, tmp_path / "pile.parquet")
    assert [row["labels"] for row in parquet.read_table(tmp_path / "pile.parquet").to_pylist()] == [
        ["bright", "dark"],
        ["bright"],
    ]


def test_nothing_is_written_over(filled: Library, tmp_path: Path):
    (tmp_path / "tags.csv").write_text("mine")
    with pytest.raises(DataError, match="is there already"):
        export_tags(filled, tmp_path / "tags.csv")
    assert (tmp_path / "tags.csv").read_text() == "mine"
    with pytest.raises(DataError, match=r"ends in \.csv"):
        export_tags(filled, tmp_path / "tags.xls")
