"""Folders with metadata files, as the datasets library of Hugging Face writes them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from lightfast.base.errors import DataError
from lightfast.data.ingest import load_splits

NAMES = ["a.png", "b.png", "c.png", "d.png"]


@pytest.fixture
def flat(tree: Path) -> Path:
    """Four pictures side by side."""
    folder = tree.parent / "flat"
    folder.mkdir()
    for name, source in zip(NAMES, ["cat/0", "cat/1", "dog/0", "dog/1"], strict=True):
        shutil.copy(tree / f"{source}.png", folder / name)
    return folder


def metadata(
    folder: Path, labels: list, column: str = "label", ending: str = "csv", names: list[str] | None = None
) -> Path:
    frame = pd.DataFrame({"file_name": names or NAMES[: len(labels)], column: labels})
    path = folder / f"metadata.{ending}"
    match ending:
        case "csv":
            frame.to_csv(path, index=False)
        case "jsonl":
            frame.to_json(path, orient="records", lines=True)
        case _:
            frame.to_parquet(path)
    return path


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_labels_come_from_the_metadata(flat: Path, ending: str) -> None:
    metadata(flat, ["cat", "cat", "dog", "dog"], ending=ending)
    loaded = load_splits(flat)
    assert loaded.train.ids == tuple(NAMES)
    assert loaded.train.class_names == ("cat", "dog")
    assert loaded.train.require_labels().tolist() == [0, 0, 1, 1]
    assert loaded.train.name == "flat"
    assert loaded.notes == ()


def test_lists_in_the_metadata_are_tags(flat: Path) -> None:
    metadata(flat, [["x", "y"], ["x"], [], ["y"]], "labels", "jsonl")
    assert load_splits(flat).train.require_tags().tolist() == [
        [True, True],
        [True, False],
        [False, False],
        [False, True],
    ]


def test_columns_of_0_and_1_are_tags(flat: Path) -> None:
    (flat / "metadata.csv").write_text("file_name,x,y\na.png,1,0\nb.png,1,1\nc.png,0,0\nd.png,0,1\n")
    assert load_splits(flat).train.require_tags().sum(axis=0).tolist() == [2, 2]


def test_parts_have_their_own_metadata(flat: Path) -> None:
    root = flat.parent / "parted"
    for part in ("train", "validation", "test"):
        shutil.copytree(flat, root / part)
        metadata(root / part, ["cat", "cat", "dog", "dog"])
    loaded = load_splits(root)
    assert {name: len(images) for name, images in loaded.parts.items()} == {"train": 4, "val": 4, "test": 4}
    assert loaded.part("val").ids[0] == "validation/a.png"


def test_one_metadata_file_above_the_parts_tells_them_by_the_paths(flat: Path) -> None:
    root = flat.parent / "parted"
    for part in ("train", "test"):
        shutil.copytree(flat, root / part)
    names = [f"{part}/{name}" for part in ("train", "test") for name in NAMES]
    metadata(root, ["cat", "cat", "dog", "dog"] * 2, names=names)
    assert {name: images.ids for name, images in load_splits(root).parts.items()} == {
        "train": tuple(names[:4]),
        "test": tuple(names[4:]),
    }


def test_missing_files_are_unreadable_and_unnamed_pictures_noted(flat: Path) -> None:
    metadata(flat, ["cat", "dog", "dog"], names=["a.png", "b.png", "none.png"])
    (flat / "notes.txt").touch()
    loaded = load_splits(flat)
    assert [(Path(one.path).name, one.reason) for one in loaded.unreadable] == [("none.png", "no such file")]
    assert f"2 picture(s) are not in the metadata and were left out (first: {flat}/c.png)" in loaded.notes
    assert any(note.startswith("1 file(s) have no ending of a picture") for note in loaded.notes)


def test_a_file_listed_twice_is_read_once_or_refused(flat: Path) -> None:
    metadata(flat, ["cat", "dog", "cat"], names=["a.png", "b.png", "a.png"])
    assert len(load_splits(flat).train) == 2
    metadata(flat, ["cat", "dog", "dog"], names=["a.png", "b.png", "a.png"])
    with pytest.raises(DataError, match=r"rows 1 and 3 give 'a.png' different labels"):
        load_splits(flat)


def test_metadata_come_before_class_folders_unless_they_say_nothing_of_labels(tree: Path) -> None:
    names = ["cat/0.png", "dog/0.png"]
    metadata(tree, ["nice", "not"], names=names)
    assert load_splits(tree).train.class_names == ("nice", "not")
    metadata(tree, ["a caption", "another"], "text", names=names)
    loaded = load_splits(tree)
    assert loaded.train.class_names == ("cat", "dog")
    assert f"{tree}/metadata.csv has no labels: the class folders were read instead" in loaded.notes


def test_a_label_that_only_the_test_part_has_is_refused(flat: Path) -> None:
    root = flat.parent / "parted"
    for part, label in (("train", "dog"), ("test", "bird")):
        shutil.copytree(flat, root / part)
        metadata(root / part, ["cat", "cat", label, label])
    with pytest.raises(DataError, match="class 'bird' of the test part is not among the training classes"):
        load_splits(root)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"metadata.csv": "file_name,text\na.png,hello\n"}, "no column 'label'.*got file_name,text"),
        ({"metadata.csv": "where,label\na.png,cat\n"}, "no column 'file_name'"),
        (
            {"metadata.csv": "file_name,label\na.png,x\n", "metadata.jsonl": "{}"},
            "holds metadata.csv and metadata.jsonl",
        ),
        (
            {"metadata.csv": "file_name,label\na.png,x\n", "train/metadata.csv": "file_name,label\n"},
            "both name pictures",
        ),
        ({"train/metadata.csv": "file_name,label\na.png,x\n", "test/x.png": ""}, "no fellow in .*test"),
        ({"test/metadata.csv": "file_name,label\na.png,x\n"}, "has test/ but no train/"),
        (
            {
                "train/metadata.csv": "file_name,label\na.png,x\n",
                "test/metadata.csv": "file_name,labels\nb.png,x\n",
            },
            "columns: expected label, got labels",
        ),
    ],
)
def test_metadata_that_cannot_be_used_are_said(flat: Path, files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        (flat / name).parent.mkdir(exist_ok=True)
        (flat / name).write_text(text)
    with pytest.raises(DataError, match=message):
        load_splits(flat)
