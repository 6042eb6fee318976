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
    ("ＡＢ", "ab"),
    ("a", "a "),
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
    assert check_class_names(pair, "here") is None


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(DataError, match="a class name is empty"):
        check_class_names(["cat", " "], "here")


def test_numbers_are_ordered_by_value_and_texts_by_letter() -> None:
    assert ordered_class_names(["10", "9", "-1", "9"]) == ("-1", "9", "10")
    assert ordered_class_names(["10", "9", "b"]) == ("10", "9", "b")
