"""Several labels in one cell of a column that is to hold one: divided where the user says so, asked where
they look like it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from lightfast.base.errors import DataError
from lightfast.base.text import nfc
from lightfast.data.lists.table import cell_text

_MARKS = {"comma": ",", "semicolon": ";", "bar": "|", "slash": "/", "plus": "+", "space": " "}
_LEAST = 4
"""Combinations of labels that it takes to ask."""


def divided(cells: Sequence[Any], separator: str) -> list[list[str]]:
    """The labels of every cell; `separator` is a sign or one of the names comma, semicolon, bar, slash, plus,
    space (any white space). An empty cell carries none.
    """
    separator = _MARKS.get(separator, separator)
    texts = [nfc(cell_text(cell)) for cell in cells]
    pieces = [text.split(None if separator.isspace() else separator) for text in texts]
    return [[piece.strip() for piece in one if piece.strip()] for one in pieces]


def refuse_divided(texts: Sequence[str], where: str) -> None:
    """Refuse labels that look like several in a cell: many rare combinations of few words.

    Raises DataError that asks for `label_separator`. Names of several words ("alarm clock", "wall clock")
    pass: each of them is the label of many pictures, or its words occur in no other.
    """
    for name, mark in _MARKS.items():
        combined = Counter(text for text in texts if mark in text.strip())
        if len(combined) >= _LEAST and _are_combinations(combined, Counter(texts), mark):
            shown = ", ".join(repr(text) for text in list(combined)[:3])
            words = {word for text in set(texts) for word in divided([text], mark)[0]}
            raise DataError(
                f"{where}: {len(set(texts)):,} labels look like combinations of {len(words)} ({shown})",
                expected="one label a cell",
                got=f"a column 'label' with {mark!r} in {sum(combined.values()):,} cells",
                cure=f"Give `label_separator={name}` where cells hold several labels, "
                "`label_separator=none` where each is one.",
            )


def _are_combinations(combined: Counter[str], labels: Counter[str], mark: str) -> bool:
    words = Counter(word for text in labels for word in set(divided([text], mark)[0]))
    shared = [text for text in combined if all(words[word] > 1 for word in divided([text], mark)[0])]
    rare = sum(combined[text] <= 2 for text in combined)
    return len(shared) >= 0.8 * len(combined) and rare >= 0.5 * len(combined) and len(words) < len(labels)
