"""Tables of pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from lightfast.base.errors import DataError
from lightfast.data.manifest import read_manifest

ROWS = [("cat/0.png", "cat"), ("cat/1.png", "cat"), ("dog/0.png", "dog"), ("dog/2.png", "dog")]


def csv(tree: Path, text: str, name: str = "list.csv") -> Path:
    (tree / name).write_text(text, encoding="utf-8")
    return tree / name


def table(rows: list[tuple[str, str]], header: str = "path,label") -> str:
    return "\n".join([header, *(",".join(row) for row in rows)]) + "\n"


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "ndjson", "parquet"])
def test_every_kind_of_table_says_the_same(tree: Path, ending: str) -> None:
    frame = pd.DataFrame(ROWS, columns=["path", "label"])
    path = tree / f"list.{ending}"
    match ending:
        case "parquet":
            frame.to_parquet(path)
        case "csv" | "tsv":
            frame.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",")
        case _:
            frame.to_json(path, orient="records", lines=True)
    images = read_manifest(path).train
    assert images.ids == tuple(row[0] for row in ROWS)
    assert images.require_labels().tolist() == [0, 0, 1, 1]
    assert images.name == "list"


def test_a_byte_order_mark_and_odd_headers_are_understood(tree: Path) -> None:
    path = csv(tree, "\ufeff Label ,PATH\ncat,cat/0.png\ndog,dog/0.png\n")
    assert read_manifest(path).train.class_names == ("cat", "dog")


def test_numbers_as_labels_are_ordered_by_value(tree: Path) -> None:
    path = csv(tree, table([("cat/0.png", "10"), ("cat/1.png", "9"), ("dog/0.png", "2")]))
    assert read_manifest(path).train.class_names == ("2", "9", "10")


def test_a_split_column_gives_official_parts(tree: Path) -> None:
    rows = [(*row, part) for row, part in zip(ROWS, ("train", "test", "train", "val"), strict=True)]
    loaded = read_manifest(csv(tree, "path,label,split\n" + "\n".join(map(",".join, rows))))
    assert {name: images.ids for name, images in loaded.parts.items()} == {
        "train": ("cat/0.png", "dog/0.png"), "val": ("dog/2.png",), "test": ("cat/1.png",)}


def test_a_missing_label_column_is_said_with_the_columns_found(tree: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'label'.*got path,klass"):
        read_manifest(csv(tree, table(ROWS, "path,klass")))


def test_missing_files_are_unreadable_not_fatal(tree: Path) -> None:
    loaded = read_manifest(csv(tree, table([*ROWS, ("cat/none.png", "cat")])))
    assert [(Path(one.path).name, one.reason) for one in loaded.unreadable] == [("none.png", "no such file")]
    assert len(loaded.train) == 4


@pytest.mark.parametrize(("text", "message"), [
    ("path,label\n", "names no pictures"),
    ("", "no column 'path'"),
    ("path,label\ncat/0.png,\n", "picture 1 has no label"),
    ("path,label\ncat/0.png,cat\ncat/1.png,cat\n", r"one class only \(cat\)"),
    ("path,label\ncat/0.png,cat\ncat/1.png,Cat\n", "spelled alike: 'Cat' and 'cat'"),
    ("path,label\ncat/0.png\n", "row 1: expected 2 fields .*got 1 fields"),
    ("path,label,split\ncat/0.png,cat,train\ndog/0.png,dog,holdout\n", "split 'holdout': expected train, val or test"),
])
def test_a_table_that_cannot_be_used_is_said(tree: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_manifest(csv(tree, text))


def test_a_broken_json_line_is_named(tree: Path) -> None:
    good = json.dumps({"path": "cat/0.png", "label": "cat"})
    with pytest.raises(DataError, match="line 2 is not JSON"):
        read_manifest(csv(tree, f"{good}\n{{oops\n", "list.jsonl"))
    with pytest.raises(DataError, match="line 1: expected an object"):
        read_manifest(csv(tree, "[1]\n", "list.jsonl"))


def test_other_bytes_are_not_tables(tree: Path) -> None:
    (tree / "list.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match="not a Parquet table"):
        read_manifest(tree / "list.parquet")
    (tree / "list.csv").write_bytes(b"path,label\n\xff\xfe,cat\n")
    with pytest.raises(DataError, match="not UTF-8"):
        read_manifest(tree / "list.csv")
