"""Labels in the cells of a table, as people and programs write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from lightfast.base.errors import DataError
from lightfast.base.text import nfc
from lightfast.data.lists.table import cell_text

# What programs write for a missing value, and no class is likely to be called.
_NOTHING = frozenset(("", "nan", "n/a", "#n/a", "<na>", "nat", "null"))
# These too, but a class may be called so (Namibia, "none of these"): missing only among numbers.
_PERHAPS = frozenset(("none", "na", "-", "--", "?"))
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?(e[+-]?\d+)?", re.IGNORECASE)
# `01`: a number, or a code of two digits.
_CODE = re.compile(r"[+-]?0\d")
_BYTES = re.compile(r"""b(['"])(.*)\1""", re.DOTALL)


def label_text(cell: Any, where: str) -> str:
    """A label as text: in composed Unicode, without spaces around it, bytes decoded (also where `b'ant'`
    was written as text).

    Raises DataError for bytes that are not UTF-8.
    """
    try:
        text = cell.decode("utf-8") if isinstance(cell, bytes) else cell_text(cell)
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: the label {cell!r} is not UTF-8", cure="Write it as text.") from error
    text = nfc(text).strip().strip("\ufeff").strip()
    inner = _BYTES.fullmatch(text)
    return inner.group(2) if inner else text


def single_labels(cells: Sequence[Any], where: str) -> tuple[list[str], tuple[str, ...]]:
    """(the label of every row, notes): equal numbers are one label.

    Raises DataError, naming the first rows, for cells without a label, for bytes that are not UTF-8, and for
    numbers that may be codes (`01` beside `1`).
    """
    texts = [label_text(cell, where) for cell in cells]
    missing = _missing_words(texts)
    bare = [at for at, text in enumerate(texts) if text.casefold() in missing]
    if bare:
        _refuse_missing(texts, bare, where)
    notes = [
        f"{word!r} was taken as the name of a class ({texts.count(word)} pictures); "
        "remove these rows if they have no label"
        for word in sorted(set(texts))
        if word.casefold() in _PERHAPS
    ]
    renamed = _one_spelling(texts, where)
    if renamed:
        shown = ", ".join(f"{old} as {new}" for old, new in sorted(renamed.items())[:3])
        notes.append(f"labels that are equal numbers are one class: {shown}{' …' * (len(renamed) > 3)}")
    return [renamed.get(text, text) for text in texts], tuple(notes)


def partial_labels(cells: Sequence[Any], where: str) -> tuple[list[str | None], tuple[str, ...]]:
    """Like `single_labels`, but a cell that says nothing is None."""
    texts = [label_text(cell, where) for cell in cells]
    missing = _missing_words(texts)
    given = [at for at, text in enumerate(texts) if text.casefold() not in missing]
    found: list[str | None] = [None] * len(texts)
    if not given:
        return found, ()
    labels, notes = single_labels([texts[at] for at in given], where)
    for at, label in zip(given, labels, strict=True):
        found[at] = label
    return found, notes


def _refuse_missing(texts: Sequence[str], bare: Sequence[int], where: str) -> None:
    first = bare[0]
    said = f" (it says {texts[first]!r})" if texts[first] else ""
    more = f", and {len(bare) - 1} more" if len(bare) > 1 else ""
    cure = "Fill it in or remove the row."
    if said:
        cure = "Fill it in or remove the row; a class of that name needs another name."
    raise DataError(f"{where}: picture {first + 1} has no label{said}{more}", cure=cure)


def _missing_words(texts: Sequence[str]) -> frozenset[str]:
    """What says that there is no label, beside these texts."""
    plain = [text for text in set(texts) if text.casefold() not in _NOTHING | _PERHAPS]
    numbers = bool(plain) and all(map(_NUMBER.fullmatch, plain))
    return _NOTHING | _PERHAPS if numbers else _NOTHING


def _one_spelling(texts: Sequence[str], where: str) -> dict[str, str]:
    """{a number as written: as it is called} of those that are called otherwise."""
    spellings: dict[float, list[str]] = {}
    for text in sorted(filter(_NUMBER.fullmatch, set(texts))):
        spellings.setdefault(float(text), []).append(text)
    whole = all(value.is_integer() for value in spellings)
    renamed: dict[str, str] = {}
    for value, written in spellings.items():
        if any(map(_CODE.match, written)):
            if len(written) > 1:
                _refuse_codes(texts, written, where)
        elif whole or len(written) > 1:
            name = str(int(value)) if value.is_integer() else written[0]
            renamed |= {text: name for text in written if text != name}
    return renamed


def _refuse_codes(texts: Sequence[str], written: Sequence[str], where: str) -> None:
    first, second = sorted(map(texts.index, written))[:2]
    raise DataError(
        f"{where}: pictures {first + 1} and {second + 1} have the labels {texts[first]!r} and "
        f"{texts[second]!r}: one class, or two codes",
        cure="Write them alike where they are one class, else give the codes letters.",
    )
