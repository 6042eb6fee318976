"""Tables as other programs write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightfast.base.errors import DataError
from lightfast.data.lists.manifest import load_manifest
from lightfast.data.lists.table import load_table

ROWS = [("cat/0.png", "cat"), ("dog/0.png", "dog")]


def written(mark: str = ",", head: str = "path,label", before: str = "", end: str = "\n") -> str:
    lines = [before] * bool(before) + [head.replace(",", mark), *(mark.join(row) for row in ROWS)]
    return end.join(lines) + end


@pytest.mark.parametrize(
    ("mark", "before", "said"), [(";", "", "semicolons"), ("\t", "", "tabs"), ("|", "", "vertical bars")]
)
def test_a_separator_is_recognised_and_said(tree: Path, mark: str, before: str, said: str) -> None:
    (tree / "a.csv").write_text(written(mark, before=before))
    loaded = load_manifest(tree / "a.csv")
    assert loaded.train.class_names == ("cat", "dog")
    assert any(f"divided by {said}" in note for note in loaded.notes)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_excels_first_line_encodings_and_line_ends(tree: Path, encoding: str, end: str) -> None:
    (tree / "a.csv").write_bytes(written(";", before="sep=;", end=end).encode(encoding))
    assert load_manifest(tree / "a.csv").train.ids == ("cat/0.png", "dog/0.png")


def test_spaces_behind_commas_stand_in_no_cell(tree: Path) -> None:
    (tree / "a.csv").write_text('path, label\ncat/0.png, "cat"\n dog/0.png , dog\n')
    loaded = load_manifest(tree / "a.csv")
    assert loaded.train.class_names == ("cat", "dog")
    assert not loaded.unreadable


def test_another_encoding_is_refused_and_the_cure_works(tree: Path) -> None:
    text = written().replace(",cat", ",Kätzchen")
    (tree / "a.csv").write_bytes(text.encode("cp1252"))
    with pytest.raises(DataError, match=r"not UTF-8 text.*Save it as UTF-8"):
        load_table(tree / "a.csv")
    (tree / "a.csv").write_text(text, encoding="utf-8")
    assert load_manifest(tree / "a.csv").train.class_names == ("Kätzchen", "dog")


@pytest.mark.parametrize("head", ["filename,label", "Image,class", "image_id,category", "path,target"])
def test_usual_names_of_the_columns_are_read_and_said(tree: Path, head: str) -> None:
    (tree / "a.csv").write_text(written(head=head))
    loaded = load_manifest(tree / "a.csv")
    assert loaded.train.class_names == ("cat", "dog")
    assert any("columns were read" in note for note in loaded.notes)


def test_two_columns_that_fit_are_refused_and_the_cure_works(tree: Path) -> None:
    text = "image,file,label\ncat/0.png,x,cat\ndog/0.png,y,dog\n"
    (tree / "a.csv").write_text(text)
    with pytest.raises(DataError, match="'image' and 'file' may both be the column 'path'"):
        load_table(tree / "a.csv")
    (tree / "a.csv").write_text(text.replace("image,", "path,"))
    assert load_manifest(tree / "a.csv").train.ids == ("cat/0.png", "dog/0.png")
