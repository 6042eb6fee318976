"""The labels of a table: one a picture, a list a picture, or one column of 0 and 1 a label.

The rules, in this order:

- a column `labels` holds lists: JSON and Parquet lists as they are; of texts, one that begins with `[` is a
  JSON list, others are divided at `|`, or where there is none at `;`. A comma never divides: labels may hold
  commas;
- a column `label` holds one label a picture, whatever its text, unless its cells are JSON or Parquet lists;
- without either, all columns but `path`, `file_name` and `split` hold 0, 1, true or false: each of them is a
label.

Lists are several labels a picture even where each has one. An empty list carries none of the labels.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from lightfast.base.errors import DataError
from lightfast.data.lists.cells import label_text, single_labels
from lightfast.data.lists.class_names import check_class_names, ordered_class_names, require_two_classes
from lightfast.data.lists.divided_labels import divided, refuse_divided
from lightfast.data.lists.table import LABEL_COLUMNS, PATH_COLUMNS, PictureTable, cell_text

_YES_NO = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}
_LIST_CURE = "Write a list of texts, [] where the picture carries none of the labels."


@dataclass(frozen=True)
class Labelling:
    """Class names, and the number(s) of every row: `labels` with one label a picture,
    `tags` with any number of them, the other is None.
    """

    class_names: tuple[str, ...]
    labels: tuple[int, ...] | None = None
    tags: tuple[tuple[int, ...], ...] | None = None
    notes: tuple[str, ...] = ()


def has_labels(table: PictureTable) -> bool:
    """Whether the table says anything of labels: a column `label` or `labels`,
    or columns of nothing but 0 and 1.
    """
    return any(name in table.columns for name in LABEL_COLUMNS) or _are_one_hot(table)


def labelling(table: PictureTable, parts: Sequence[str], separator: str | None = None) -> Labelling:
    """The labels of every row; `parts` gives the part of each ("train", "val", "test"); `separator` divides
    several labels in one cell of the column `label`, see `TableOptions.label_separator`.

    Raises DataError for: no column of labels, an empty or an ambiguous cell (the row is said), one class, no
    label carried by any picture, names spelled alike, and a label of several that only another part than
    train has.
    """
    given = [name for name in LABEL_COLUMNS if name in table.columns]
    if len(given) > 1:
        said = f"{table.where} has both a column 'label' and a column 'labels'"
        raise DataError(said, cure="Remove one of them.")
    if not given:
        return _one_hot(table, parts)
    cells = [row[given[0]] for row in table.rows]
    if given == ["labels"] or any(isinstance(cell, list) for cell in cells):
        lists = [_list(cell, number, given[0], table.where) for number, cell in enumerate(cells, start=1)]
        return _several(lists, ordered_class_names(chain.from_iterable(lists)), parts, table.where)
    if separator not in (None, "none"):
        lists = divided(cells, separator)
        return _several(lists, ordered_class_names(chain.from_iterable(lists)), parts, table.where)
    return _single(cells, table.where, ask=separator is None)


def _single(cells: Sequence[Any], where: str, *, ask: bool) -> Labelling:
    for number, cell in enumerate(cells, start=1):
        if isinstance(cell, dict):
            what = f"{where}: the label of picture {number}"
            raise DataError(what, expected="a text, a number or a list", got="an object")
    texts, notes = single_labels(cells, where)
    if ask:
        refuse_divided(texts, where)
    names = ordered_class_names(texts)
    alike = check_class_names(names, where)
    require_two_classes(names, where, "labels")
    numbers = {name: number for number, name in enumerate(names)}
    return Labelling(names, labels=tuple(numbers[text] for text in texts), notes=(*notes, *alike))


def _several(
    lists: Sequence[Sequence[str]], names: tuple[str, ...], parts: Sequence[str], where: str
) -> Labelling:
    if not any(lists):
        raise DataError(f"{where}: no picture carries any label", cure="Fill in the labels.")
    notes = list(check_class_names(names, where))
    _require_trained(lists, names, parts, where)
    if len(names) == 1 and all(lists):
        raise DataError(
            f"{where}: every picture carries the one label {names[0]!r}",
            expected="other labels, or pictures without it",
            cure="Add pictures that do not carry it.",
        )
    numbers = {name: number for number, name in enumerate(names)}
    tags = tuple(tuple(sorted({numbers[name] for name in one})) for one in lists)
    none = sum(not one for one in tags)
    if none:
        notes.append(f"{none} of {len(tags)} pictures carry none of the labels")
    return Labelling(names, tags=tags, notes=tuple(notes))


def _require_trained(
    lists: Sequence[Sequence[str]], names: Sequence[str], parts: Sequence[str], where: str
) -> None:
    named = list(zip(lists, parts, strict=True))
    trained = {name for one, part in named if part == "train" for name in one}
    for name in names:
        if name not in trained:
            part = next((part for one, part in named if name in one), None)
            if part is None:
                raise DataError(
                    f"{where}: no picture carries the label {name!r}",
                    cure="Remove the column, or mark pictures that carry it.",
                )
            raise DataError(
                f"{where}: label {name!r} of the {part} part is carried by no training picture",
                cure=f"Add training pictures of it, or remove it from {part}.",
            )


def _list(cell: Any, number: int, column: str, where: str) -> list[str]:
    """The labels in one cell of a column of lists."""
    place = f"{where}: the {column} of picture {number}"
    if column == "labels":
        cell = _divided(cell, number, where)
    if not isinstance(cell, list):
        got = "nothing" if cell is None or cell != cell else repr(cell)
        raise DataError(place, expected="a list as in the other rows", got=got, cure=_LIST_CURE)
    for one in cell:
        if not isinstance(one, str | bytes | int | float) or one != one:
            raise DataError(place, expected="a list of texts", got=f"{one!r} in it", cure=_LIST_CURE)
    names = [label_text(one, where) for one in cell]
    if not all(names):
        what = f"{where}: an empty label among those of picture {number}"
        raise DataError(what, cure="Remove it, or give it a name.")
    return names


def _divided(cell: Any, number: int, where: str) -> Any:
    """A text or number of a column `labels` as a list; anything else as it is."""
    if isinstance(cell, int | float) and cell == cell:
        return [cell]
    if not isinstance(cell, str):
        return cell
    text = cell.strip()
    if text.startswith("["):
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{where}: the labels of picture {number} begin with [ and are no JSON list ({error.msg})",
                cure='Write ["beach", "sun"] or beach|sun.',
            ) from error
    mark = "|" if "|" in text else ";"
    # One mark at the end is how some programs write lists; between two marks a label is missing.
    return text.removesuffix(mark).split(mark) if text else []


def _one_hot(table: PictureTable, parts: Sequence[str]) -> Labelling:
    columns = _other_columns(table)
    if not _are_one_hot(table):
        expected = (
            "the columns path,label, or path,labels (lists), or path and a column of 0 and 1 for every label"
        )
        offender = _offender(table)
        raise DataError(
            f"{table.where}: no column 'label'",
            expected=expected,
            got=offender or ",".join(table.columns) or "none",
            cure="Write 0 or 1 in every cell, or take the column away."
            if offender
            else "Rename the column, or write the header as its first line.",
        )
    if len(columns) == 1:
        raise DataError(
            f"{table.where}: no column 'label', and {columns[0]!r} holds 0 and 1: two classes, or one label "
            "carried or not",
            cure="Call it 'label' where they are two classes; else give the names in a column 'labels'.",
        )
    lists = [[name for name in columns if _YES_NO[_plain(row[name])]] for row in table.rows]
    found = _several(lists, ordered_class_names(columns), parts, table.where)
    shown = ", ".join(columns[:5]) + ", ..." * (len(columns) > 5)
    note = f"labels are the {len(columns)} columns of 0 and 1: {shown}"
    return replace(found, notes=(note, *found.notes))


def _are_one_hot(table: PictureTable) -> bool:
    """Whether there are columns beside path and split, and every cell of theirs is 0 or 1."""
    return bool(_other_columns(table) and table.rows) and not _odd_columns(table)


def _odd_columns(table: PictureTable) -> list[str]:
    """Of the columns beside path and split those with another cell than 0 and 1."""
    return [
        name for name in _other_columns(table) if any(_plain(row[name]) not in _YES_NO for row in table.rows)
    ]


def _other_columns(table: PictureTable) -> list[str]:
    return [name for name in table.columns if name not in (*PATH_COLUMNS, *LABEL_COLUMNS, "split")]


def _offender(table: PictureTable) -> str:
    """Where some columns are of 0 and 1 and others not: the first cell that is neither."""
    odd = _odd_columns(table)
    if not odd or len(odd) == len(_other_columns(table)):
        return ""
    cells = (row[odd[0]] for row in table.rows)
    number, cell = next(
        (number, cell) for number, cell in enumerate(cells, start=1) if _plain(cell) not in _YES_NO
    )
    shown = f"{cell_text(cell) or 'nothing'} in column {odd[0]!r} of picture {number}"
    return f"{shown} ({','.join(table.columns)})"


def _plain(cell: Any) -> str:
    return cell_text(cell).strip().lower()
