"""Tables of pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lightfast.base.errors import DataError
from lightfast.data.dataset import ImageSpec
from lightfast.data.decode import cache
from lightfast.data.decode.decode import decode_file
from lightfast.data.lists.manifest import load_manifest

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
    images = load_manifest(path).train
    assert images.ids == tuple(row[0] for row in ROWS)
    assert images.require_labels().tolist() == [0, 0, 1, 1]
    assert images.name == "list"


def test_a_byte_order_mark_and_odd_headers_are_understood(tree: Path) -> None:
    path = csv(tree, "\ufeff Label ,PATH\ncat,cat/0.png\ndog,dog/0.png\n")
    assert load_manifest(path).train.class_names == ("cat", "dog")


def test_numbers_as_labels_are_ordered_by_value(tree: Path) -> None:
    path = csv(tree, table([("cat/0.png", "10"), ("cat/1.png", "9"), ("dog/0.png", "2")]))
    assert load_manifest(path).train.class_names == ("2", "9", "10")


def test_a_split_column_gives_official_parts(tree: Path) -> None:
    rows = [(*row, part) for row, part in zip(ROWS, ("train", "test", "train", "val"), strict=True)]
    loaded = load_manifest(csv(tree, "path,label,split\n" + "\n".join(map(",".join, rows))))
    assert {name: images.ids for name, images in loaded.parts.items()} == {
        "train": ("cat/0.png", "dog/0.png"),
        "val": ("dog/2.png",),
        "test": ("cat/1.png",),
    }


def test_a_missing_label_column_is_said_with_the_columns_found(tree: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'label'.*got path,klass"):
        load_manifest(csv(tree, table(ROWS, "path,klass")))


def test_missing_files_are_unreadable_not_fatal(tree: Path) -> None:
    loaded = load_manifest(csv(tree, table([*ROWS, ("cat/none.png", "cat")])))
    assert [(Path(one.path).name, one.reason) for one in loaded.unreadable] == [("none.png", "no such file")]
    assert len(loaded.train) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\n", "names no pictures"),
        ("", "no column 'path'"),
        ("path,label\ncat/0.png,\n", "picture 1 has no label"),
        ("path,label\ncat/0.png,cat\ncat/1.png,cat\n", r"one class only \(cat\)"),
        ("path,label\ncat/0.png,cat\ncat/1.png,Cat\n", "spelled alike: 'Cat' and 'cat'"),
        ("path,label\ncat/0.png\n", "row 1: expected 2 fields .*got 1 fields"),
        (
            "path,label,split\ncat/0.png,cat,train\ndog/0.png,dog,holdout\n",
            "split 'holdout': expected train, val or test",
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_said(tree: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_manifest(csv(tree, text))


def test_a_broken_json_line_is_named(tree: Path) -> None:
    good = json.dumps({"path": "cat/0.png", "label": "cat"})
    with pytest.raises(DataError, match="line 2 is not JSON"):
        load_manifest(csv(tree, f"{good}\n{{oops\n", "list.jsonl"))
    with pytest.raises(DataError, match="line 1: expected an object"):
        load_manifest(csv(tree, "[1]\n", "list.jsonl"))


def test_other_bytes_are_not_tables(tree: Path) -> None:
    (tree / "list.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match="not a Parquet table"):
        load_manifest(tree / "list.parquet")
    (tree / "list.csv").write_bytes(b"path,label\n\xff\xfe,cat\n")
    with pytest.raises(DataError, match="not UTF-8"):
        load_manifest(tree / "list.csv")


# ---- several labels a picture


def tagged(tree: Path, text: str, name: str = "list.csv") -> list[set[str]]:
    """The labels of every picture of the table, by name."""
    images = load_manifest(csv(tree, text, name)).train
    return [{images.class_names[number] for number in row.nonzero()[0]} for row in images.require_tags()]


@pytest.mark.parametrize(
    "cells",
    [
        ("beach|sun", "sun", "", "beach|"),
        ("beach;sun", "sun", "", "beach;"),
        ('"[""beach"", ""sun""]"', '"[""sun""]"', "[]", '"[""beach""]"'),
    ],
)
def test_a_column_labels_in_csv_holds_lists(tree: Path, cells: tuple[str, ...]) -> None:
    text = "path,labels\n" + "".join(f"{path},{cell}\n" for (path, _), cell in zip(ROWS, cells, strict=True))
    assert tagged(tree, text) == [{"beach", "sun"}, {"sun"}, set(), {"beach"}]
    assert "1 of 4 pictures carry none of the labels" in load_manifest(tree / "list.csv").notes


@pytest.mark.parametrize("column", ["label", "labels"])
@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_lists_in_json_and_parquet_are_lists_in_either_column(tree: Path, column: str, ending: str) -> None:
    frame = pd.DataFrame(
        {"path": [row[0] for row in ROWS], column: [["beach", "sun"], ["sun"], [], ["beach"]]}
    )
    path = tree / f"list.{ending}"
    _ = frame.to_parquet(path) if ending == "parquet" else frame.to_json(path, orient="records", lines=True)
    images = load_manifest(path).train
    assert images.class_names == ("beach", "sun")
    assert images.require_tags().tolist() == [[True, True], [False, True], [False, False], [True, False]]
    assert images.labels is None


def test_commas_quotes_and_emoji_stay_in_labels(tree: Path) -> None:
    names = ['sea, "blue"', "🏖 beach", "l'été"]
    rows = [{"path": path, "labels": [name]} for (path, _), name in zip(ROWS, names, strict=False)]
    assert tagged(tree, "\n".join(map(json.dumps, rows)), "list.jsonl") == [{name} for name in names]
    quoted = 'path,labels\ncat/0.png,"sea, ""blue""|🏖 beach"\ncat/1.png,l\'été\ndog/0.png,🏖 beach\n'
    assert tagged(tree, quoted) == [{names[0], names[1]}, {names[2]}, {names[1]}]
    single = 'path,label\ncat/0.png,"sea, ""blue"""\ncat/1.png,🏖 beach|sand\n'
    assert load_manifest(csv(tree, single)).train.class_names == ('sea, "blue"', "🏖 beach|sand")


def test_lists_of_one_label_each_are_still_lists(tree: Path) -> None:
    assert tagged(tree, table(ROWS, "path,labels")) == [{"cat"}, {"cat"}, {"dog"}, {"dog"}]


@pytest.mark.parametrize(
    "cells",
    [
        ("1,0", "0,1", "1,1", "0,0"),
        ("true,false", "False,TRUE", "true,true", "false,false"),
        ("1.0,0.0", "0.0,1.0", "1.0,1.0", "0.0,0.0"),
    ],
)
def test_columns_of_0_and_1_are_labels(tree: Path, cells: tuple[str, ...]) -> None:
    text = "path,Beach,sun\n" + "".join(
        f"{path},{cell}\n" for (path, _), cell in zip(ROWS, cells, strict=True)
    )
    assert tagged(tree, text) == [{"Beach"}, {"sun"}, {"Beach", "sun"}, set()]
    assert "labels are the 2 columns of 0 and 1: Beach, sun" in load_manifest(tree / "list.csv").notes


def test_parquet_columns_of_bools_are_labels_and_other_columns_are_refused(tree: Path) -> None:
    frame = pd.DataFrame(
        {"path": [row[0] for row in ROWS], "beach": [True, False, True, False], "sun": [1, 1, 0, 0]}
    )
    frame.to_parquet(tree / "list.parquet")
    assert load_manifest(tree / "list.parquet").train.require_tags().sum(axis=0).tolist() == [2, 2]
    frame.assign(note="x").to_parquet(tree / "list.parquet")
    with pytest.raises(DataError, match="column 'note' of picture 1"):
        load_manifest(tree / "list.parquet")


PARTED = "path,split,labels\ncat/0.png,train,sun\ncat/1.png,train,sun|beach\ndog/0.png,{part},snow\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PARTED.format(part="val"), "label 'snow' of the val part is carried by no training picture"),
        (PARTED.format(part="test"), "label 'snow' of the test part is carried by no training picture"),
        ("path,label,labels\ncat/0.png,a,a|b\n", "both a column 'label' and a column 'labels'"),
        ("path,label,Label\ncat/0.png,a,b\n", "two columns are called 'label'"),
        ("path,labels\ncat/0.png,[sun]\n", r"labels of picture 1 begin with \[ and are no JSON list"),
        ("path,labels\ncat/0.png,sun||beach\n", "an empty label among those of picture 1"),
        ("path,labels\ncat/0.png,sun\ncat/1.png,Sun\n", "spelled alike: 'Sun' and 'sun'"),
        ("path,labels\ncat/0.png,\ncat/1.png,\n", "no picture carries any label"),
        ("path,labels\ncat/0.png,sun\ncat/1.png,sun\n", "every picture carries the one label 'sun'"),
        ("path,beach,sun\ncat/0.png,1,0\ncat/1.png,0,0\n", "no picture carries the label 'sun'"),
        (
            "path,beach,width\ncat/0.png,1,640\ncat/1.png,0,480\n",
            "no column 'label'.*got 640 in column 'width' of picture 1.*Write 0 or 1",
        ),
        ("path,keep\ncat/0.png,1\ncat/1.png,0\n", "'keep' holds 0 and 1: two classes, or one label"),
        (
            "path,label\ncat/0.png,a\ncat/1.png,b\n./cat/0.png,b\n",
            "rows 1 and 3 give './cat/0.png' different labels",
        ),
        (
            "path,label,split\ncat/0.png,a,train\ncat/1.png,b,train\ncat/0.png,a,test\n",
            "rows 1 and 3 give 'cat/0.png' different parts",
        ),
    ],
)
def test_labels_that_cannot_be_used_are_said(tree: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_manifest(csv(tree, text))


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ('"sun"', "the label of picture 2: expected a list as in the other rows, got 'sun'"),
        ("null", "the label of picture 2: expected a list as in the other rows, got nothing"),
        ('["a", null]', "expected a list of texts, got None in it"),
        ('[["a"]]', r"expected a list of texts, got \['a'\] in it"),
    ],
)
def test_a_cell_that_is_no_list_among_lists_is_said(tree: Path, cell: str, message: str) -> None:
    text = f'{{"path": "cat/0.png", "label": ["sun"]}}\n{{"path": "cat/1.png", "label": {cell}}}\n'
    with pytest.raises(DataError, match=message):
        load_manifest(csv(tree, text, "list.jsonl"))


def test_a_file_named_twice_alike_is_taken_once_and_noted(tree: Path) -> None:
    loaded = load_manifest(csv(tree, table([*ROWS, ("./cat/0.png", "cat")])))
    assert len(loaded.train) == 4
    assert "1 row(s) name a file that was named before and were left out (first: ./cat/0.png)" in loaded.notes


def test_a_label_that_is_missing_in_parquet_is_not_a_class(tree: Path) -> None:
    pd.DataFrame({"path": ["cat/0.png", "cat/1.png"], "label": ["cat", None]}).to_parquet(
        tree / "list.parquet"
    )
    with pytest.raises(DataError, match="picture 2 has no label"):
        load_manifest(tree / "list.parquet")


def test_parts_in_any_order_are_ranges_of_one_kept_array(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "SMALL_FILES", 4)
    rows = ["cat/0.png,cat,test", "cat/1.png,cat,train", "dog/0.png,dog,test", "dog/1.png,dog,train"]
    path = csv(tree, "\n".join(["path,label,split", *rows]))
    for _ in range(2):
        loaded = load_manifest(path, ImageSpec((8, 8), 3))
        assert loaded.test is not None
        assert loaded.train.ids == ("cat/1.png", "dog/1.png")
        assert loaded.test.ids == ("cat/0.png", "dog/0.png")
        np.testing.assert_array_equal(loaded.test.images[1], decode_file(tree / "dog" / "0.png", (8, 8), 3))
