"""Labels of arrays as other programs write them: columns, texts, whole floats, numbers from 1, gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.base.text import nfc
from lightfast.data.lists.class_names import ordered_class_names

_FEW = 8
"""Numbers that a message lists at most."""


@dataclass(frozen=True)
class NumberedLabels:
    """The labels of every part as numbers 0..K-1, the class names, and what was done, one sentence each."""

    labels: Mapping[str, NDArray[Any]]
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def numbered(given: Mapping[str, NDArray[Any]], names: Sequence[str] | None, where: str) -> NumberedLabels:
    """Labels (N,) or (N, 1) of every part, as numbers or texts, made into numbers of `names`.

    Numbers are places in `names`; where they begin with 1 and end with the count of names, the first name is
    1's. Without names, classes are called by the numbers that occur. What `ImageSet` refuses (other shapes,
    fractions, numbers below 0) is left as it is.

    Raises DataError where numbers and names do not fit, or a text is not among the names.
    """
    notes: list[str] = []
    labels = {part: _flat(one, part, notes) for part, one in given.items()}
    if all(one.dtype.kind in "US" for one in labels.values()):
        return _of_texts(labels, names, where, notes)
    values = np.unique(np.concatenate([one.ravel() for one in labels.values()]))
    if not _are_numbers(values):
        return NumberedLabels(labels, tuple(names or ("0", "1")), tuple(notes))
    top = int(values[-1])
    if names is None:
        return _unnamed(labels, values, notes)
    if int(values[0]) == 1 and top == len(names):
        notes.append(
            f"labels begin with 1: {names[0]!r} is the class of label 1, {names[-1]!r} that of {top}"
        )
        labels = {part: one - 1 for part, one in labels.items()}
    elif top >= len(names):
        raise _misfit(values, names, where)
    return NumberedLabels(labels, tuple(names), tuple(notes))


def _are_numbers(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "iu" and values.size > 0 and int(values[0]) >= 0


def _unnamed(
    labels: Mapping[str, NDArray[Any]], values: NDArray[Any], notes: Sequence[str]
) -> NumberedLabels:
    """Classes called by the numbers that occur."""
    gaps = (
        ()
        if int(values[-1]) == len(values) - 1
        else (f"labels are {_listed(values)}: classes are called so",)
    )
    placed = {part: np.searchsorted(values, one).astype(np.int64) for part, one in labels.items()}
    return NumberedLabels(placed, tuple(map(str, values.tolist())), (*notes, *gaps))


def _misfit(values: NDArray[Any], names: Sequence[str], where: str) -> DataError:
    shown, top = _listed(values), int(values[-1])
    cure = f"Give the names of the labels 0 to {top}, in order."
    if len(values) == len(names):
        made = "labels = numpy.unique(labels, return_inverse=True)[1]"
        cure = f"Write {made} where the names are those of {shown}."
    return DataError(
        f"{where}: class_names",
        expected=f"at least {top + 1} names (labels are {shown})",
        got=f"{len(names)} names",
        cure=cure,
    )


def _flat(labels: NDArray[Any], part: str, notes: list[str]) -> NDArray[Any]:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
        notes.append(f"{part}: labels of shape (N, 1) were read as (N,)")
    if labels.dtype.kind == "f" and np.isfinite(labels).all() and (labels == np.round(labels)).all():
        labels = labels.astype(np.int64)
    return labels


def _of_texts(
    given: Mapping[str, NDArray[Any]], names: Sequence[str] | None, where: str, notes: list[str]
) -> NumberedLabels:
    texts = {part: [_text(one) for one in labels.tolist()] for part, labels in given.items()}
    found = {one for part in texts.values() for one in part}
    known = tuple(names) if names is not None else ordered_class_names(found)
    unknown = sorted(found - set(known))
    if unknown:
        raise DataError(
            f"{where}: label {unknown[0]!r}",
            expected=f"one of the {len(known)} class_names",
            got="a text that is none of them",
            cure="Add it to class_names, or leave class_names out.",
        )
    numbers = {name: number for number, name in enumerate(known)}
    labels = {
        part: np.array([numbers[one] for one in part_texts], np.int64) for part, part_texts in texts.items()
    }
    return NumberedLabels(labels, known, (*notes, "labels are texts: the classes are called so"))


def _text(value: str | bytes) -> str:
    return nfc(value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value).strip()


def _listed(values: NDArray[Any]) -> str:
    shown = ", ".join(map(str, values[:_FEW].tolist()))
    return shown if len(values) <= _FEW else f"{shown} ... {values[-1]}"
