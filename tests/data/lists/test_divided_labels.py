"""Several labels in one cell of a column that is to hold one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lightfast.base.errors import DataError
from lightfast.data.dataset import TableOptions
from lightfast.data.ingest import load_splits
from lightfast.data.lists.divided_labels import divided, refuse_divided

WORDS = ("ant", "bee", "cat", "dog")
PAIRS = [f"{one}{{}}{two}" for one in WORDS for two in WORDS if one < two]


@pytest.mark.parametrize(
    ("mark", "name"), [(",", "comma"), (", ", "comma"), (" ", "space"), (";", "semicolon"), ("|", "bar")]
)
def test_many_rare_combinations_of_few_words_are_asked_about(mark: str, name: str) -> None:
    texts = [pair.format(mark) for pair in PAIRS] + ["ant", "bee", "cat"]
    with pytest.raises(DataError, match=f"`label_separator={name}` where cells hold several") as caught:
        refuse_divided(texts, "here")
    said = re.findall(r"label_separator=(\w+)", caught.value.cure)
    assert divided(texts[:1], said[0]) == [["ant", "bee"]]


@pytest.mark.parametrize(
    "texts",
    [
        ["alarm clock", "wall clock", "desk lamp", "table lamp", "floor lamp"] * 20,
        ["New York", "San Francisco", "Los Angeles", "Santa Fe", "Las Vegas"],
        ["Smith, John", "Doe, Jane", "Poe, Edgar", "Roe, Richard", "Low, Lisa"],
        ["T/F", "N/A", "a+b"],
    ],
)
def test_names_of_several_words_pass(texts: list[str]) -> None:
    refuse_divided(texts, "here")


def test_the_option_divides_or_keeps(tree: Path) -> None:
    paths = [f"{label}/{number}.png" for label in ("cat", "dog") for number in range(3)]
    lines = [f'{path},"{pair.format(", ")}"' for path, pair in zip(paths, PAIRS, strict=True)]
    table = tree / "list.csv"
    table.write_text("\n".join(["path,label", *lines]))
    with pytest.raises(DataError, match="label_separator"):
        load_splits(table)
    several = load_splits(table, tables=TableOptions(label_separator="comma")).train
    assert several.class_names == WORDS
    assert several.tags is not None
    assert several.tags[0].tolist() == [True, True, False, False]
    assert load_splits(table, tables=TableOptions(label_separator="none")).train.num_classes == 6
