"""Class names that people can tell apart."""

from __future__ import annotations

import pytest

from lightfast.base.errors import DataError
from lightfast.data.lists.class_names import check_class_names, ordered_class_names

ALIKE = [
    ("Cat", "cat"),
    ("cat", "cat "),
    ("T-shirt", "t_shirt"),
    ("alarm clock", "alarm_clock"),
    ("ＡＢ", "AB"),
    ("a", "a "),
    ("K\u00e4fer", "Ka\u0308fer"),
    ("black  bird", "black bird"),
    ("ant", "an\u200bt"),
]


@pytest.mark.parametrize("pair", ALIKE)
def test_names_spelled_alike_are_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(DataError, match="spelled alike"):
        check_class_names(pair, "here")


@pytest.mark.parametrize(
    "pair",
    [("cat", "cats"), ("A", "a"), ("1", "-1"), ("1", "10"), ("T-shirt", "Shirt"), ("smile", "not_smile")],
)
def test_different_names_pass(pair: tuple[str, str]) -> None:
    assert check_class_names(pair, "here") == ()


CODES = [
    ("1-1", "11"),
    ("v1_0", "v10"),
    ("Co", "CO"),
    ("1-1", "1_1"),
    ("T-shirt", "Tshirt"),
    ("SKU-1-1", "SKU-1_1"),
    ("Sample_AB", "Sample_ab"),
]


@pytest.mark.parametrize("pair", CODES)
def test_codes_that_are_easily_confused_are_two_classes_and_noted(pair: tuple[str, str]) -> None:
    (note,) = check_class_names(pair, "here")
    assert note == f"classes spelled alike were kept apart: {pair[0]!r} and {pair[1]!r}"


def test_many_confusing_codes_are_one_note() -> None:
    names = [f"letter {letter}" for letter in "abcdefgABCDEFG"]
    (note,) = check_class_names(names, "here")
    assert note.endswith("'letter e' and 'letter E' and 2 more")


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(DataError, match="a class name is empty"):
        check_class_names(["cat", " "], "here")


def test_numbers_are_ordered_by_value_and_texts_by_letter() -> None:
    assert ordered_class_names(["10", "9", "-1", "9"]) == ("-1", "9", "10")
    assert ordered_class_names(["10", "9", "b"]) == ("10", "9", "b")
