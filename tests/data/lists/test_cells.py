"""Labels as people and programs write them into cells."""

from __future__ import annotations

import math
import unicodedata
from typing import Any

import pytest

from lightfast.base.errors import DataError
from lightfast.data.lists.cells import single_labels


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        ([" ant", "bee\u00a0", "\ufeffant"], ["ant", "bee", "ant"]),
        ([b"ant", "b'bee'", 'b"cat"'], ["ant", "bee", "cat"]),
        ([unicodedata.normalize("NFD", "käfer"), "käfer"], ["käfer", "käfer"]),
        (["1", "1.0", "2", "2e0"], ["1", "1", "2", "2"]),
        ([1, 1.0, 2.0, 3], ["1", "1", "2", "3"]),
        (["1.5", "2.0", "1.50"], ["1.5", "2.0", "1.5"]),
        (["01", "02", "10"], ["01", "02", "10"]),
        (["b'", "bee's"], ["b'", "bee's"]),
    ],
)
def test_one_label_whatever_its_spelling(cells: list[Any], labels: list[str]) -> None:
    assert single_labels(cells, "a.csv")[0] == labels


def test_equal_numbers_are_said_and_plain_ones_are_not() -> None:
    assert single_labels(["1", "1.0", "2"], "a.csv")[1] == (
        "labels that are equal numbers are one class: 1.0 as 1",
    )
    assert single_labels(["1", "2", "10"], "a.csv")[1] == ()


@pytest.mark.parametrize("cell", ["", " ", None, math.nan, "nan", "NaN", "N/A", "null", "NaT", "<NA>"])
def test_a_row_without_a_label_is_refused_by_its_number(cell: Any) -> None:
    with pytest.raises(DataError, match=r"picture 2 has no label.*, and 1 more\. Fill it in or remove"):
        single_labels(["ant", cell, "bee", cell], "a.csv")
    assert single_labels(["ant", "bee"], "a.csv")[0] == ["ant", "bee"]


def test_none_and_na_are_missing_among_numbers_and_a_class_among_names() -> None:
    with pytest.raises(DataError, match="picture 3 has no label \\(it says 'NA'\\)"):
        single_labels(["1", "2", "NA"], "a.csv")
    labels, notes = single_labels(["DE", "NA", "NA"], "a.csv")
    assert labels == ["DE", "NA", "NA"]
    assert notes[0].startswith("'NA' was taken as the name of a class (2 pictures)")


def test_codes_beside_numbers_are_refused_and_the_cure_works() -> None:
    with pytest.raises(DataError, match="pictures 1 and 3 have the labels '1' and '01'"):
        single_labels(["1", "2", "01"], "a.csv")
    assert single_labels(["1", "2", "1"], "a.csv")[0] == ["1", "2", "1"]


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(DataError, match="is not UTF-8"):
        single_labels([b"ant", b"\xff"], "a.csv")
